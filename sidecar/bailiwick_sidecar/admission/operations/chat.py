"""Chat completions: `n` choices, a cap in either of two members, usage in a last chunk."""

from typing import Final

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.members import (
    MAX_N,
    MAX_TOKENS,
    count,
    flag,
    service_tier,
)
from bailiwick_sidecar.admission.operations.members import usage_wanted as wanted
from bailiwick_sidecar.admission.operations.operation import Asked, Operation, Said


def _read(said: Said) -> Asked:
    stream = flag(said, "stream")
    cap_field, requested, drop = _cap(said)
    return Asked(
        stream=stream,
        n=count(said, "n", MAX_N) or 1,
        cap_field=cap_field,
        requested=requested,
        asks_usage=True,
        usage_wanted=wanted(said),
        service_tier=service_tier(said),
        drop=drop,
    )


def _cap(said: Said) -> tuple[str, int | None, tuple[str, ...]]:
    """Field to set, what the caller asked for, members to drop.

    Where he says neither, `max_completion_tokens` is set: newer models refuse the other.
    """
    old = count(said, "max_tokens", MAX_TOKENS)
    new = count(said, "max_completion_tokens", MAX_TOKENS)
    if old is not None and new is not None and old != new:
        raise refused("conflicting_parameters", param="max_tokens")
    if "max_tokens" not in said:
        return "max_completion_tokens", new, ()
    if "max_completion_tokens" not in said and old is not None:
        return "max_tokens", old, ()
    return "max_completion_tokens", new or old, ("max_tokens",)


CHAT: Final = Operation("/v1/chat/completions", "chat", _read, frozenset({"service_tier"}))
