"""What comes behind an answer: the call's id, its limits and what it used."""

from collections.abc import Mapping
from typing import Final

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc.status import Trailers

_LIMITS: Final = "x-ratelimit-"
_ID: Final = "x-request-id"


def limits(headers: Mapping[str, str]) -> Trailers:
    """`x-request-id` and `x-ratelimit-…` of the HTTP answer."""
    return tuple(
        (name, value) for name, value in headers.items() if name == _ID or name.startswith(_LIMITS)
    )


def used(usage: pb.Usage) -> Trailers:
    """Tokens by kind; kinds that parts of others are only where there were any."""
    parts = (
        ("x-usage-cached-tokens", usage.prompt_tokens_details.cached_tokens),
        ("x-usage-reasoning-tokens", usage.completion_tokens_details.reasoning_tokens),
    )
    return (
        ("x-usage-prompt-tokens", str(usage.prompt_tokens)),
        ("x-usage-completion-tokens", str(usage.completion_tokens)),
        ("x-usage-total-tokens", str(usage.total_tokens)),
        *((name, str(count)) for name, count in parts if count),
    )
