"""Messages ↔ OpenAI's JSON: recorded cases, and what holds for any value."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc.mapping import answers, questions
from bailiwick_sidecar.llm_grpc.mapping.loose import (
    EXACT,
    UnmappableError,
    json_object,
    loose,
)
from bailiwick_sidecar.llm_grpc.method import METHODS

CASES = Path(__file__).parent / "cases"
BY_NAME = {method.name: method for method in METHODS}


def named(pattern: str) -> list[Path]:
    """Cases whose file has such a name."""
    return sorted(CASES.glob(pattern))


def stem(path: Path) -> str:
    return path.name.partition(".")[0]


@pytest.mark.parametrize("case", named("*.request.yaml"), ids=stem)
def test_a_request_becomes_the_json_that_is_recorded(
    case: Path, golden: Callable[[Path, str], None]
) -> None:
    """Field by field; run with --update-golden to record anew."""
    said = yaml.safe_load(case.read_text())
    method = BY_NAME[said["kind"]]
    message = json_format.ParseDict(said["message"], method.request())

    body = json.loads(method.write(message))

    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    golden(CASES / f"{stem(case)}.request.json", text)


@pytest.mark.parametrize("case", named("*.response.yaml"), ids=stem)
def test_an_answer_becomes_the_message_that_is_recorded(
    case: Path, golden: Callable[[Path, str], None]
) -> None:
    """Member by member; run with --update-golden to record anew."""
    said = yaml.safe_load(case.read_text())

    message = BY_NAME[said["kind"]].read(orjson.loads(said["json"]))

    found = json_format.MessageToDict(message, preserving_proto_field_name=True)
    golden(CASES / f"{stem(case)}.message.yaml", yaml.safe_dump(found, allow_unicode=True))


def chat(**fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(model="fast", **fields)


def user(**fields: Any) -> pb.ChatMessage:
    return pb.ChatMessage(role=pb.ROLE_USER, **fields)


def extra(**members: Any) -> Struct:
    struct = Struct()
    struct.update(members)
    return struct


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (chat(messages=[pb.ChatMessage(content="x")]), "messages[0].role"),
        (chat(messages=[user(), pb.ChatMessage(role=99)]), "messages[1].role"),
        (chat(messages=[user(content="a", parts=[{"text": "b"}])]), "messages[0].parts"),
        (chat(messages=[user(parts=[{}])]), "messages[0].parts[0].part"),
        (chat(messages=[user(extra=extra(role="system"))]), "messages[0].extra.role"),
        (chat(tools=[{}]), "tools[0].function"),
        (
            chat(tools=[{"function": {"name": "f", "parameters_json": "{"}}]),
            "tools[0].function.parameters_json",
        ),
        (
            chat(response_format={"json_schema": {"name": "n", "schema_json": "[]"}}),
            "response_format.json_schema.schema_json",
        ),
        (chat(response_format={}), "response_format"),
        (chat(tool_choice={}), "tool_choice.mode"),
        (chat(temperature=math.nan), "temperature"),
        (chat(logit_bias={"1": math.inf}), "logit_bias.1"),
        (chat(extra=extra(model="other")), "extra.model"),
        (chat(extra=extra(stream=True)), "extra.stream"),
        (chat(extra=extra(stream_options={})), "extra.stream_options"),
        (chat(extra=extra(a={"b": [1, 2.0**60]})), "extra.a.b[1]"),
        (chat(extra=extra(a=math.inf)), "extra.a"),
    ],
)
def test_what_has_no_json_is_refused_with_its_path(request_: pb.ChatRequest, field: str) -> None:
    """The caller reads which field it is."""
    with pytest.raises(UnmappableError) as caught:
        questions.chat_json(request_)

    assert caught.value.field == field
    assert str(caught.value)


def test_paths_in_a_stream_begin_where_its_question_stands() -> None:
    """`chat.` stands before the path of each field."""
    with pytest.raises(UnmappableError) as caught:
        questions.chat_stream_json(pb.ChatStreamRequest(chat=chat(messages=[pb.ChatMessage()])))

    assert caught.value.field == "chat.messages[0].role"


def test_texts_and_tokens_exclude_each_other() -> None:
    """Both at once are refused."""
    with pytest.raises(UnmappableError) as caught:
        questions.embed_json(pb.EmbedRequest(model="e", input=["a"], tokens=[{"ids": [1]}]))

    assert caught.value.field == "tokens"


def test_a_field_of_a_newer_client_is_refused() -> None:
    """Nothing is dropped silently, at whatever depth it stands."""
    newer = pb.ChatRequest.FromString(
        chat(messages=[user(content="x")]).SerializeToString() + b"\xf8\x3f\x01"
    )
    nested = pb.ChatMessage.FromString(user(content="x").SerializeToString() + b"\xf8\x3f\x01")

    for request_ in (newer, chat(messages=[nested])):
        with pytest.raises(UnmappableError, match="does not know"):
            questions.chat_json(request_)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.integers(-EXACT, EXACT)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_extra_arrives_as_it_was_said(members: dict[str, Any]) -> None:
    """Any JSON object passes through a Struct unchanged, or is refused where that can't be said."""
    struct = Struct()
    struct.update(members)

    if beyond(members):
        with pytest.raises(UnmappableError):
            json_object(struct, "extra")
    else:
        assert json_object(struct, "extra") == members


def beyond(value: Any) -> bool:
    """True where it holds a whole number that a double may have rounded."""
    if isinstance(value, dict):
        return any(beyond(each) for each in value.values())
    if isinstance(value, list):
        return any(beyond(each) for each in value)
    return isinstance(value, float) and value.is_integer() and abs(value) > EXACT


@given(st.integers())
def test_no_whole_number_of_a_provider_changes(number: int) -> None:
    """It is the same number, or its decimal text."""
    assert str(loose(number)) == str(number)
    assert type(loose(number)) is (int if -EXACT <= number <= EXACT else str)


@given(st.dictionaries(st.sampled_from(sorted(answers.CHUNK)) | st.text(max_size=5), JSON))
def test_no_answer_breaks_the_mapping(said: dict[str, Any]) -> None:
    """Whatever members hold, a message comes out, and each that is not null stands somewhere."""
    message = answers.chat_stream_response(orjson.loads(orjson.dumps(said)))

    kept = json_format.MessageToDict(message, preserving_proto_field_name=True)
    for name, value in said.items():
        if value is not None and name not in kept and name not in kept.get("extra", {}):
            assert value in ("", 0, [], {}, "chat.completion.chunk") or name == "object"


@pytest.mark.parametrize("seed", [-(2**63), 2**63 - 1, 2**53 + 1, 0])
def test_seeds_keep_all_their_bits(seed: int) -> None:
    """A 64-bit number passes as it is; zero is a seed too."""
    assert json.loads(questions.chat_json(chat(seed=seed)))["seed"] == seed
