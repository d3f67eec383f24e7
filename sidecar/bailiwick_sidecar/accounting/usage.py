"""The usage object of a provider's answer. Pure; nothing a provider says is taken on trust.

Shapes: `prompt_tokens` and `completion_tokens` (OpenAI API reference, chat completions and
embeddings), `input_tokens` and `output_tokens` (OpenAI API reference, responses).
"""

from typing import Any, Final

import msgspec
import orjson

from bailiwick_sidecar.accounting.model import Usage

MAX_TOKENS: Final = 10**9
"""More is no figure of one call."""
MAX_BYTES: Final = 2048


class Reading(msgspec.Struct, frozen=True):
    """What could be read. `flaws` name the fields that were not what they must be."""

    usage: Usage | None
    flaws: tuple[str, ...] = ()


ABSENT: Final = Reading(usage=None)


def read_usage(raw: str | None, *, needs_output: bool) -> Reading:
    """Tokens by kind, or no usage where input (or a needed output) is missing or not believable.

    An output that is missing is what `total_tokens` leaves for it.

    Values are whole numbers from 0 to 10⁹; anything else counts as absent and is a flaw. A part
    above its whole is dropped (two parts may overlap: audio can be cached). Where
    `total_tokens` is more than input and output, the rest is output: some providers leave
    reasoning out of `completion_tokens` and bill it.
    """
    if raw is None:
        return ABSENT
    if len(raw) > MAX_BYTES:
        return Reading(usage=None, flaws=("size",))
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Reading(usage=None, flaws=("json",))
    if found is None:
        return ABSENT
    if not isinstance(found, dict):
        return Reading(usage=None, flaws=("json",))
    return _Reader(found).read(needs_output=needs_output)


def read_tier(raw: str | None) -> str:
    """The service tier that the answer names; empty: none that can be read.

    The response script puts it into the usage object, where the route prices tiers.
    """
    if raw is None or len(raw) > MAX_BYTES:
        return ""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ""
    name = found.get("service_tier") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


class _Reader:
    """One pass over one usage object."""

    __slots__ = ("flaws", "found")

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found
        self.flaws: list[str] = []

    def read(self, *, needs_output: bool) -> Reading:
        taken = self.tokens(self.found, "prompt_tokens", "input_tokens")
        given = self.tokens(self.found, "completion_tokens", "output_tokens")
        total = self.tokens(self.found, "total_tokens")
        if taken is None or (needs_output and given is None and not self.implied(taken, total)):
            return Reading(usage=None, flaws=tuple(self.flaws))
        hidden = max(0, (total or 0) - taken - (given or 0))
        if given is not None and total is not None and total != taken + given:
            self.flaws.append("total_tokens")
        given = (given or 0) + hidden
        inputs = self.details("prompt_tokens_details", "input_tokens_details")
        outputs = self.details("completion_tokens_details", "output_tokens_details")
        if not inputs and not outputs:
            return Reading(usage=Usage(taken, given), flaws=tuple(self.flaws))
        usage = Usage(
            input=taken,
            output=given,
            cached_input=self.part(inputs, taken, "cached_tokens"),
            cache_write=self.part(inputs, taken, "cache_write_tokens", "cache_creation_tokens"),
            audio_input=self.part(inputs, taken, "audio_tokens"),
            reasoning_output=self.part(outputs, given, "reasoning_tokens"),
            audio_output=self.part(outputs, given, "audio_tokens"),
        )
        return Reading(usage=usage, flaws=tuple(self.flaws))

    def implied(self, taken: int, total: int | None) -> bool:
        """True where the total says what the output was: one that is there and no count does not.

        Taken for 0, an output of -5 would be free.
        """
        return total is not None and total >= taken and not self.flaws

    def tokens(self, where: dict[str, Any], *names: str) -> int | None:
        """The first of these members that is there, None where it is no count of tokens."""
        for name in names:
            value = where.get(name)
            if value is None:
                continue
            # `type`, since a bool is an int.
            if type(value) is int and 0 <= value <= MAX_TOKENS:
                return value
            self.flaws.append(name)
            return None
        return None

    def part(self, where: dict[str, Any], whole: int, *names: str) -> int:
        """A part of a whole; 0 where it is missing or more than the whole."""
        value = self.tokens(where, *names)
        if value is None:
            return 0
        if value > whole:
            self.flaws.append(names[0])
            return 0
        return value

    def details(self, *names: str) -> dict[str, Any]:
        for name in names:
            value = self.found.get(name)
            if isinstance(value, dict):
                return value
            if value is not None:
                self.flaws.append(name)
        return {}
