"""What a call asks for: strict where it decides tokens, money or the ledger, silent elsewhere."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import orjson

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations import OPERATIONS
from bailiwick_sidecar.admission.operations.members import MAX_TOKENS, whole
from bailiwick_sidecar.admission.operations.operation import FALLBACK_OUTPUT, Asked
from bailiwick_sidecar.admission.operations.refusals import refuse_unbillable
from bailiwick_sidecar.admission.tags import caller_tags

ORDINARY: Final = frozenset(
    {
        "path", "size", "opaque", "tags", "model", "stream", "n", "max_tokens",
        "max_completion_tokens", "stream_options", "metadata",
    }
)  # fmt: skip
"""Members that none of the refusals of what can't be billed is about."""


class Ask(msgspec.Struct, frozen=True):
    """One call, read. `what` is what its operation asks for."""

    operation: str
    alias: str
    what: Asked
    opaque: bool
    size: int
    tags: tuple[tuple[str, str], ...]
    drop: tuple[str, ...]
    protocol: str = "http"
    """How the caller asked: `http` or `grpc`."""
    key: str | None = None
    """The `Idempotency-Key`, where he sent one."""
    call: str = ""
    """With a key: a hash of what is asked."""

    def output_cap(self, *, route_max: int, route_default: int, model_max: int) -> int:
        """Output tokens per choice that a backend may be asked for; 0: none that a cap bounds.

        The caller's figure, else the route's default, the API's own (legacy completions), the
        route's maximum, the model's maximum or 4096, and never more than the route's or the
        model's maximum (0: none).
        """
        what = self.what
        if not what.cap_field:
            return 0
        wanted = (
            what.requested
            or route_default
            or what.usual
            or route_max
            or model_max
            or FALLBACK_OUTPUT
        )
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
    if operation is None or not whole(size, maximum=MAX_TOKENS):
        raise refused("invalid_json", reason="the gateway's own envelope is damaged")
    if not said.keys() <= ORDINARY:
        refuse_unbillable(said, operation.own)
    what = operation.read(said)
    key = said.get("key")
    tags = caller_tags(said.get("metadata"), said.get("tags"), allowed=allowed_tags)
    return Ask(
        operation=operation.name,
        alias=_model(said),
        what=what,
        # What a moderation reads is nowhere billed by the token.
        opaque=said.get("opaque") is not False and not what.flat,
        size=size if isinstance(size, int) else 0,
        tags=tags,
        drop=("metadata", *what.drop) if "metadata" in said else what.drop,
        protocol=protocol,
        key=key if isinstance(key, str) else None,
        call=_call(operation.path, said) if key is not None else "",
    )


def _call(path: str, said: Mapping[str, object]) -> str:
    """A hash of the endpoint, the body's bytes and the tags header."""
    whole = orjson.dumps([path, said.get("digest"), said.get("tags")])
    return hashlib.sha256(whole).hexdigest()[:32]


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
