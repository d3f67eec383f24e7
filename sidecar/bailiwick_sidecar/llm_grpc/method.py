"""The LanguageModel service's methods: which HTTP call each is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc.mapping import answers, own_answers, questions

SERVICE: Final = pb.DESCRIPTOR.services_by_name["LanguageModel"].full_name


@dataclass(frozen=True, slots=True)
class Method:
    """One method. `prefix` is where in the request the model's parameters stand."""

    name: str
    request: type[Message]
    verb: str
    path: str
    write: Callable[[Any], bytes]
    read: Callable[[Mapping[str, Any]], Message]
    fields: frozenset[str] = frozenset()
    prefix: str = ""
    streams: bool = False


def _nothing(_: Message) -> bytes:
    return b""


CHAT_FIELDS: Final = frozenset(field.name for field in pb.ChatRequest.DESCRIPTOR.fields)
EMBED_FIELDS: Final = frozenset(field.name for field in pb.EmbedRequest.DESCRIPTOR.fields)

METHODS: Final = (
    Method(
        "Chat",
        pb.ChatRequest,
        "POST",
        "/v1/chat/completions",
        write=questions.chat_json,
        read=answers.chat_response,
        fields=CHAT_FIELDS,
    ),
    Method(
        "ChatStream",
        pb.ChatStreamRequest,
        "POST",
        "/v1/chat/completions",
        write=questions.chat_stream_json,
        read=answers.chat_stream_response,
        fields=CHAT_FIELDS,
        prefix="chat.",
        streams=True,
    ),
    Method(
        "Embed",
        pb.EmbedRequest,
        "POST",
        "/v1/embeddings",
        write=questions.embed_json,
        read=answers.embed_response,
        fields=EMBED_FIELDS,
    ),
    Method(
        "ListModels",
        pb.ListModelsRequest,
        "GET",
        "/v1/models",
        write=_nothing,
        read=own_answers.models_response,
    ),
    Method(
        "GetUsage",
        pb.GetUsageRequest,
        "GET",
        "/v1/usage",
        write=_nothing,
        read=own_answers.usage_response,
    ),
)
