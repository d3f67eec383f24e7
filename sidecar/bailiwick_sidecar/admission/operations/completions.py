"""Legacy completions: several prompts, each with `n` choices out of `best_of`."""

from typing import Final

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.members import (
    MAX_N,
    MAX_TOKENS,
    count,
    flag,
    usage_wanted,
)
from bailiwick_sidecar.admission.operations.operation import Asked, Operation, Said

USUAL_OUTPUT: Final = 16
"""What a caller who says no `max_tokens` gets (OpenAI API reference, completions)."""


def _read(said: Said) -> Asked:
    n = count(said, "n", MAX_N) or 1
    best = count(said, "best_of", MAX_N) or n
    if best < n:
        raise refused("invalid_value", param="best_of", expected=f"at least n, which is {n}")
    stream = flag(said, "stream")
    if stream and best > n:
        raise refused(
            "unsupported_parameter", param="best_of", reason="a stream can't choose the best"
        )
    return Asked(
        stream=stream,
        # What is made is billed, chosen or not.
        n=best * (count(said, "prompts", MAX_TOKENS) or 1),
        cap_field="max_tokens",
        requested=count(said, "max_tokens", MAX_TOKENS),
        usual=USUAL_OUTPUT,
        asks_usage=True,
        usage_wanted=usage_wanted(said),
        echo=flag(said, "echo"),
    )


COMPLETIONS: Final = Operation(
    "/v1/completions", "text_completion", _read, frozenset({"best_of", "echo", "prompts"})
)
