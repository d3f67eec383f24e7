"""What every operation says of itself, and what one call of it asks for."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bailiwick_contract.tiers import STANDARD

Said = Mapping[str, object]
"""Members of the call's envelope: what the caller sent, as far as anything here decides on it."""

FALLBACK_OUTPUT: Final = 4096
"""Output tokens where neither caller, route nor model says a figure."""


class Asked(msgspec.Struct, frozen=True):
    """What differs from operation to operation, read from one call."""

    stream: bool = False
    n: int = 1
    """Choices, each up to the output cap."""
    cap_field: str = ""
    """The member that holds the output cap; empty: no output that a cap could bound."""
    requested: int | None = None
    """The caller's own output cap in tokens."""
    usual: int = 0
    """Output tokens of a caller who says no figure, where the API itself has one."""
    asks_usage: bool = False
    """A stream of it has usage only where `stream_options` asks for it."""
    usage_wanted: bool = False
    """The caller himself asked for that."""
    echo: bool = False
    """The input comes back as output."""
    images: int = 0
    """Images to make; their price may be one for each."""
    flat: bool = False
    """An answer without figures has cost its price per request, and no tokens."""
    service_tier: str | None = None
    """The tier that the caller asks for; empty: the provider chooses. None: it has no tiers."""
    sets: str = ""
    """A member to set in the body, `name=value`."""
    drop: tuple[str, ...] = ()
    """Members to take out of the body, beside `metadata`."""

    @property
    def priced_apart(self) -> str:
        """The tier that he asks for where its price is not the model's own, else empty."""
        tier = self.service_tier
        return tier if tier and tier != STANDARD else ""


class Operation(msgspec.Struct, frozen=True):
    """One endpoint. `name` is OpenTelemetry's name of the operation where there is one."""

    path: str
    name: str
    read: Callable[[Said], Asked]
    """Raises RefusedError for what it does not take: 400 that names the parameter."""
    own: frozenset[str] = frozenset()
    """Members that it reads itself, so that no rule about other operations is."""
