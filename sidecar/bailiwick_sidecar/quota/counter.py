"""What every counter does, whatever it counts.

A counter holds what one subject has used under one limit: settled plus reserved. That may pass
`cap` where more was used than reserved, and is never floored. A counter knows nothing of the
others: the engine asks all of them before it takes from any.

Slots name when something was taken: the engine's ms for a window, the number of the day or month
for a calendar. All times are engine time (see `clock`), save where wall ms is said.
"""

from abc import ABC, abstractmethod
from typing import Any

from bailiwick_sidecar.quota.limits import CompiledLimit, Values
from bailiwick_sidecar.quota.model import Caller, LimitState
from bailiwick_sidecar.quota.moment import Moment


class Counter(ABC):
    """What one subject has used under one limit."""

    __slots__ = ("callers", "cap", "limit", "subject", "values")

    def __init__(self, limit: CompiledLimit, values: Values) -> None:
        self.values = values
        self.callers: set[Caller] = set()
        """Callers whose plans hold this counter."""
        self.bind(limit)

    def bind(self, limit: CompiledLimit) -> None:
        """Count for this limit from now on; what was counted stays."""
        self.limit = limit
        self.cap = limit.amount
        self.subject = limit.fixed + self.values

    @property
    def key(self) -> tuple[str, Values]:
        """What names the counter."""
        return self.limit.id, self.values

    @abstractmethod
    def used(self, moment: Moment) -> int:
        """What counts against the cap at this moment."""

    @abstractmethod
    def resets_at(self, moment: Moment) -> int:
        """Wall ms when nothing would count any more if nothing else came."""

    @abstractmethod
    def fits_from(self, amount: int, moment: Moment) -> int | None:
        """First wall ms at which `amount` would fit if nothing else came; None: never."""

    @abstractmethod
    def idle(self, moment: Moment) -> bool:
        """True where a new, empty counter in its place would decide the same."""

    @abstractmethod
    def dump(self) -> Any:
        """What is counted, as JSON."""

    @abstractmethod
    def load(self, data: Any) -> None:
        """Count what `dump` gave."""

    def spent(self, moment: Moment) -> int:
        """`used`, without what is only held and may be given back."""
        return self.used(moment)

    def state(self, moment: Moment, used: int | None = None) -> LimitState:
        """The counter as a caller may see it; `used` where that is not what counts."""
        limit = self.limit
        used = self.used(moment) if used is None else used
        return LimitState(
            limit.id,
            limit.kind,
            self.subject,
            self.cap,
            used,
            self.resets_at(moment) if used else moment.wall,
            limit.shadow,
        )


class MeasuredCounter(Counter):
    """A counter of amounts that settling can change."""

    __slots__ = ()

    @abstractmethod
    def fits(self, slot: int, amount: int) -> bool:
        """True where the cap holds with `amount` more.

        Nothing always fits, even on top of a deficit: what takes none can't deepen it. Under a
        cap of 0 not even that does.
        """

    @abstractmethod
    def take(self, slot: int, amount: int) -> None:
        """Count the amount in the slot."""

    @abstractmethod
    def adjust(self, slot: int, change: int) -> None:
        """Correct what the slot counts; a slot that is forgotten stays so."""
