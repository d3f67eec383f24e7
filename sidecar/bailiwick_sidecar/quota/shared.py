"""Counters of one replica among several: each knows its own use, and what it may take yet.

Nothing here talks to the store: `lessee` reads what a counter has to report, and tells it what it
was given.
"""
# ruff: noqa: D102 - what these methods promise is said in Counter and MeasuredCounter

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bailiwick_sidecar.quota.counter import Counter
from bailiwick_sidecar.quota.leases import LEASE_RETRY_MS, LeaseCounter
from bailiwick_sidecar.quota.limits import CompiledLimit, Values
from bailiwick_sidecar.quota.model import AttemptKey, LimitKind
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.share import Share
from bailiwick_sidecar.quota.windows import LENGTHS, CalendarCounter, MakeCounter, SlidingWindow

Report = tuple[int, int]
"""A place in time (a window's bucket, a period's number, a deadline in ms) and what was used."""

EVERYTHING: Final = 1 << 200

WIDTHS: Final = {length: length // 600 or 1 for length in (1_000, 60_000)}
"""How finely the store files use over time, in ms, by the window's length."""


class Alone(NamedTuple):
    """A replica without its store: of how many it was one, and whether it lets everything pass."""

    live: int
    allow: bool

    def ceiling(self, cap: int, own: int, others: int) -> int:
        """How far a replica's own use may rise: by its part of what was left, or for ever."""
        return EVERYTHING if self.allow else own + max(0, cap - own - others) // self.live


class Among:
    """What the counters of one replica have in common: its time, and who has news for the store."""

    __slots__ = ("alone", "moment", "news")

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.news: list[SharedCounter] = []
        self.alone: Alone | None = None
        """Set while the store is away and this replica decides by itself."""


class SharedCounter(Counter):
    """What counters have in common that share, whatever they count.

    To be named before the class that counts: `super()` here is that one. Who derives from it has
    the slots of SHARING, since Python joins no two classes that both have some.
    """

    if not TYPE_CHECKING:
        __slots__ = ()

    share: Share
    among: Among
    moment: Moment
    changed: set[int]
    """Places of which the store has not heard the newest."""

    def __init__(self, limit: CompiledLimit, values: Values, among: Among) -> None:
        super().__init__(limit, values)
        self.share = Share()
        self.among = among
        self.moment = among.moment
        self.changed = set()
        self.fall_back()

    def fall_back(self) -> None:
        """Take the place of the store where it is away."""
        alone, share = self.among.alone, self.share
        if alone is not None:
            others = share.others_at(self.moment.at)
            share.ceiling = alone.ceiling(self.cap, self.own(), others)

    def tell(self) -> None:
        """Have the next message say how the counter stands."""
        if self.share.mark():
            self.among.news.append(self)

    def retell(self) -> None:
        """Have the store told everything again."""
        self.tell()

    def own(self) -> int:
        """What this replica has used, or has under way."""
        return super().used(self.moment)  # type: ignore[safe-super]  # not Counter's: see above

    def used(self, moment: Moment) -> int:
        return super().used(moment) + self.share.others_at(moment.at)  # type: ignore[safe-super]  # as above

    def spent(self, moment: Moment) -> int:
        return self.used(moment) - self.share.held_by_others(moment.at)

    def idle(self, moment: Moment) -> bool:
        return self.share.rests(moment.at) and super().idle(moment)  # type: ignore[safe-super]  # as above

    def load(self, data: Any) -> None:
        super().load(data)  # type: ignore[safe-super]  # as above
        self.retell()

    @abstractmethod
    def reports(self) -> list[Report]:
        """What the store has to hear, the oldest first."""


SHARING: Final = ("among", "changed", "moment", "share")


class SharedWindow(SharedCounter, SlidingWindow):
    """A window whose use the store knows by buckets of `width` ms."""

    __slots__ = (*SHARING, "buckets", "width")

    def __init__(self, limit: CompiledLimit, values: Values, among: Among) -> None:
        super().__init__(limit, values, among)
        self.width = WIDTHS[self._length]
        self.buckets: dict[int, int] = {}

    @property
    def length(self) -> int:
        """The window's length in ms."""
        return self._length

    def fits(self, slot: int, amount: int) -> bool:
        share = self.share
        if share.ceiling is None:
            return self.cap > 0 and (not amount or (amount <= share.held and slot < share.until))
        self._expire(slot)
        return self.cap > 0 and (not amount or self._sum + amount <= share.ceiling)

    def take(self, slot: int, amount: int) -> None:
        super().take(slot, amount)
        self._file(slot, amount)
        if self.share.take(amount):
            self.among.news.append(self)

    def adjust(self, slot: int, change: int) -> None:
        if slot in self._amounts:
            self._file(slot, change)
            self.tell()
        super().adjust(slot, change)

    def retell(self) -> None:
        """Have the store told everything again."""
        self.changed.update(self.buckets)
        self.tell()

    def resets_at(self, moment: Moment) -> int:
        others = self.share.others_until - moment.shift if self.share.others else 0
        return max(super().resets_at(moment), others)

    def fits_from(self, amount: int, moment: Moment) -> int | None:
        if amount > self.cap or not self.cap:
            return None
        waits = self.share.waits
        return moment.wall + self.width if waits is None else max(waits, moment.wall)

    def reports(self) -> list[Report]:
        """What the store has to hear, the oldest first; forgets buckets that are over."""
        oldest = (self.moment.at - self._length) // self.width
        for bucket in [bucket for bucket in self.buckets if bucket < oldest]:
            del self.buckets[bucket]
        told = self.changed
        return [(one, self.buckets.get(one, 0)) for one in sorted(told) if one >= oldest]

    def _file(self, slot: int, amount: int) -> None:
        bucket = slot // self.width
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + amount
        self.changed.add(bucket)


class SharedCalendar(SharedCounter, CalendarCounter):
    """A day's or month's use, of which this replica knows its own."""

    __slots__ = SHARING

    @property
    def period(self) -> int:
        """The number of the day or month that it is."""
        return self._period(self.moment)

    def fits(self, slot: int, amount: int) -> bool:
        share = self.share
        if share.ceiling is None:
            return self.cap > 0 and (
                not amount or (amount <= share.held and self.moment.at < share.until)
            )
        own, ceiling, alone = self._counts.get(slot, 0), share.ceiling, self.among.alone
        if alone is not None and share.others_until and self.moment.at >= share.others_until:
            ceiling = alone.ceiling(self.cap, 0, 0)  # a period has begun that the store never saw
        return self.cap > 0 and (not amount or own + amount <= ceiling)

    def take(self, slot: int, amount: int) -> None:
        super().take(slot, amount)
        self.changed.add(slot)
        if self.share.take(amount):
            self.among.news.append(self)

    def adjust(self, slot: int, change: int) -> None:
        if slot in self._counts:
            self.changed.add(slot)
            self.tell()
        super().adjust(slot, change)

    def retell(self) -> None:
        """Have the store told everything again."""
        self.changed.update(self._counts)
        self.tell()

    def fits_from(self, amount: int, moment: Moment) -> int | None:
        if amount > self.cap or not self.cap:
            return None
        return self.resets_at(moment)

    def reports(self) -> list[Report]:
        """What the store has to hear, by period."""
        told = self.changed
        return [(one, self._counts[one]) for one in sorted(told) if one in self._counts]


class SharedLeases(SharedCounter, LeaseCounter):
    """What is under way in all replicas, of which this one knows its own."""

    __slots__ = SHARING

    def fits(self, predecessor: AttemptKey | None) -> bool:
        if self.cap <= 0:
            return False
        if predecessor in self._holders:
            return True
        share = self.share
        if share.ceiling is None:
            return share.held >= 1 and self.moment.at < share.until
        return len(self._holders) < share.ceiling

    def take(self, key: AttemptKey, deadline: int) -> None:
        if key not in self._holders and self.share.take(1):
            self.among.news.append(self)
        super().take(key, deadline)

    def end(self, key: AttemptKey) -> None:
        if key in self._holders:
            # The place stays this replica's while its share lasts: who takes over needs no other.
            self.share.held += 1
            self.tell()
        super().end(key)

    def resets_at(self, moment: Moment) -> int:
        if not self._holders:
            return moment.wall
        return super().resets_at(moment)

    def fits_from(self, amount: int, moment: Moment) -> int | None:
        if not self.cap:
            return None
        full = self.used(moment) + amount > self.cap or self.share.ceiling is not None
        return moment.wall + LEASE_RETRY_MS if full else moment.wall

    def reports(self) -> list[Report]:
        """How many are under way, and when the last of them ends at the latest."""
        return [(max(self._holders.values(), default=0), len(self._holders))]


def counter_maker(among: Among) -> MakeCounter:
    """Makes counters that share, that have this in common."""

    def make(limit: CompiledLimit, values: Values) -> Counter:
        if limit.kind in LENGTHS:
            return SharedWindow(limit, values, among)
        if limit.kind is LimitKind.CONCURRENT_REQUESTS:
            return SharedLeases(limit, values, among)
        return SharedCalendar(limit, values, among)

    return make
