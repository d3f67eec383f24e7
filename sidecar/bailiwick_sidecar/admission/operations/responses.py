"""Responses: one answer, usage inside the stream's last event, and nothing kept by the provider.

What a provider keeps he keeps under the key, which all teams share: an id that one caller learns
or guesses would open another's conversation. So nothing is stored and nothing stored is named.
"""

from typing import Final

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.members import MAX_TOKENS, count, flag, service_tier
from bailiwick_sidecar.admission.operations.operation import Asked, Operation, Said

_KEPT: Final = (
    "what a provider keeps is kept under a key that teams share; send the whole conversation as"
    " input"
)
_BY_NAME: Final = {
    "previous_response_id": _KEPT,
    "conversation": _KEPT,
    "prompt": "a prompt that the provider keeps has a size and tools that no limit here can know",
    "context_management": "no cap of the call bounds what a compaction puts out",
}


def _read(said: Said) -> Asked:
    for name, reason in _BY_NAME.items():
        if said.get(name) is not None:
            raise refused("unsupported_parameter", param=name, reason=reason)
    caching = said.get("prompt_cache_options")
    if isinstance(caching, dict) and caching.get("comparison_response_id") is not None:
        raise refused(
            "unsupported_parameter",
            param="prompt_cache_options.comparison_response_id",
            reason=_KEPT,
        )
    if said.get("foreign_items"):
        raise refused(
            "unsupported_parameter",
            param="input",
            reason="its items must be messages, calls of own tools with their output, or reasoning,"
            " each whole and none as a reference to what the provider keeps",
        )
    return Asked(
        stream=flag(said, "stream"),
        cap_field="max_output_tokens",
        requested=count(said, "max_output_tokens", MAX_TOKENS),
        service_tier=service_tier(said),
        # A provider stores what does not forbid it.
        sets="" if said.get("store") is False else "store=false",
    )


RESPONSES: Final = Operation(
    "/v1/responses",
    "chat",
    _read,
    frozenset(
        {
            "max_output_tokens", "previous_response_id", "conversation", "prompt",
            "context_management", "prompt_cache_options", "foreign_items", "service_tier",
        }
    ),
)  # fmt: skip
