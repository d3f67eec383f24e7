"""What each counter held at a moment, at least and at most, recomputed from the rows.

The moment of a decision and of a settle are known within bounds only. So each use takes, between
the two, what was reserved or what was charged.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Final

from bench.faults.evidence import Evidence, Row
from bench.faults.timeline import Timeline

EDGE_S: Final = 0.005
"""Between two readings of a clock in one decision."""
WINDOWS: Final = {
    "requests_per_second": 1.0,
    "requests_per_minute": 60.0,
    "tokens_per_minute": 60.0,
}
FOREVER: Final = frozenset({"tokens_per_month", "budget_day", "budget_month"})
"""Kinds whose period a run does not leave."""
CONCURRENT: Final = "concurrent_requests"


@dataclass(frozen=True, slots=True)
class Use:
    """What one row takes of one kind of limit, before and after it is settled."""

    call: int
    attempt: int
    gateway: int
    admitted: float
    settled_first: float
    settled_last: float
    reserved: Decimal
    charged: Decimal

    def least(self, at: float) -> Decimal:
        """What it takes at least at a moment after its admission."""
        return min(self._possible(at))

    def most(self, at: float) -> Decimal:
        """What it takes at most at a moment after its admission."""
        return max(self._possible(at))

    def _possible(self, at: float) -> tuple[Decimal, ...]:
        if at < self.settled_first - EDGE_S:
            return (self.reserved,)
        return (self.charged,) if at > self.settled_last else (self.reserved, self.charged)


Uses = dict[tuple[str, tuple[str, ...]], list[Use]]
Levels = Iterator[tuple[Use, Decimal]]


class Counter:
    """All uses of one counter, looked up by time."""

    def __init__(self, taken: list[Use]) -> None:
        """`taken` is in order of admission."""
        self._taken = taken
        self._admitted = [use.admitted for use in taken]
        self._settled = sorted(taken, key=lambda use: use.settled_last)
        self._when = [use.settled_last for use in self._settled]
        self._charged = [
            Decimal(),
            *accumulate(use.charged for use in self._settled),
        ]

    def admitted(self, first: float, last: float) -> list[Use]:
        """Those after the one moment and not after the other."""
        return self._taken[bisect_right(self._admitted, first) : bisect_right(self._admitted, last)]

    def settled(self, before: float) -> Decimal:
        """What those are charged that were certainly settled before."""
        return self._charged[bisect_left(self._when, before)]

    def unsettled(self, at: float, last: float) -> list[Use]:
        """The others, as far as they were admitted until `last`."""
        others = self._settled[bisect_left(self._when, at) :]
        return [use for use in others if use.admitted <= last]


def uses_of(evidence: Evidence, timeline: Timeline) -> Uses:
    """The rows by the counters that they count in, in order of admission."""
    found: Uses = defaultdict(list)
    for row in evidence.rows:
        caller = timeline.caller(row)
        times = timeline.times(row)
        for rule in evidence.rules:
            if any(row[name] != value for name, value in rule.subject.items()):
                continue
            reserved, charged = _measure(rule.kind, row)
            found[rule.id, tuple(row[name] for name in rule.each)].append(
                Use(
                    call=caller.call if caller else -1,
                    attempt=row["attempt"],
                    gateway=timeline.gateway(row),
                    admitted=times.admitted,
                    settled_first=times.settled_first,
                    settled_last=times.settled_last if row["state"] != "unknown" else float("inf"),
                    reserved=reserved,
                    charged=charged,
                )
            )
    for taken in found.values():
        taken.sort(key=lambda use: (use.admitted, use.attempt))
    return found


def _measure(kind: str, row: Row) -> tuple[Decimal, Decimal]:
    if kind.startswith("budget"):
        return Decimal(row["reserved_cost"]), Decimal(row["cost"])
    if kind.startswith("tokens"):
        reserved = row["reserved_input_tokens"] + row["reserved_output_tokens"]
        return Decimal(reserved), Decimal(row["total_tokens"])
    if kind == CONCURRENT:
        return Decimal(1), Decimal(0)
    return Decimal(1), Decimal(0 if row["state"] == "void" else 1)


def windowed(taken: list[Use], window: float, time: Timeline) -> Levels:
    """At each admission what the last seconds held at least."""
    admitted = [use.admitted for use in taken]
    for use in taken:
        at = use.admitted
        if time.stepped(at):
            continue
        within = taken[bisect_right(admitted, at - window) : bisect_right(admitted, at)]
        yield use, sum((one.least(at) for one in within), Decimal())


def forever(taken: list[Use]) -> Levels:
    """At each admission what all admissions before it took at least."""
    settled = Decimal()
    for use, at, open_ in _open(taken, lambda use, at: at > use.settled_last):
        settled += sum((one.charged for one in open_.gone), Decimal())
        yield use, settled + sum((one.least(at) for one in open_.there), Decimal())


def concurrent(taken: list[Use], time: Timeline) -> Levels:
    """At each admission how many were certainly under way."""
    followed: set[int] = set()
    for use, at, open_ in _open(taken, lambda use, at: at >= use.settled_first - EDGE_S):
        followed |= {one.call for one in open_.new if one.attempt > 1}
        yield (
            use,
            Decimal(
                sum(
                    # A later attempt takes its place over; what flew at a death is over.
                    not (one.attempt == 1 and one.call in followed)
                    and time.near(one.admitted, at, gateway=one.gateway) is None
                    for one in open_.there
                )
            ),
        )


@dataclass(slots=True)
class _Open:
    """Uses that are not over at a moment, those that are since the last, and those that began."""

    there: list[Use]
    gone: list[Use]
    new: list[Use]


def _open(
    taken: list[Use], over: Callable[[Use, float], bool]
) -> Iterator[tuple[Use, float, _Open]]:
    """Each admission with what is open then; quick, since what is over is not looked at again."""
    there: list[Use] = []
    end = 0
    admitted = [use.admitted for use in taken]
    for use in taken:
        at = use.admitted
        upto = bisect_right(admitted, at)
        new, end = taken[end:upto], upto
        there += new
        gone = [one for one in there if over(one, at)]
        there = [one for one in there if not over(one, at)]
        yield use, at, _Open(there=there, gone=gone, new=new)
