"""What a call asks for: strict where it decides tokens, money or the ledger, silent elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import orjson

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.tags import caller_tags

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
OPERATIONS: Final[Mapping[str, str]] = {CHAT: "chat", EMBEDDINGS: "embeddings"}
"""Paths with the OpenTelemetry name of their operation."""

MAX_N: Final = 128
MAX_TOKENS: Final = 2**31 - 1
"""A larger figure is a mistake: no model puts out as much, and some providers overflow."""
FALLBACK_OUTPUT: Final = 4096
"""Output tokens where neither caller, route nor model says a figure."""
ORDINARY: Final = frozenset(
    {
        "path", "size", "opaque", "tags", "model", "stream", "n", "max_tokens",
        "max_completion_tokens", "stream_options", "metadata",
    }
)  # fmt: skip
"""Members that none of the refusals of what can't be billed is about."""
TIERS: Final = ("auto", "default")
_SEARCH: Final = "what a provider looks up brings input and fees that no limit here can know"
_STEERING: Final = "the route decides which model is called and where"
_BROUGHT_IN: Final[Mapping[str, str]] = {
    "web_search_options": _SEARCH,
    "search_parameters": _SEARCH,
    "plugins": _SEARCH,
    "models": _STEERING,
    "fallbacks": _STEERING,
    "api_base": _STEERING,
    "base_url": _STEERING,
}
"""Members of OpenAI's API and of compatible servers, with why they are refused."""


class Ask(msgspec.Struct, frozen=True):
    """One call, read. `requested` is the caller's own output cap in tokens, None where absent."""

    operation: str
    alias: str
    stream: bool
    n: int
    requested: int | None
    cap_field: str
    usage_wanted: bool
    opaque: bool
    size: int
    tags: tuple[tuple[str, str], ...]
    drop: tuple[str, ...]
    protocol: str = "http"
    """How the caller asked: `http` or `grpc`."""

    def output_cap(self, *, route_max: int, route_default: int, model_max: int) -> int:
        """Output tokens per choice that a backend may be asked for; 0: no output (embeddings).

        The caller's figure, else the route's default, its maximum, the model's maximum or 4096,
        and never more than the route's or the model's maximum (0: none).
        """
        if self.operation != "chat":
            return 0
        wanted = self.requested or route_default or route_max or model_max or FALLBACK_OUTPUT
        return min(wanted, route_max or wanted, model_max or wanted)

    def input_bound(self, context: int) -> int | None:
        """Upper bound on input tokens at a model with this context window (0: not known).

        A token of any byte-level vocabulary covers at least one byte, so the body's size bounds
        text; whatever it holds, a model reads no more than its window. None: no bound.
        """
        if self.opaque:
            return context or None
        return min(self.size, context) if context else self.size


def read(body: bytes, *, allowed_tags: Sequence[str], protocol: str = "http") -> Ask:
    """The call that `/admit` describes.

    Raises:
        RefusedError: 400 that names the parameter.
    """
    said = _members(body)
    path, size = said.get("path"), said.get("size")
    operation = OPERATIONS.get(path) if isinstance(path, str) else None
    if operation is None or not _whole(size, maximum=MAX_TOKENS):
        raise refused("invalid_json", reason="the gateway's own envelope is damaged")
    if not said.keys() <= ORDINARY:
        _refuse_unbillable(said)
    chat = operation == "chat"
    stream = _flag(said, "stream")
    if stream and not chat:
        raise refused("unsupported_parameter", param="stream", reason="embeddings do not stream")
    cap_field, requested, drop = _cap(said) if chat else ("", None, ())
    tags = caller_tags(said.get("metadata"), said.get("tags"), allowed=allowed_tags)
    return Ask(
        operation=operation,
        alias=_model(said),
        stream=stream,
        n=_count(said, "n", MAX_N) or 1 if chat else 1,
        requested=requested,
        cap_field=cap_field,
        usage_wanted=_usage_wanted(said),
        opaque=said.get("opaque") is not False,
        size=size if isinstance(size, int) else 0,
        tags=tags,
        drop=(*(("metadata",) if "metadata" in said else ()), *drop),
        protocol=protocol,
    )


def _members(body: bytes) -> Mapping[str, object]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refused("invalid_json", reason="a member of it is no JSON") from error
    if not isinstance(said, dict):
        raise refused("invalid_json", reason="it is no object")
    return said


def _model(said: Mapping[str, object]) -> str:
    expected = "a string: one of those that GET /v1/models lists"
    model = said.get("model")
    if model is None:
        raise refused("missing_required_parameter", param="model", expected=expected)
    if not isinstance(model, str):
        raise refused("invalid_type", param="model", expected=expected)
    return model


def _flag(said: Mapping[str, object], name: str) -> bool:
    value = said.get(name)
    if value is not None and not isinstance(value, bool):
        raise refused("invalid_type", param=name, expected="true or false")
    return bool(value)


def _whole(value: object, *, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= maximum


def _count(said: Mapping[str, object], name: str, maximum: int) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    expected = f"a whole number from 1 to {maximum}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused("invalid_type", param=name, expected=expected)
    if not 0 < value <= maximum:
        raise refused("invalid_value", param=name, expected=expected)
    return value


def _cap(said: Mapping[str, object]) -> tuple[str, int | None, tuple[str, ...]]:
    """Field to set, what the caller asked for, members to drop.

    Where he says neither, `max_completion_tokens` is set: newer models refuse the other.
    """
    old = _count(said, "max_tokens", MAX_TOKENS)
    new = _count(said, "max_completion_tokens", MAX_TOKENS)
    if old is not None and new is not None and old != new:
        raise refused("conflicting_parameters", param="max_tokens")
    if "max_tokens" not in said:
        return "max_completion_tokens", new, ()
    if "max_completion_tokens" not in said and old is not None:
        return "max_tokens", old, ()
    return "max_completion_tokens", new or old, ("max_tokens",)


def _usage_wanted(said: Mapping[str, object]) -> bool:
    options = said.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise refused("invalid_type", param="stream_options", expected="an object")
    wanted = options.get("include_usage")
    if wanted is not None and not isinstance(wanted, bool):
        raise refused(
            "invalid_type", param="stream_options.include_usage", expected="true or false"
        )
    return bool(wanted)


def _refuse_unbillable(said: Mapping[str, object]) -> None:
    """Refuse what would leave state under a key that teams share, or cost other than its price."""
    for name in ("store", "background"):
        if _flag(said, name):
            raise refused(
                "unsupported_parameter",
                param=name,
                reason="what the provider keeps would be open to every caller of the same key",
            )
    if said.get("prediction") is not None:
        raise refused(
            "unsupported_parameter",
            param="prediction",
            reason="rejected predictions are billed beyond any output cap",
        )
    for name, reason in _BROUGHT_IN.items():
        if said.get(name) is not None:
            raise refused("unsupported_parameter", param=name, reason=reason)
    if said.get("tools"):
        raise refused(
            "unsupported_parameter",
            param="tools",
            reason="only tools of type function or custom are the caller's own; what a provider"
            " runs brings input and fees that no limit here can know beforehand",
        )
    best = said.get("best_of")
    if best is not None and (type(best) is not int or best != 1):
        raise refused(
            "unsupported_parameter", param="best_of", reason="choices are asked for with n"
        )
    tier = said.get("service_tier")
    if tier is not None and tier not in TIERS:
        raise refused(
            "unsupported_parameter",
            param="service_tier",
            reason=f"only {' and '.join(TIERS)} have a known price",
        )
