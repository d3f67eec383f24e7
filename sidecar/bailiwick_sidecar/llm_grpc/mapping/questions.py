"""The API's messages → OpenAI's JSON. Pure.

A field that is not set is absent. What can't be said is refused with the field's path: nothing is
left out silently, a field of a newer client included.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import orjson
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc.mapping.answers import ROLES
from bailiwick_sidecar.llm_grpc.mapping.loose import UnmappableError, json_object

Json = dict[str, Any]
Writer = Callable[[Any, str], Any]

_ROLE_NAMES: Final = {number: name for name, number in ROLES.items()}
_MODES: Final[Mapping[int, str]] = {
    pb.TOOL_CHOICE_MODE_NONE: "none",
    pb.TOOL_CHOICE_MODE_AUTO: "auto",
    pb.TOOL_CHOICE_MODE_REQUIRED: "required",
}
STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}}


class _Extensible(Protocol):
    @property
    def extra(self) -> Struct: ...

    def HasField(self, name: Any, /) -> bool: ...  # noqa: N802 -- protobuf's name


def chat_json(request: pb.ChatRequest) -> bytes:
    """The body of POST /v1/chat/completions.

    Raises:
        UnmappableError: a field has no JSON.
    """
    _known(request, "")
    return _dumped(_chat(request, ""))


def chat_stream_json(request: pb.ChatStreamRequest) -> bytes:
    """The same for a stream; usage is always asked for.

    Raises:
        UnmappableError: a field has no JSON.
    """
    _known(request, "chat")
    return _dumped(_chat(request.chat, "chat.") | STREAMED)


def embed_json(request: pb.EmbedRequest) -> bytes:
    """The body of POST /v1/embeddings.

    Raises:
        UnmappableError: a field has no JSON.
    """
    _known(request, "")
    if request.input and request.tokens:
        raise UnmappableError("tokens", "and input are both set: send one of them")
    said: Json = {}
    for field, value in request.ListFields():
        if field.name == "tokens":
            said["input"] = [list(one.ids) for one in value]
        elif field.name != "extra":
            said[field.name] = _EMBED.get(field.name, _as_it_is)(value, field.name)
    return _dumped(_extended(said, request, "", _names(request) - {"tokens"} | {"input"}))


def _known(request: Message, field: str) -> None:
    """Refuse fields that this gateway does not know, wherever they are."""
    size = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != size:
        raise UnmappableError(
            field, "has fields that this gateway does not know: it is older than the client"
        )


def _dumped(said: Json) -> bytes:
    return orjson.dumps(said)


def _chat(request: pb.ChatRequest, prefix: str) -> Json:
    said: Json = {}
    for field, value in request.ListFields():
        name = field.name
        if name != "extra":
            said[name] = _CHAT.get(name, _as_it_is)(value, prefix + name)
    return _extended(said, request, prefix, _CHAT_NAMES)


def _extended(said: Json, message: _Extensible, prefix: str, taken: Iterable[str]) -> Json:
    """With the members of `extra`, none of which may stand for one that has a field."""
    if not message.HasField("extra"):
        return said
    path = f"{prefix}extra"
    for name, value in json_object(message.extra, path).items():
        if name in taken:
            raise UnmappableError(f"{path}.{name}", "is not for extra: the API sets it by itself")
        said[name] = value
    return said


def _names(message: Message) -> frozenset[str]:
    return frozenset(field.name for field in message.DESCRIPTOR.fields)


def _as_it_is(value: Any, _: str) -> Any:
    return value


def _list(values: Any, _: str) -> list[Any]:
    return list(values)


def _finite(values: Any, path: str) -> Json:
    return {name: _number(values[name], f"{path}.{name}") for name in sorted(values)}


def _number(value: float, path: str) -> float:
    if value - value != 0:
        raise UnmappableError(path, "must be a finite number")
    return value


def _map(values: Any, _: str) -> Json:
    return {name: values[name] for name in sorted(values)}


def _messages(messages: Iterable[pb.ChatMessage], path: str) -> list[Json]:
    return [_message(one, f"{path}[{i}].") for i, one in enumerate(messages)]


def _message(message: pb.ChatMessage, prefix: str) -> Json:
    role = _ROLE_NAMES.get(message.role)
    if role is None:
        raise UnmappableError(f"{prefix}role", "must be one of the roles that have a name")
    said: Json = {"role": role}
    if message.parts:
        if message.HasField("content"):
            raise UnmappableError(f"{prefix}parts", "and content are both set: send one of them")
        said["content"] = [
            _part(one, f"{prefix}parts[{i}].") for i, one in enumerate(message.parts)
        ]
    elif message.HasField("content"):
        said["content"] = message.content
    for name in ("name", "tool_call_id", "refusal"):
        if message.HasField(name):
            said[name] = getattr(message, name)
    if message.tool_calls:
        said["tool_calls"] = [
            _tool_call(one, f"{prefix}tool_calls[{i}].") for i, one in enumerate(message.tool_calls)
        ]
    return _extended(said, message, prefix, _MESSAGE_NAMES)


def _part(part: pb.ContentPart, prefix: str) -> Json:
    kind = part.WhichOneof("part")
    if kind is None:
        return _whole(part, prefix, "part")
    value: Any = getattr(part, kind)
    if kind == "input_audio":
        value = {"data": base64.b64encode(value.data).decode("ascii"), "format": value.format}
    elif isinstance(value, Message):
        value = {field.name: each for field, each in value.ListFields()}
    return _extended({"type": kind, kind: value}, part, prefix, {"type", kind})


def _whole(message: _Extensible, prefix: str, what: str) -> Json:
    """Something of the provider's own, all of it in `extra`."""
    said = _extended({}, message, prefix, ())
    if "type" not in said:
        raise UnmappableError(f"{prefix}{what}", "is not set, and extra has no type")
    return said


def _tool_call(call: pb.ToolCall, prefix: str) -> Json:
    said: Json = {"id": call.id} if call.id else {}
    if not call.HasField("function"):
        return said | _whole(call, prefix, "function")
    function = {"name": call.function.name, "arguments": call.function.arguments}
    said |= {"type": "function", "function": function}
    return _extended(said, call, prefix, {"id", "type", "function"})


def _tools(tools: Iterable[pb.Tool], path: str) -> list[Json]:
    return [_tool(one, f"{path}[{i}].") for i, one in enumerate(tools)]


def _tool(tool: pb.Tool, prefix: str) -> Json:
    if not tool.HasField("function"):
        return _whole(tool, prefix, "function")
    said = {"type": "function", "function": _function(tool.function, f"{prefix}function.")}
    return _extended(said, tool, prefix, {"type", "function"})


def _function(function: pb.FunctionDefinition, prefix: str) -> Json:
    said: Json = {"name": function.name}
    if function.HasField("description"):
        said["description"] = function.description
    kind = function.WhichOneof("schema")
    if kind == "parameters":
        said["parameters"] = json_object(function.parameters, f"{prefix}parameters")
    elif kind == "parameters_json":
        said["parameters"] = _json(function.parameters_json, f"{prefix}parameters_json")
    if function.HasField("strict"):
        said["strict"] = function.strict
    return said


def _json(text: str, path: str) -> orjson.Fragment:
    """JSON text of an object, as it is."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnmappableError(path, f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnmappableError(path, "must be a JSON object")
    return orjson.Fragment(text)


def _tool_choice(choice: pb.ToolChoice, path: str) -> Any:
    kind = choice.WhichOneof("choice")
    if kind == "function":
        return {"type": "function", "function": {"name": choice.function}}
    if kind == "other":
        return json_object(choice.other, f"{path}.other")
    mode = _MODES.get(choice.mode)
    if mode is None:
        raise UnmappableError(f"{path}.mode", "must be NONE, AUTO or REQUIRED")
    return mode


def _response_format(shape: pb.ResponseFormat, path: str) -> Json:
    kind = shape.WhichOneof("format")
    if kind == "other":
        return json_object(shape.other, f"{path}.other")
    if kind is None:
        raise UnmappableError(path, "must say which format")
    if kind != "json_schema":
        return {"type": kind}
    schema = shape.json_schema
    said: Json = {"name": schema.name}
    if schema.HasField("description"):
        said["description"] = schema.description
    form = schema.WhichOneof("json_schema")
    if form == "schema":
        said["schema"] = json_object(schema.schema, f"{path}.json_schema.schema")
    elif form == "schema_json":
        said["schema"] = _json(schema.schema_json, f"{path}.json_schema.schema_json")
    if schema.HasField("strict"):
        said["strict"] = schema.strict
    return {"type": "json_schema", "json_schema": said}


_CHAT: Final[Mapping[str, Writer]] = {
    "messages": _messages,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "stop": _list,
    "logit_bias": _finite,
    "modalities": _list,
    "metadata": _map,
    **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty"), _number),
}
_EMBED: Final[Mapping[str, Writer]] = {"input": _list, "metadata": _map}
_CHAT_NAMES: Final = _names(pb.ChatRequest()) | set(STREAMED)
_MESSAGE_NAMES: Final = _names(pb.ChatMessage()) - {"parts"}
