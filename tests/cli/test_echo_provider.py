"""The echo provider, seen by the real `openai` client."""

import hashlib
import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bailiwick_cli.echo.counting import tokens
from bailiwick_cli.echo.instance import minimal_json

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 2},
                "unit": {"enum": ["celsius", "kelvin"]},
                "days": {"type": "integer", "minimum": 1},
            },
            "required": ["city", "unit", "days"],
        },
    },
}


@pytest.fixture
def client(echo: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{echo.url}/v1", api_key="canary-key", max_retries=0) as client:
        yield client


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_repeats_the_last_message_and_counts_words(client: openai.OpenAI) -> None:
    """The answer is the last message; a token is a word; the figures add up."""
    answer = client.chat.completions.create(
        model="echo",
        messages=[{"role": "system", "content": "be brief"}, *say("  one two\n three")],
    )
    assert answer.choices[0].message.content == "  one two\n three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 3)
    assert answer.usage.total_tokens == 8


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_an_output_cap_cuts_the_answer(client: openai.OpenAI, field: str) -> None:
    """Either name of the cap ends the answer after so many tokens, and says so."""
    cap: dict[str, Any] = {field: 2}
    answer = client.chat.completions.create(model="echo", messages=say("a b c d"), **cap)
    assert answer.choices[0].message.content == "a b"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


def test_several_choices_count_each(client: openai.OpenAI) -> None:
    """With n choices the output tokens are those of all of them."""
    answer = client.chat.completions.create(model="echo", messages=say("a b"), n=3)
    assert [choice.message.content for choice in answer.choices] == ["a b"] * 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 6


def test_streams_one_word_a_chunk(client: openai.OpenAI) -> None:
    """Streamed words joined are the answer; the last chunk has the figures where asked for."""
    with client.chat.completions.create(
        model="echo",
        messages=say("one two three"),
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    words = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert words == ["one", " two", " three"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_streams_no_figures_unasked(client: openai.OpenAI) -> None:
    """Without include_usage no chunk carries figures."""
    with client.chat.completions.create(model="echo", messages=say("hi"), stream=True) as stream:
        assert all(chunk.usage is None and chunk.choices for chunk in stream)


@pytest.mark.parametrize(
    ("text", "choice", "called"),
    [
        ("hello", "required", True),
        ("please use weather", "auto", True),
        ("hello", "auto", False),
        ("please use weather", "none", False),
        ("hello", {"type": "function", "function": {"name": "weather"}}, True),
    ],
)
def test_calls_a_tool_when_told(
    client: openai.OpenAI, *, text: str, choice: Any, called: bool
) -> None:
    """A tool is called where the choice demands it or the message names it; never otherwise."""
    tools: Any = [WEATHER]
    answer = client.chat.completions.create(
        model="echo", messages=say(text), tools=tools, tool_choice=choice
    )
    message = answer.choices[0].message
    if not called:
        assert message.content == text
        assert message.tool_calls is None
        return
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "xx", "unit": "celsius", "days": 1}


def test_streams_a_tool_call(client: openai.OpenAI) -> None:
    """The pieces of a streamed call join to arguments that are valid JSON."""
    tools: Any = [WEATHER]
    with client.chat.completions.create(
        model="echo", messages=say("x"), tools=tools, tool_choice="required", stream=True
    ) as stream:
        calls = [
            call
            for chunk in stream
            for call in (chunk.choices[0].delta.tool_calls or [] if chunk.choices else [])
        ]
    assert calls[0].function is not None
    assert calls[0].function.name == "weather"
    joined = "".join(call.function.arguments or "" for call in calls if call.function)
    assert json.loads(joined)["unit"] == "celsius"


def test_structured_output_satisfies_its_schema(client: openai.OpenAI) -> None:
    """response_format json_schema gives JSON that the schema accepts."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"$ref": "#/$defs/name"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "score": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
        },
        "required": ["name", "tags", "score"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string", "minLength": 1}},
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    answer = client.chat.completions.create(model="echo", messages=say("x"), response_format=wanted)
    Draft202012Validator(schema).validate(json.loads(answer.choices[0].message.content or ""))


def test_a_schema_that_nothing_satisfies_is_refused(client: openai.OpenAI) -> None:
    """A contradiction is an error with the parameter's name, not a wrong answer."""
    schema = {"type": "string", "minLength": 3, "maxLength": 1}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="echo", messages=say("x"), response_format=wanted)
    assert caught.value.param == "response_format"


@given(
    st.recursive(
        st.sampled_from(
            [
                {"type": "string"},
                {"type": "integer", "minimum": 3, "multipleOf": 5},
                {"type": "number", "exclusiveMinimum": -1.5},
                {"type": "boolean"},
                {"type": "null"},
                {"const": [1]},
                {"enum": ["a", 2]},
            ]
        ),
        lambda inner: st.one_of(
            st.builds(lambda i, n: {"type": "array", "items": i, "minItems": n}, inner,
                      st.integers(0, 3)),
            st.builds(lambda i: {"type": "object", "properties": {"p": i}, "required": ["p"]},
                      inner),
            st.builds(lambda i: {"anyOf": [i, {"type": "null"}]}, inner),
            st.builds(lambda i: {"allOf": [i]}, inner),
        ),
        max_leaves=6,
    )
)  # fmt: skip
def test_any_ordinary_schema_gets_a_value(schema: dict[str, Any]) -> None:
    """For schemas built of the ordinary keywords there is always an answer, and it is valid."""
    Draft202012Validator(schema).validate(json.loads(minimal_json(schema, param="tools")))


@given(st.text())
def test_never_more_tokens_than_bytes(text: str) -> None:
    """The count can't exceed what a limit reserves for a text of that many bytes."""
    assert tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


def test_embeddings_are_unit_vectors_that_depend_on_the_text(client: openai.OpenAI) -> None:
    """The client's own encoding (base64) works; the same text gives the same vector."""
    answer = client.embeddings.create(model="echo-embedding", input=["a b", "a b", "c"])
    first, again, other = (item.embedding for item in answer.data)
    assert first == again
    assert first != other
    assert math.isclose(math.hypot(*first), 1.0, abs_tol=1e-6)
    assert answer.usage.prompt_tokens == 5
    floats = client.embeddings.create(
        model="echo-embedding", input="a b", encoding_format="float", dimensions=64
    )
    assert floats.data[0].embedding == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_model_named_after_a_status_answers_it(client: openai.OpenAI, status: int) -> None:
    """A model such as echo-503 fails on purpose, in OpenAI's shape."""
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=f"echo-{status}", messages=say("x"))
    assert caught.value.status_code == status
    assert caught.value.code == "on_purpose"


def test_the_mute_model_gives_no_figures(client: openai.OpenAI) -> None:
    """A model named -mute answers without usage, so that rows have to be estimated."""
    answer = client.chat.completions.create(model="echo-mute", messages=say("x"))
    assert answer.usage is None


def test_the_books_have_every_attempt_and_no_key(client: openai.OpenAI, echo: Any) -> None:
    """Each call is listed with its tokens and a hash of its key; the key itself is nowhere."""
    before = echo.get("/_echo/counts")
    answer = client.chat.completions.create(
        model="echo", messages=say("one two"), extra_headers={"x-request-id": "r-1"}
    )
    after = echo.get("/_echo/counts")
    assert after["attempts"] - before["attempts"] == 1
    assert after["completion_tokens"] - before["completion_tokens"] == 2
    last = echo.get("/_echo/attempts")["attempts"][-1]
    assert (last["id"], last["request_id"]) == (answer.id, "r-1")
    assert (last["prompt_tokens"], last["completion_tokens"]) == (2, 2)
    assert last["outcome"] == "answered"
    assert last["authorization"] == hashlib.sha256(b"canary-key").hexdigest()[:12]
    assert "canary-key" not in json.dumps(echo.get("/_echo/attempts"))


def test_a_caller_who_leaves_is_booked_with_what_was_sent(client: openai.OpenAI, echo: Any) -> None:
    """A stream that is cut short counts only the words that left."""
    with client.chat.completions.create(
        model="echo-slow", messages=say("w " * 200), stream=True
    ) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    for _ in range(200):
        last = echo.get("/_echo/attempts")["attempts"][-1]
        if last["outcome"] != "open":
            break
    assert last["outcome"] == "hung_up"
    assert 1 <= last["completion_tokens"] < 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"model":"echo"}', "'messages'"),
        (b'{"model":"echo","messages":[1]}', "'messages'"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "'model'"),
        (b'{"model":"echo","messages":[{"role":"user"}],"max_tokens":0}', "'max_tokens'"),
        (b'{"model":"echo","messages":[{"role":"user"}],"n":true}', "'n'"),
    ],
)
def test_a_bad_request_is_named(echo: Any, body: bytes, says: str) -> None:
    """Whatever is wrong with a body is a 400 that says so."""
    request = urllib.request.Request(
        f"{echo.url}/v1/chat/completions",
        data=body,
        headers={"content-type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as answer:
        assert answer.code == 400
        assert says in json.load(answer)["error"]["message"]
