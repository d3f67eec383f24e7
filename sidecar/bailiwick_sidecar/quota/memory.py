"""The quota store of a gateway that is alone: counters in this process."""

from collections.abc import Iterable

from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    Grant,
    LimitState,
    Reservation,
)


class MemoryStore:
    """A `QuotaStore` over one engine. No method suspends, so each is atomic in an event loop."""

    __slots__ = ("engine",)

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        """For what no shared store can do: checkpoints, reloads, totals."""

    async def reserve(self, reservation: Reservation, now: int) -> Grant | Denial:
        """Take the reservation from every counter, or from none."""
        return self.engine.reserve(reservation, now)

    async def settle(self, key: AttemptKey, actual: Amounts, now: int) -> int:
        """Replace what was reserved by what was used; returns the overshoot in tokens (≥ 0)."""
        return self.engine.settle(key, actual, now)

    async def void(self, key: AttemptKey, now: int) -> None:
        """Give everything back, the request count too: proved never sent."""
        self.engine.void(key, now)

    async def release(self, key: AttemptKey, now: int) -> None:
        """End the concurrency lease alone; tokens and money stay reserved."""
        self.engine.release(key, now)

    async def states(self, caller: Caller, now: int) -> tuple[LimitState, ...]:
        """Every counter that applies to this caller."""
        return self.engine.states(caller, now)

    async def hear(self, caller: Caller, now: int) -> None:
        """There are no others."""

    async def restore(self, entries: Iterable[tuple[Reservation, int, Amounts | None]]) -> None:
        """Rebuild counters: (reservation, admitted at, settled amounts or None while open)."""
        self.engine.restore(entries)
