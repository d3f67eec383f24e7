"""How many further attempts a route may make: a share of its calls, over the last minute. Pure."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

MINUTE_MS: Final = 60_000
PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """Percent of the calls of the last minute, or so many, whichever is more."""

    percent: int
    min_per_minute: int


@dataclass(slots=True)
class _Seen:
    calls: deque[int] = field(default_factory=deque)
    retries: deque[int] = field(default_factory=deque)


class RetryBudgets:
    """What routes with a budget did in the last minute; one gateway's own."""

    def __init__(self) -> None:
        self._routes: dict[str, _Seen] = {}

    def called(self, route: str, now: int) -> None:
        """A call of the route made its first attempt at `now` (ms)."""
        seen = self._routes.setdefault(route, _Seen())
        seen.calls.append(now)
        _forget(seen.calls, now)

    def take(self, route: str, budget: Budget, now: int) -> bool:
        """Take one further attempt; False where the budget has none left."""
        seen = self._routes.setdefault(route, _Seen())
        _forget(seen.calls, now)
        _forget(seen.retries, now)
        allowed = max(budget.min_per_minute, len(seen.calls) * budget.percent // PERCENT)
        if len(seen.retries) >= allowed:
            return False
        seen.retries.append(now)
        return True


def _forget(moments: deque[int], now: int) -> None:
    while moments and moments[0] <= now - MINUTE_MS:
        moments.popleft()
