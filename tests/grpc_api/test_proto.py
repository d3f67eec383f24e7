"""The public description: its rules, what may not change of it, and the code made of it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from proto_changes import breaking
from proto_rules import findings

from bailiwick.llm.v1 import llm_pb2 as pb

PROTOS = Path(__file__).parents[2] / "protos"
NAME = "bailiwick/llm/v1/llm.proto"


def described(file: Path) -> FileDescriptorProto:
    """The description of the public file in a descriptor set."""
    found = FileDescriptorSet.FromString(file.read_bytes())
    return next(one for one in found.file if one.name == NAME)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what protoc makes of the description now."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, PROTOS / "generate.py", "--into", folder], check=True)
    return folder


@pytest.fixture
def now(made: Path) -> FileDescriptorProto:
    """The description as it is."""
    return described(made / "llm_v1.binpb")


@pytest.fixture
def baseline() -> FileDescriptorProto:
    """The description as clients out there know it."""
    return described(PROTOS / "baseline" / "llm_v1.binpb")


def test_the_description_keeps_the_rules(now: FileDescriptorProto) -> None:
    """Names, prefixes, versions and comments are as buf's STANDARD and COMMENTS sets want them."""
    assert findings(now) == []


def test_a_broken_rule_is_found(now: FileDescriptorProto) -> None:
    """The rules can fail: each of these mistakes is named."""
    now.message_type[0].name = "chat_request"
    now.message_type[1].field[0].name = "Chat"
    now.enum_type[0].value[0].name = "ROLE_NONE"
    now.enum_type[1].value[1].name = "STOP"
    now.service[0].method[1].output_type = now.service[0].method[0].output_type
    del now.source_code_info.location[:]

    found = "\n".join(findings(now))

    for rule in (
        "MESSAGE_PASCAL_CASE chat_request",
        "FIELD_LOWER_SNAKE_CASE ChatStreamRequest.Chat",
        "ENUM_ZERO_VALUE_SUFFIX Role",
        "ENUM_VALUE_PREFIX STOP",
        "RPC_REQUEST_RESPONSE_UNIQUE ChatStream",
        "SERVICE_SUFFIX LanguageModel",
        "COMMENT_FIELD ChatMessage.role",
    ):
        assert rule in found


def test_nothing_that_clients_know_has_changed(
    now: FileDescriptorProto, baseline: FileDescriptorProto
) -> None:
    """No message, field, value or method of the baseline is gone, renumbered or retyped."""
    assert breaking(baseline, now) == []


def test_a_breaking_change_is_found(baseline: FileDescriptorProto) -> None:
    """The comparison can fail: each of these changes is named."""
    changed = FileDescriptorProto.FromString(baseline.SerializeToString())
    ask = changed.message_type[0]
    del ask.field[0]
    ask.field[0].number = 90
    ask.field[1].type = ask.field[1].TYPE_STRING
    changed.enum_type[0].value[2].number = 77
    del changed.service[0].method[4]
    del changed.message_type[-1]

    found = "\n".join(breaking(baseline, changed))

    for change in (
        "field ChatRequest.model is gone",
        "field ChatRequest.messages had number 2, now 90",
        "field ChatRequest.tools has another type",
        "value ROLE_DEVELOPER = 2 is gone or has another number",
        "method LanguageModel.GetUsage is gone",
        f"message {baseline.message_type[-1].name} is gone",
    ):
        assert change in found


@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi", "_pb2_grpc.py"])
def test_generated_code_is_what_protoc_makes(made: Path, suffix: str) -> None:
    """Nobody edited it, and nobody forgot it: `python protos/generate.py` would change nothing."""
    file = f"bailiwick/llm/v1/llm{suffix}"

    assert (PROTOS / file).read_text() == (made / file).read_text()


def test_types_of_the_stubs_have_the_methods_of_the_service() -> None:
    """The hand-written types name each method, its messages and whether it streams."""
    tree = ast.parse((PROTOS / "bailiwick/llm/v1/llm_pb2_grpc.pyi").read_text())
    said = {
        (one.name, line.target.id): ast.unparse(line.annotation)
        for one in tree.body
        if isinstance(one, ast.ClassDef)
        for line in one.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }
    service = pb.DESCRIPTOR.services_by_name["LanguageModel"]
    expected = {}
    for method in service.methods:
        kind = "UnaryStream" if method.server_streaming else "UnaryUnary"
        types = f"[pb.{method.input_type.name}, pb.{method.output_type.name}]"
        for name, module in (("LanguageModelStub", "grpc"), ("LanguageModelAsyncStub", "grpc.aio")):
            expected[name, method.name] = f"{module}.{kind}MultiCallable{types}"

    assert said == expected
