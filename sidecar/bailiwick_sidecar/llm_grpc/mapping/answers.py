"""OpenAI's JSON → arguments of the API's messages. Pure and total.

A member that has no field, or is not what the field takes, stands in `extra` under its own name:
nothing that a provider says is lost, and nothing that it says breaks an answer. Null is absence.
"""

import base64
import binascii
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc.mapping.loose import loose

Fields = dict[str, Any]
Reader = Callable[[Any], Any]
"""What a field takes for a JSON value; MISFIT where it does not."""
Shape = Mapping[str, tuple[str, Reader]]
"""The field and its reader by the JSON member's name."""


class _Misfit:
    """The value is not what the field takes."""


MISFIT: Final = _Misfit()
DROPPED: Final = ""
"""In place of a field: the member says what the message's type says already."""


def fields(shape: Shape, said: Mapping[str, Any]) -> Fields:
    """Arguments of a message of this shape."""
    found: Fields = {}
    extra: Fields | None = None
    for name, value in said.items():
        if value is None:
            continue
        known = shape.get(name)
        if known is not None:
            field, reader = known
            read = reader(value)
            if read is not MISFIT:
                if field:
                    found[field] = read
                continue
        if extra is None:
            extra = {}
        extra[name] = loose(value)
    if extra is not None:
        found["extra"] = extra
    return found


# --- readers ---


def _text(value: Any) -> Any:
    return value if type(value) is str else MISFIT


def _whole(bits: int) -> Reader:
    top = 1 << (bits - 1)

    def read(value: Any) -> Any:
        if type(value) is float and value.is_integer():
            value = int(value)
        return value if type(value) is int and -top <= value < top else MISFIT

    return read


def _number(value: Any) -> Any:
    return value if type(value) in (float, int) else MISFIT


def _constant(*expected: str) -> Reader:
    return lambda value: value if value in expected else MISFIT


def _named(values: Mapping[str, int]) -> Reader:
    def read(value: Any) -> Any:
        return values.get(value, MISFIT) if type(value) is str else MISFIT

    return read


def _message(shape: Shape) -> Reader:
    def read(value: Any) -> Any:
        return fields(shape, value) if type(value) is dict else MISFIT

    return read


def _each(reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list:
            return MISFIT
        found = [reader(one) for one in value]
        return MISFIT if any(one is MISFIT for one in found) else found

    return read


def _octets(value: Any) -> Any:
    try:
        return bytes(value) if type(value) is list else MISFIT
    except (TypeError, ValueError):
        return MISFIT


def _audio(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True) if type(value) is str else MISFIT
    except (binascii.Error, ValueError):
        return MISFIT


def _vector(value: Any) -> Any:
    if type(value) is list:
        return value if all(type(one) in (float, int) for one in value) else MISFIT
    raw = _audio(value)
    if raw is MISFIT or len(raw) % 4:
        return MISFIT
    return struct.unpack(f"<{len(raw) // 4}f", raw)


def _tool_call(value: Any) -> Any:
    """A call of a function; of another type all but its id is `extra`."""
    if type(value) is not dict:
        return MISFIT
    if value.get("type", "function") == "function":
        return fields(_TOOL_CALL, value)
    return fields({"id": _TOOL_CALL["id"]}, value)


_int32, _int64 = _whole(32), _whole(64)

# --- shapes ---

ROLES: Final = {
    name.removeprefix("ROLE_").lower(): number for name, number in pb.Role.items() if number
}
FINISH_REASONS: Final = {
    name.removeprefix("FINISH_REASON_").lower(): number
    for name, number in pb.FinishReason.items()
    if number
}
_FUNCTION: Final[Shape] = {"name": ("name", _text), "arguments": ("arguments", _text)}
_TOOL_CALL: Final[Shape] = {
    "id": ("id", _text),
    "type": (DROPPED, _constant("function")),
    "function": ("function", lambda value: _strict(_FUNCTION, value)),
}
_TOOL_CALL_DELTA: Final[Shape] = {"index": ("index", _int32), **_TOOL_CALL}


def _strict(shape: Shape, value: Any) -> Any:
    """As a message without room for anything else."""
    if type(value) is not dict:
        return MISFIT
    found = fields(shape, value)
    return MISFIT if "extra" in found else found


_URL: Final[Shape] = {"url": ("url", _text), "detail": ("detail", _text)}
_SOUND: Final[Shape] = {"data": ("data", _audio), "format": ("format", _text)}
_FILE: Final[Shape] = {name: (name, _text) for name in ("file_id", "file_data", "filename")}
_PARTS: Final[Mapping[str, Reader]] = {
    "text": _text,
    "image_url": lambda value: _strict(_URL, value),
    "input_audio": lambda value: _strict(_SOUND, value),
    "file": lambda value: _strict(_FILE, value),
    "refusal": _text,
}


def _part(value: Any) -> Any:
    if type(value) is not dict:
        return MISFIT
    kind = value.get("type")
    reader = _PARTS.get(kind) if isinstance(kind, str) and kind in value else None
    if reader is None or (said := reader(value[kind])) is MISFIT:
        return {"extra": loose(value)}
    found: Fields = {str(kind): said}
    if rest := {name: each for name, each in value.items() if name not in (kind, "type")}:
        found["extra"] = loose(rest)
    return found


_parts = _each(_part)


def _content(value: Any) -> Any:
    """Text; parts are the other form of the same member."""
    return value if type(value) is str else MISFIT


def _speech(shape: Shape) -> Reader:
    """A message or delta: `content` is text or a list of parts."""

    def read(value: Any) -> Any:
        if type(value) is not dict:
            return MISFIT
        content = value.get("content")
        if type(content) is not list or (parts := _parts(content)) is MISFIT:
            return fields(shape, value)
        found = fields(shape, {name: each for name, each in value.items() if name != "content"})
        return found | {"parts": parts}

    return read


_SAID: Final[Shape] = {
    "role": ("role", _named(ROLES)),
    "content": ("content", _content),
    "refusal": ("refusal", _text),
}
_MESSAGE: Final[Shape] = {
    **_SAID,
    "name": ("name", _text),
    "tool_call_id": ("tool_call_id", _text),
    "tool_calls": ("tool_calls", _each(_tool_call)),
}
_DELTA: Final[Shape] = {
    **_SAID,
    "tool_calls": ("tool_calls", _each(_message(_TOOL_CALL_DELTA))),
}
_TOP: Final[Shape] = {
    "token": ("token", _text),
    "logprob": ("logprob", _number),
    "bytes": ("bytes", _octets),
}
_TOKEN: Final[Shape] = {
    **_TOP,
    "top_logprobs": ("top_logprobs", _each(lambda value: _strict(_TOP, value))),
}
_LOGPROBS: Final[Shape] = {
    name: (name, _each(lambda value: _strict(_TOKEN, value))) for name in ("content", "refusal")
}
_ENDING: Final[Shape] = {
    "index": ("index", _int32),
    "finish_reason": ("finish_reason", _named(FINISH_REASONS)),
    "logprobs": ("logprobs", lambda value: _strict(_LOGPROBS, value)),
}
_CHOICE: Final[Shape] = {**_ENDING, "message": ("message", _speech(_MESSAGE))}
_CHOICE_DELTA: Final[Shape] = {**_ENDING, "delta": ("delta", _speech(_DELTA))}


def _counts(*names: str) -> Shape:
    return {name: (name, _int64) for name in names}


_USAGE: Final[Shape] = {
    **_counts("prompt_tokens", "completion_tokens", "total_tokens"),
    "prompt_tokens_details": (
        "prompt_tokens_details",
        _message(_counts("cached_tokens", "audio_tokens", "cache_write_tokens")),
    ),
    "completion_tokens_details": (
        "completion_tokens_details",
        _message(
            _counts(
                "reasoning_tokens",
                "audio_tokens",
                "accepted_prediction_tokens",
                "rejected_prediction_tokens",
            )
        ),
    ),
}
_ANSWER: Final[Shape] = {
    "id": ("id", _text),
    "created": ("created", _int64),
    "model": ("model", _text),
    "usage": ("usage", _message(_USAGE)),
    "system_fingerprint": ("system_fingerprint", _text),
    "service_tier": ("service_tier", _text),
}
CHAT: Final[Shape] = {
    **_ANSWER,
    "object": (DROPPED, _constant("chat.completion")),
    "choices": ("choices", _each(_message(_CHOICE))),
}
CHUNK: Final[Shape] = {
    **_ANSWER,
    "object": (DROPPED, _constant("chat.completion.chunk")),
    "choices": ("choices", _each(_message(_CHOICE_DELTA))),
}
EMBEDDINGS: Final[Shape] = {
    "model": ("model", _text),
    "object": (DROPPED, _constant("list")),
    "usage": ("usage", _message(_USAGE)),
    "data": (
        "data",
        _each(
            _message(
                {
                    "object": (DROPPED, _constant("embedding")),
                    "index": ("index", _int32),
                    "embedding": ("embedding", _vector),
                }
            )
        ),
    ),
}


def chat_response(said: Mapping[str, Any]) -> pb.ChatResponse:
    """The answer of POST /v1/chat/completions."""
    return pb.ChatResponse(**fields(CHAT, said))


def chat_stream_response(said: Mapping[str, Any]) -> pb.ChatStreamResponse:
    """One event of a stream."""
    return pb.ChatStreamResponse(**fields(CHUNK, said))


def embed_response(said: Mapping[str, Any]) -> pb.EmbedResponse:
    """The answer of POST /v1/embeddings."""
    return pb.EmbedResponse(**fields(EMBEDDINGS, said))
