"""What the quota engine is asked and what it answers. Values only."""

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

import msgspec

from bailiwick_contract.errors import BailiwickError

AttemptKey = tuple[str, int]
"""Stream id and attempt number: names one attempt for ever."""


class LimitKind(Enum):
    """What a limit counts; the value is the field's name in the resources."""

    REQUESTS_PER_SECOND = "requestsPerSecond"
    REQUESTS_PER_MINUTE = "requestsPerMinute"
    TOKENS_PER_MINUTE = "tokensPerMinute"
    CONCURRENT_REQUESTS = "concurrentRequests"
    TOKENS_PER_MONTH = "tokensPerMonth"
    BUDGET_DAY = "budgetDay"
    BUDGET_MONTH = "budgetMonth"

    # Members are singletons: Enum's own hash, in Python, costs a dozen times as much.
    __hash__ = object.__hash__


class Caller(msgspec.Struct, frozen=True):
    """The verified values of a request's dimensions; empty: the caller has none."""

    team: str
    project: str
    user: str
    route: str
    tier: str


class Amounts(msgspec.Struct, frozen=True):
    """What one attempt takes: tokens (input and output together) and money in picounits."""

    tokens: int
    cost: int


class Reservation(msgspec.Struct, frozen=True):
    """One attempt that asks to be admitted.

    `deadline` (ms since the epoch) is when its concurrency lease ends by itself.
    `predecessor` is the attempt of the same request whose concurrency lease it takes over.
    """

    key: AttemptKey
    caller: Caller
    amounts: Amounts
    deadline: int
    predecessor: AttemptKey | None = None


class LimitState(msgspec.Struct, frozen=True):
    """One counter as it stands: counts, or picounits for budgets.

    `used` is settled plus reserved and may exceed `limit` (a deficit is carried).
    `resets_at` (ms) is when `used` would be 0 if nothing else came.
    """

    limit_id: str
    kind: LimitKind
    subject: tuple[tuple[str, str], ...]
    limit: int
    used: int
    resets_at: int
    shadow: bool

    @property
    def remaining(self) -> int:
        """What is left, never below 0."""
        return max(0, self.limit - self.used)


class Grant(msgspec.Struct, frozen=True):
    """Admitted at `at` (ms since the epoch), the moment at which the counters count it.

    `tightest` are, after the reservation, the enforced request limit and the enforced token limit
    that have the smallest share left, each where there is one.
    """

    tightest: tuple[LimitState, ...]
    at: int


class DenialReason(Enum):
    """Why a reservation was refused."""

    LIMIT = "limit"
    """It does not fit under at least one limit."""
    TOO_MANY_SUBJECTS = "too_many_subjects"
    """A limit counts each subject by itself, and no counter is free for one more subject."""


class Denial(msgspec.Struct, frozen=True):
    """Refused: nothing was reserved.

    `limits` are all counters that refuse, the longest wait first. `retry_after` (ms since the
    epoch, as `resets_at` is; no duration) is the first moment at which the same reservation would
    fit if nothing else came; None: it never fits. Where only a lease or a free counter is missing
    nobody knows that moment, and it is one second from now. `states` are all counters that apply,
    as they stand.
    """

    limits: tuple[LimitState, ...]
    retry_after: int | None
    states: tuple[LimitState, ...]
    reason: DenialReason = DenialReason.LIMIT


class QuotaUnavailableError(BailiwickError):
    """Nobody can say whether it fits, and the tenant refuses calls then; nothing was reserved."""


class QuotaStore(Protocol):
    """Counters of one tenant; every method is atomic over all limits that apply.

    `now` is milliseconds since the epoch. Keys that are not open are ignored by `settle` and
    `void`, so that a second delivery changes nothing.
    """

    async def reserve(self, reservation: Reservation, now: int) -> Grant | Denial:
        """Take the reservation from every counter, or from none.

        Raises:
            QuotaUnavailableError: the counters are away.
        """
        ...

    async def settle(self, key: AttemptKey, actual: Amounts, now: int) -> int:
        """Replace what was reserved by what was used; returns the overshoot in tokens (≥ 0)."""
        ...

    async def void(self, key: AttemptKey, now: int) -> None:
        """Give everything back, the request count too: proved never sent."""
        ...

    async def release(self, key: AttemptKey, now: int) -> None:
        """End the concurrency lease alone; tokens and money stay reserved."""
        ...

    async def states(self, caller: Caller, now: int) -> tuple[LimitState, ...]:
        """Every counter that applies to this caller.

        An empty route or tier stands for all of them, since a caller has neither before a
        request; an empty team, project or user is nobody's, and shows nobody else's counters.
        """
        ...

    async def hear(self, caller: Caller, now: int) -> None:
        """Learn what others have told of this caller's counters; while they are away, nothing."""
        ...

    async def restore(self, entries: Iterable[tuple[Reservation, int, Amounts | None]]) -> None:
        """Rebuild counters: (reservation, admitted at, settled amounts or None while open)."""
        ...
