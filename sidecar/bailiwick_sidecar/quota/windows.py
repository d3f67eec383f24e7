"""Counters over time: the last second or minute, the calendar's day or month."""
# ruff: noqa: D102 - what these methods promise is said in Counter and MeasuredCounter

from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import Any

from bailiwick_sidecar.quota.counter import Counter, MeasuredCounter
from bailiwick_sidecar.quota.leases import LeaseCounter
from bailiwick_sidecar.quota.limits import CompiledLimit, Values
from bailiwick_sidecar.quota.model import LimitKind
from bailiwick_sidecar.quota.moment import Moment

LENGTHS = {
    LimitKind.REQUESTS_PER_SECOND: 1_000,
    LimitKind.REQUESTS_PER_MINUTE: 60_000,
    LimitKind.TOKENS_PER_MINUTE: 60_000,
}
KEPT_PERIODS = 4
"""Periods that a calendar counter remembers: this one, the one before for late settles, and
those that a clock set wrong for a while may have left."""


class SlidingWindow(MeasuredCounter):
    """Counts over the last second or minute, exact to the millisecond.

    No interval [t, t + length) ever holds more than the cap of what was reserved: an amount taken
    at t counts until t + length exclusive.
    """

    __slots__ = ("_amounts", "_length", "_sum", "_times")

    def __init__(self, limit: CompiledLimit, values: Values) -> None:
        super().__init__(limit, values)
        self._length = LENGTHS[limit.kind]
        self._times: deque[int] = deque()
        self._amounts: dict[int, int] = {}
        self._sum = 0

    def fits(self, slot: int, amount: int) -> bool:
        times = self._times
        if times and times[0] <= slot - self._length:
            self._expire(slot)
        return (self._sum + amount <= self.cap or not amount) and self.cap > 0

    def take(self, slot: int, amount: int) -> None:
        amounts = self._amounts
        if slot in amounts:
            amounts[slot] += amount
        else:
            times = self._times
            if times and slot < times[-1]:
                insort(times, slot)  # only where a journal is replayed
            else:
                times.append(slot)
            amounts[slot] = amount
        self._sum += amount

    def adjust(self, slot: int, change: int) -> None:
        if slot in self._amounts:
            self._amounts[slot] += change
            self._sum += change

    def used(self, moment: Moment) -> int:
        times = self._times
        if times and times[0] <= moment.at - self._length:
            self._expire(moment.at)
        return self._sum

    def resets_at(self, moment: Moment) -> int:
        amounts = self._amounts
        for time in reversed(self._times):
            if amounts[time]:
                return time + self._length - moment.shift
        return moment.wall

    def fits_from(self, amount: int, moment: Moment) -> int | None:
        if amount > self.cap or not self.cap:
            return None
        excess = self.used(moment) + amount - self.cap
        for time in self._times:
            if excess <= 0:
                break
            excess -= self._amounts[time]
            if excess <= 0:
                return time + self._length - moment.shift
        return moment.wall

    def idle(self, moment: Moment) -> bool:
        return not self._times or self._times[-1] <= moment.at - self._length

    def dump(self) -> Any:
        return [[time, self._amounts[time]] for time in self._times]

    def load(self, data: Any) -> None:
        for time, amount in data:
            self.take(time, amount)

    def _expire(self, at: int) -> None:
        times, amounts, bound = self._times, self._amounts, at - self._length
        while times and times[0] <= bound:
            self._sum -= amounts.pop(times.popleft())


class CalendarCounter(MeasuredCounter):
    """Counts per day or month of the tenant; a late settle reaches the period it belongs to."""

    __slots__ = ("_counts",)

    def __init__(self, limit: CompiledLimit, values: Values) -> None:
        super().__init__(limit, values)
        self._counts: dict[int, int] = {}

    def fits(self, slot: int, amount: int) -> bool:
        return (self._counts.get(slot, 0) + amount <= self.cap or not amount) and self.cap > 0

    def take(self, slot: int, amount: int) -> None:
        counts = self._counts
        if slot in counts:
            counts[slot] += amount
            return
        counts[slot] = amount
        if len(counts) > KEPT_PERIODS:
            del counts[max(counts, key=lambda period: abs(period - slot))]

    def adjust(self, slot: int, change: int) -> None:
        if slot in self._counts:
            self._counts[slot] += change

    def used(self, moment: Moment) -> int:
        return self._counts.get(self._period(moment), 0)

    def resets_at(self, moment: Moment) -> int:
        if self.limit.kind is LimitKind.BUDGET_DAY:
            return moment.calendar.day_end
        return moment.calendar.month_end

    def fits_from(self, amount: int, moment: Moment) -> int | None:
        if amount > self.cap or not self.cap:
            return None
        return moment.wall if self.fits(self._period(moment), amount) else self.resets_at(moment)

    def idle(self, moment: Moment) -> bool:
        return self._period(moment) not in self._counts

    def dump(self) -> Any:
        return [[period, amount] for period, amount in sorted(self._counts.items())]

    def load(self, data: Any) -> None:
        self._counts = {period: amount for period, amount in data}  # noqa: C416 - checks the pairs

    def _period(self, moment: Moment) -> int:
        calendar = moment.calendar
        return calendar.day if self.limit.kind is LimitKind.BUDGET_DAY else calendar.month


MakeCounter = Callable[[CompiledLimit, Values], Counter]
"""Makes an empty counter of the limit's kind."""


def new_counter(limit: CompiledLimit, values: Values) -> Counter:
    """An empty counter of the limit's kind."""
    if limit.kind in LENGTHS:
        return SlidingWindow(limit, values)
    if limit.kind is LimitKind.CONCURRENT_REQUESTS:
        return LeaseCounter(limit, values)
    return CalendarCounter(limit, values)
