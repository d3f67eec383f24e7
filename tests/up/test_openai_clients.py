"""The quickstart, used with the real `openai` package."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(serving: Any) -> Iterator[openai.OpenAI]:
    with serving.client() as client:
        yield client


def test_answers_json(client: openai.OpenAI) -> None:
    """A plain call gives the provider's answer with the provider's figures."""
    answer = client.chat.completions.create(model="echo", messages=say("one two three"))
    assert answer.choices[0].message.content == "one two three"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 3)


def test_streams(client: openai.OpenAI) -> None:
    """A stream arrives word by word, with figures only for those who ask for them."""
    with client.chat.completions.create(
        model="echo", messages=say("one two three"), stream=True
    ) as stream:
        chunks = list(stream)
    words = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert words == ["one", " two", " three"]
    with client.chat.completions.create(
        model="echo", messages=say("a b"), stream=True, stream_options={"include_usage": True}
    ) as stream:
        *_, last = stream
    assert last.usage is not None
    assert last.usage.completion_tokens == 2


def test_calls_tools(client: openai.OpenAI) -> None:
    """Tools pass through, and the call comes back."""
    tools: Any = [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            },
        }
    ]
    answer = client.chat.completions.create(
        model="echo", messages=say("x"), tools=tools, tool_choice="required"
    )
    assert answer.choices[0].message.tool_calls is not None
    [call] = answer.choices[0].message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": ""}


def test_gives_structured_outputs(client: openai.OpenAI) -> None:
    """A JSON schema passes through, and an answer that satisfies it comes back."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    answer = client.chat.completions.create(model="echo", messages=say("x"), response_format=wanted)
    assert json.loads(answer.choices[0].message.content or "") == {"n": 0}


def test_embeds(client: openai.OpenAI) -> None:
    """Embeddings come back as vectors, each for its text."""
    answer = client.embeddings.create(model="embedding", input=["a b", "c"])
    assert [len(item.embedding) for item in answer.data] == [64, 64]
    assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens == 3


def test_serves_asynchronous_clients(serving: Any) -> None:
    """Twenty calls at once through the asynchronous client are all answered, each with its own."""

    async def call() -> list[str | None]:
        async with openai.AsyncOpenAI(
            base_url=f"{serving.url()}/v1", api_key=serving.token(), max_retries=3
        ) as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(model="echo", messages=say(f"number {n}"))
                    for n in range(4)
                )
            )
            stream = await client.chat.completions.create(
                model="echo", messages=say("a b"), stream=True
            )
            words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return [answer.choices[0].message.content for answer in answers] + ["".join(words)]

    assert asyncio.run(call()) == ["number 0", "number 1", "number 2", "number 3", "a b"]


def test_lists_only_what_the_caller_may_use(serving: Any) -> None:
    """A team that may not use a route does not see it."""
    with serving.client() as search, serving.client(api_key=serving.token(team="support")) as other:
        assert {model.id for model in search.models.list()} == {
            "default", "echo", "embedding", "fallback", "image", "picture", "slow",
        }  # fmt: skip
        assert {model.id for model in other.models.list()} == {
            "default", "echo", "embedding", "fallback", "image", "picture",
        }  # fmt: skip


def test_refuses_who_is_unknown(serving: Any) -> None:
    """What is no token, and another tenant's token, are refused in OpenAI's shape."""
    with serving.client(api_key="nonsense") as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="echo", messages=say("x"))
    foreign = serving.token(tenant="other")
    with serving.client(api_key=foreign) as client, pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="echo", messages=say("x"))


def test_every_attempt_is_in_the_ledger(serving: Any) -> None:
    """A call with a fallback leaves two rows, as the provider counted two attempts."""
    with serving.client() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="fallback", messages=say("one two")
        )
    request_id = raw.headers["x-request-id"]
    rows: list[Any] = []
    for _ in range(100):
        rows = [row for row in serving.rows() if row["stream_id"] == request_id]
        if len(rows) == 2:
            break
    seen = [one for one in serving.attempts() if one["request_id"] == request_id]
    assert [(row["model"], row["status"]) for row in rows] == [("echo-503", 503), ("echo", 200)]
    assert [(one["model"], one["status"]) for one in seen] == [("echo-503", 503), ("echo", 200)]
    assert [row["output_tokens"] for row in rows] == [one["completion_tokens"] for one in seen]
    shown = json.loads(serving.bailiwick("ledger", "show", request_id, "--format", "json"))
    assert shown == rows
