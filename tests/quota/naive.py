"""The quota engine as its description says it, slow: a list of events, recomputed each time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from quota.building import KIND

from bailiwick_sidecar.quota.limits import CompiledLimit
from bailiwick_sidecar.quota.model import Amounts, AttemptKey, Caller, LimitKind, Reservation

LENGTH = {
    KIND.REQUESTS_PER_SECOND: 1_000,
    KIND.REQUESTS_PER_MINUTE: 60_000,
    KIND.TOKENS_PER_MINUTE: 60_000,
}
HOUR = 3_600_000


@dataclass
class Event:
    """One reservation that was granted, and what became of it."""

    reservation: object
    limit_ids: set
    at: int
    wall: int
    lease_end: int
    tokens: int
    cost: int
    requests: int = 1
    state: str = "pending"
    reserved: int = 0
    leased: bool = True


@dataclass
class Naive:
    """All that ever happened. `readings` are the clock's, in the order in which they came."""

    limits: list
    zone: str
    readings: list = field(default_factory=list)
    events: list = field(default_factory=list)

    def tick(self, now: int) -> None:
        self.readings.append(now)
        at, _ = self.time()
        for event in self.events:
            if at >= event.lease_end:
                event.leased = False
            if event.state == "pending" and at >= event.lease_end + HOUR:
                event.state = "expired"

    def time(self) -> tuple[int, int]:
        """Engine time and wall time: late readings stand still, a clock set back is followed."""
        newest, shift = 0, 0
        for reading in self.readings:
            if reading < newest - 1000:
                shift += newest - reading
                newest = reading
            newest = max(newest, reading)
        return newest + shift, newest

    def applying(self, caller: Caller) -> list[CompiledLimit]:
        return [limit for limit in self.limits if self.applies(limit, caller)]

    @staticmethod
    def applies(limit: CompiledLimit, caller: Caller) -> bool:
        fixed = all(getattr(caller, name) == value for name, value in limit.fixed)
        each = all(getattr(caller, name) != "" for name in limit.each)
        instead = any(
            all(getattr(caller, name) == value for name, value in subject)
            for subject in limit.unless
        )
        return fixed and each and not instead

    def counted(self, limit: CompiledLimit, caller: Caller) -> Iterator[Event]:
        """Events that were charged to this limit for this caller's subject."""
        for event in self.events:
            if limit.id in event.limit_ids and all(
                getattr(event.reservation.caller, name) == getattr(caller, name)
                for name in limit.each
            ):
                yield event

    def used(self, limit: CompiledLimit, caller: Caller, at: int, wall: int) -> int:
        total = 0
        for event in self.counted(limit, caller):
            if limit.kind is KIND.CONCURRENT_REQUESTS:
                total += event.leased and at < event.lease_end
            elif limit.kind in LENGTH:
                if event.at > at - LENGTH[limit.kind]:
                    tokens = limit.kind is KIND.TOKENS_PER_MINUTE
                    total += event.tokens if tokens else event.requests
            elif self.period(limit.kind, event.wall) == self.period(limit.kind, wall):
                total += event.tokens if limit.kind is KIND.TOKENS_PER_MONTH else event.cost
        return total

    def period(self, kind: LimitKind, wall: int) -> str:
        local = datetime.fromtimestamp(wall // 1000, UTC).astimezone(ZoneInfo(self.zone))
        return local.strftime("%Y-%m-%d" if kind is KIND.BUDGET_DAY else "%Y-%m")

    def wants(self, limit: CompiledLimit, reservation: Reservation) -> int:
        if limit.kind is KIND.CONCURRENT_REQUESTS:
            previous = self.find(reservation.predecessor)
            taken_over = previous is not None and any(
                event is previous and event.leased
                for event in self.counted(limit, reservation.caller)
            )
            return 0 if taken_over else 1
        return {
            KIND.REQUESTS_PER_SECOND: 1,
            KIND.REQUESTS_PER_MINUTE: 1,
            KIND.TOKENS_PER_MINUTE: reservation.amounts.tokens,
            KIND.TOKENS_PER_MONTH: reservation.amounts.tokens,
        }.get(limit.kind, reservation.amounts.cost)

    def fits(self, limit: CompiledLimit, reservation: Reservation, at: int, wall: int) -> bool:
        wants = self.wants(limit, reservation)
        if limit.amount == 0:
            return False
        return wants == 0 or self.used(limit, reservation.caller, at, wall) + wants <= limit.amount

    def refusing(self, reservation: Reservation) -> set[str]:
        at, wall = self.time()
        return {
            limit.id
            for limit in self.applying(reservation.caller)
            if not limit.shadow and not self.fits(limit, reservation, at, wall)
        }

    def first_fit(self, reservation: Reservation, ids: set[str]) -> int | None:
        """The first moment at which these limits would all let it pass, or None, tried out."""
        at, wall = self.time()
        worst = wall
        for limit in self.limits:
            if limit.id not in ids:
                continue
            if limit.amount == 0 or self.wants(limit, reservation) > limit.amount:
                return None
            if limit.kind is KIND.CONCURRENT_REQUESTS:
                worst = max(worst, wall + 1000)
                continue
            moments = [
                event.at + LENGTH.get(limit.kind, 0) - at + wall for event in self.events
            ] + self.period_ends(limit.kind, wall)
            fitting = [
                moment
                for moment in moments
                if moment > wall and self.fits(limit, reservation, moment + at - wall, moment)
            ]
            worst = max(worst, min(fitting))
        return worst

    def period_ends(self, kind: LimitKind, wall: int) -> list[int]:
        low, high = wall, wall
        while self.period(kind, high) == self.period(kind, wall):
            high += 6 * HOUR
        while low < high:
            middle = (low + high) // 2
            if self.period(kind, middle) == self.period(kind, wall):
                low = middle + 1
            else:
                high = middle
        return [low]

    def take(self, reservation: Reservation) -> None:
        at, wall = self.time()
        previous = self.find(reservation.predecessor)
        if previous is not None:
            previous.leased = False
        self.events.append(
            Event(
                reservation,
                {limit.id for limit in self.applying(reservation.caller)},
                at,
                wall,
                reservation.deadline + at - wall,
                reservation.amounts.tokens,
                reservation.amounts.cost,
                reserved=reservation.amounts.tokens,
            )
        )

    def find(self, key: AttemptKey) -> Event | None:
        """The pending event of this key."""
        for event in self.events:
            if event.reservation.key == key and event.state == "pending":
                return event
        return None

    def settle(self, key: AttemptKey, actual: Amounts) -> int:
        event = self.find(key)
        if event is None:
            return 0
        over = max(0, actual.tokens - event.tokens)
        event.tokens, event.cost = actual.tokens, actual.cost
        event.state, event.leased = "settled", False
        return over

    def void(self, key: AttemptKey) -> None:
        event = self.find(key)
        if event is not None:
            event.tokens = event.cost = event.requests = 0
            event.state, event.leased = "voided", False

    def release(self, key: AttemptKey) -> None:
        event = self.find(key)
        if event is not None:
            event.leased = False
