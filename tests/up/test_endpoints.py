"""Every endpoint, used with the real `openai` package and LangChain's, and what the ledger says."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


@pytest.fixture
def client(serving: Any) -> Iterator[openai.OpenAI]:
    with serving.client() as client:
        yield client


@pytest.fixture
def books(serving: Any, wait: Callable[..., Any]) -> Callable[[str], dict[str, Any]]:
    """The one row of a call, which has the figures of the echo provider's own books."""

    def row(request_id: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [row for row in serving.rows() if row["stream_id"] == request_id]

        (one,) = wait("the row", found)
        (seen,) = (s for s in serving.attempts() if s["request_id"] == request_id)
        assert one["status"] == seen["status"] == 200
        if one["reason"] == "usage":
            assert one["input_tokens"] == seen["prompt_tokens"]
            assert one["output_tokens"] == seen["completion_tokens"]
        return dict(one)

    return row


def test_a_response(client: openai.OpenAI, books: Callable[[str], dict[str, Any]]) -> None:
    """`responses.create`: text out, figures in the ledger, nothing stored."""
    raw = client.responses.with_raw_response.create(
        model="echo", instructions="be brief", input="one two three"
    )
    answer = raw.parse()

    assert answer.output_text == "one two three"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 3)
    assert not (answer.model_extra or {}).get("store")
    row = books(raw.headers["x-request-id"])
    assert (row["operation"], row["state"], row["output_tokens"]) == ("chat", "settled", 3)


def test_a_response_as_a_stream(
    client: openai.OpenAI, books: Callable[[str], dict[str, Any]]
) -> None:
    """Word by word, and the figures of its last event in the ledger."""
    with client.responses.with_streaming_response.create(
        model="echo", input="one two three", stream=True
    ) as raw:
        events = list(raw.parse())
        request_id = raw.headers["x-request-id"]

    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert words == ["one", " two", " three"]
    assert events[-1].type == "response.completed"
    row = books(request_id)
    assert (row["stream"], row["reason"], row["output_tokens"]) == (True, "usage", 3)


def test_a_response_that_meets_its_cap(
    client: openai.OpenAI, books: Callable[[str], dict[str, Any]]
) -> None:
    """`response.incomplete` has figures too."""
    with client.responses.with_streaming_response.create(
        model="echo", input="a b c d", max_output_tokens=2, stream=True
    ) as raw:
        events = list(raw.parse())
        request_id = raw.headers["x-request-id"]

    assert events[-1].type == "response.incomplete"
    assert books(request_id)["output_tokens"] == 2


def test_a_response_with_tools(client: openai.OpenAI) -> None:
    """A call comes back, and its result goes in as an item."""
    tools: Any = [
        {
            "type": "function", "name": "weather", "strict": None,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                           "required": ["city"]},
        }
    ]  # fmt: skip
    first = client.responses.create(
        model="echo", input="the weather", tools=tools, tool_choice="required"
    )
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": ""}
    after: Any = [
        {"role": "user", "content": "the weather"},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "it is sunny"},
    ]
    second = client.responses.create(model="echo", input=after, tools=tools)
    assert second.output_text == "it is sunny"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"previous_response_id": "resp_of_another_team"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
        ({"input": [{"id": "msg_1"}]}, "input"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools"),
        ({"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x"}]}, "tools"),
        ({"tools": [{"type": "image_generation"}]}, "tools"),
        ({"tools": [{"type": "computer_use_preview"}]}, "tools"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_a_provider_would_keep_or_run_is_refused(
    serving: Any, client: openai.OpenAI, members: dict[str, Any], param: str
) -> None:
    """Before anything leaves, with a code and the parameter's name."""
    before = len(serving.attempts())
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "echo", "input": "x", **members})

    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)
    assert len(serving.attempts()) == before


def test_completions(client: openai.OpenAI, books: Callable[[str], dict[str, Any]]) -> None:
    """Several prompts, several choices, the suffix, and all of it counted."""
    raw = client.completions.with_raw_response.create(
        model="echo", prompt=["a b c", "d"], n=2, best_of=3, suffix="!", max_tokens=2
    )
    answer = raw.parse()

    assert [choice.text for choice in answer.choices] == ["a b!", "a b!", "d!", "d!"]
    row = books(raw.headers["x-request-id"])
    assert (row["operation"], row["input_tokens"], row["output_tokens"]) == (
        "text_completion", 4, 9,
    )  # fmt: skip
    assert row["reserved_output_tokens"] == 2 * 3 * 2


@pytest.mark.parametrize("asked", [True, False])
def test_completions_as_a_stream(
    client: openai.OpenAI, books: Callable[[str], dict[str, Any]], *, asked: bool
) -> None:
    """Figures are in the ledger always, and with the caller where he asks."""
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    with client.completions.with_streaming_response.create(
        model="echo", prompt="a b c", stream=True, **options
    ) as raw:
        chunks = list(raw.parse())
        request_id = raw.headers["x-request-id"]

    assert "".join(c.choices[0].text for c in chunks if c.choices) == "a b c"
    assert [c.usage is not None for c in chunks].count(True) == int(asked)
    assert books(request_id)["output_tokens"] == 3


def test_moderations(client: openai.OpenAI, books: Callable[[str], dict[str, Any]]) -> None:
    """A call that costs no tokens, and its row."""
    raw = client.moderations.with_raw_response.create(model="echo", input=["fine", "flag me"])

    assert [result.flagged for result in raw.parse().results] == [False, True]
    row = books(raw.headers["x-request-id"])
    assert (row["operation"], row["state"], row["reason"]) == ("moderation", "settled", "flat")
    assert (row["input_tokens"], row["output_tokens"], row["cost"]) == (0, 0, "0.00")


def test_images_by_the_token(client: openai.OpenAI, books: Callable[[str], dict[str, Any]]) -> None:
    """A model that says usage is charged by it."""
    raw = client.images.with_raw_response.generate(model="image", prompt="a white dot", n=2)

    assert len(raw.parse().data or ()) == 2
    row = books(raw.headers["x-request-id"])
    assert (row["operation"], row["reason"]) == ("image_generation", "usage")
    assert (row["input_tokens"], row["output_tokens"]) == (3, 544)
    assert row["cost"] == "0.021775"
    assert row["reserved_output_tokens"] == 544


def test_images_by_the_image(client: openai.OpenAI, books: Callable[[str], dict[str, Any]]) -> None:
    """A model that says none costs its price for each."""
    raw = client.images.with_raw_response.generate(model="picture", prompt="a dot", n=3)

    assert len(raw.parse().data or ()) == 3
    row = books(raw.headers["x-request-id"])
    assert (row["state"], row["reason"], row["cost"]) == ("settled", "flat", "0.12")


def test_a_response_falls_back(client: openai.OpenAI, serving: Any) -> None:
    """The second place gets its own model and the same cap, and still stores nothing."""
    raw = client.responses.with_raw_response.create(
        model="fallback", input="a b c", max_output_tokens=2
    )

    assert raw.parse().output_text == "a b"
    request_id = raw.headers["x-request-id"]
    seen = [one for one in serving.attempts() if one["request_id"] == request_id]
    assert [(one["model"], one["status"]) for one in seen] == [("echo-503", 503), ("echo", 200)]


def test_langchain_chats(serving: Any) -> None:
    """`langchain-openai`: a chat, a stream with figures, and embeddings."""
    access: Any = {"base_url": f"{serving.url()}/v1", "api_key": serving.token(), "max_retries": 0}
    model = ChatOpenAI(model="echo", **access)
    said = model.invoke("one two three")
    assert said.content == "one two three"
    assert said.usage_metadata is not None
    assert said.usage_metadata["output_tokens"] == 3
    chunks = list(ChatOpenAI(model="echo", stream_usage=True, **access).stream("a b c"))
    assert "".join(str(chunk.content) for chunk in chunks) == "a b c"
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 3
    vectors = OpenAIEmbeddings(
        model="embedding", check_embedding_ctx_length=False, **access
    ).embed_documents(["a b", "c"])
    assert [len(vector) for vector in vectors] == [64, 64]


def test_langchain_calls_tools(serving: Any) -> None:
    """By chat completions and by responses."""

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    access: Any = {"base_url": f"{serving.url()}/v1", "api_key": serving.token(), "max_retries": 0}
    for responses in (False, True):
        model = ChatOpenAI(model="echo", use_responses_api=responses, **access)
        answer = model.bind_tools([weather], tool_choice="any").invoke("x")
        (call,) = answer.tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": ""})
