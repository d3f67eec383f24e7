"""The quota engine: one decision over every limit that applies, the clock a parameter.

A reservation is pending until it is settled (the true figures take its place), voided (given
back) or expired (nobody told within an hour after its deadline: it stays charged as reserved).
Nothing here suspends, reads a clock or draws a random number, so the same calls give the same
answers, and a journal of them rebuilds the same counters.

Every method takes `now`, the wall clock in ms since the epoch; see `clock` for what happens when
it is set back. How limits combine: docs/limits.md.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bailiwick_sidecar.quota import checkpoint
from bailiwick_sidecar.quota.counter import Counter
from bailiwick_sidecar.quota.counters import CounterStore
from bailiwick_sidecar.quota.leases import LEASE_RETRY_MS
from bailiwick_sidecar.quota.limits import CompiledLimits, Values
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    DenialReason,
    Grant,
    LimitState,
    Reservation,
)
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.pending import (
    LINGER_MS,
    Measures,
    Pending,
    Totals,
    deadlines,
    measured,
)
from bailiwick_sidecar.quota.plans import NoRoomError, Plan, Plans
from bailiwick_sidecar.quota.windows import MakeCounter, new_counter

MAX_SUBJECTS = 100_000
MAX_CALLERS = 10_000
SWEPT_AT_ONCE = 2_000
"""Idle counters that one `expire` drops at most: some milliseconds of work."""


class Refusing(NamedTuple):
    """Counters that have no room, each with what is asked of it, and the caller's plan."""

    plan: Plan
    counters: list[tuple[Counter, int]]


class Engine:
    """The counters of one tenant and the reservations that are open.

    `max_subjects` bounds the counters of `each` dimensions, `max_callers` the callers whose
    limits are remembered. Not for use from several threads.
    """

    def __init__(
        self,
        limits: CompiledLimits,
        time_zone: str,
        *,
        max_subjects: int = MAX_SUBJECTS,
        max_callers: int = MAX_CALLERS,
        make: MakeCounter = new_counter,
        moment: Moment | None = None,
    ) -> None:
        """An engine that has seen nothing; `make` makes its counters, `moment` is its time.

        Raises:
            TimeZoneError: the zone is not known.
        """
        self.limits = limits
        self.totals = Totals()
        self._moment = moment or Moment(time_zone)
        self._store = CounterStore(max_subjects, make)
        self._plans = Plans(limits, self._store, max_callers)
        self._open: dict[AttemptKey, Pending] = {}
        self._due: list[tuple[int, AttemptKey]] = []
        """Heap of deadlines, then of deadlines plus LINGER_MS; of closed ones too, for a while."""

    @property
    def pending(self) -> int:
        """How many reservations are neither settled nor voided nor expired."""
        return len(self._open)

    @property
    def subjects(self) -> int:
        """How many counters of `each` dimensions there are; `max_subjects` bounds it."""
        return self._store.subjects

    @property
    def moment(self) -> Moment:
        """The moment of the newest call."""
        return self._moment

    def reserve(self, reservation: Reservation, now: int) -> Grant | Denial:
        """Take the reservation from every counter that applies, or from none.

        A key that is open already keeps what it has: asking twice takes once.

        Raises:
            AmountsError: an amount is negative.
        """
        decided = self.decide(reservation, now)
        return self.denial(decided) if isinstance(decided, Refusing) else decided

    def decide(self, reservation: Reservation, now: int) -> "Grant | Denial | Refusing":
        """As `reserve`, where a refusal by counters is not yet put into words.

        Raises:
            AmountsError: an amount is negative.
        """
        found = self.look(reservation, now)
        if isinstance(found, Plan):
            if reservation.key not in self._open:
                self._take(reservation, found, self._moment.slots)
            return Grant(self._tightest(found), self._moment.wall)
        return found

    def look(self, reservation: Reservation, now: int) -> "Plan | Denial | Refusing":
        """What `decide` would do, with nothing taken: a plan where it fits.

        Raises:
            AmountsError: an amount is negative.
        """
        moment = self._tick(now)
        measures = measured(reservation.amounts)
        key = reservation.key
        if key in self._open:
            return self._open[key].plan
        try:
            plan = self._plans.find(reservation.caller, moment)
        except NoRoomError as error:
            return self._no_room(reservation.caller, error)
        slots = moment.slots
        refusing: list[tuple[Counter, int]] = [
            (counter, measures[measure])
            for counter, measure, slot in plan.charges
            if not counter.fits(slots[slot], measures[measure]) and not counter.limit.shadow
        ]
        refusing += [
            (lease, 1)
            for lease in plan.leases
            if not lease.fits(reservation.predecessor) and not lease.limit.shadow
        ]
        return Refusing(plan, refusing) if refusing else plan

    def take(self, reservation: Reservation, now: int) -> Grant:
        """Take what another has decided on already; a key that is open keeps what it has."""
        moment = self._tick(now)
        if reservation.key not in self._open:
            plan = self._plans.find(reservation.caller, moment, force=True)
            self._take(reservation, plan, moment.slots)
        return Grant(self._tightest(self._open[reservation.key].plan), moment.wall)

    def settle(self, key: AttemptKey, actual: Amounts, now: int) -> int:
        """Replace what was reserved by what was used, where and when it was admitted.

        Returns the overshoot: tokens used beyond those reserved (≥ 0). Ends the lease. A key
        that is not open changes nothing and gives 0.

        Raises:
            AmountsError: an amount is negative.
        """
        measures = measured(actual)
        self._tick(now)
        pending = self._open.get(key)
        return 0 if pending is None else self._settle(key, pending, measures)

    def void(self, key: AttemptKey, now: int) -> None:
        """Give everything back, the request count too: proved never sent."""
        self._tick(now)
        pending = self._open.pop(key, None)
        if pending is None:
            return
        measures, slots = pending.measures, pending.slots
        for counter, measure, slot in pending.plan.charges:
            counter.adjust(slots[slot], -measures[measure])
        self._end_lease(key, pending)
        self.totals.voided += measures[1]

    def release(self, key: AttemptKey, now: int) -> None:
        """End the concurrency lease alone; tokens and money stay reserved."""
        self._tick(now)
        pending = self._open.get(key)
        if pending is not None:
            self._end_lease(key, pending)

    def expire(self, now: int) -> None:
        """Do what is due and drop idle counters; call it about once a second."""
        moment = self._tick(now)
        self._plans.sweep(moment, SWEPT_AT_ONCE)
        self._plans.retire(moment)

    def states(self, caller: Caller, now: int) -> tuple[LimitState, ...]:
        """Every counter that applies to this caller.

        An empty route or tier stands for all of them: a limit on a tier is there, and of a
        limit for each route every route that this caller has used. An empty team, project or
        user is nobody's, and shows nobody else's counters.
        """
        moment = self._tick(now)
        return tuple(c.state(moment, c.spent(moment)) for c in self._seen_by(caller))

    def meet(self, caller: Caller, now: int) -> tuple[Counter, ...]:
        """This caller's counters; those that nothing was taken from yet are there from now on."""
        self._tick(now)
        store = self._store
        for limit, values in self.limits.applied_to_sender(caller):
            known = not all(value for _, value in values) or store.get(limit, values) is not None
            if not known and not (values and store.lacks(1)):
                store.add(limit, values)
        return tuple(self._seen_by(caller))

    def all_states(self, now: int) -> Iterator[LimitState]:
        """Every counter there is, for metrics; as many as limits and subjects."""
        moment = self._tick(now)
        by_id = self.limits.by_id
        return (c.state(moment, c.spent(moment)) for c in tuple(self._store) if c.limit.id in by_id)

    def reload(self, limits: CompiledLimits, time_zone: str | None = None) -> None:
        """Go on under other limits, at once.

        Counters whose limit id stays keep their counts, also where the amount or the subject
        changed. Reservations that are open stay so, and settle into the counters that they
        were taken from. A new limit begins at nothing used.

        Raises:
            TimeZoneError: the zone is not known; nothing has changed then.
        """
        if time_zone is not None and time_zone != self._moment.calendar.zone.key:
            self._moment.rezone(time_zone)
        self.limits = limits
        self._store.rebind(limits)
        self._plans.use(limits)

    def restore(self, entries: Iterable[tuple[Reservation, int, Amounts | None]]) -> None:
        """Rebuild counters: (reservation, admitted at, settled amounts or None while open).

        Nothing is refused, since it was admitted once. A voided attempt is an open one among the
        entries, and voided after. The order does not matter; a key that is open already stays.
        """
        moment = self._moment
        for reservation, admitted_at, actual in sorted(entries, key=_admission):
            if reservation.key in self._open:
                continue
            slots = moment.past(admitted_at)
            plan = self._plans.find(reservation.caller, moment, force=True)
            self._take(reservation, plan, slots)
            if actual is not None:
                measures = measured(actual)
                self._settle(reservation.key, self._open[reservation.key], measures)

    def counters(self) -> Iterator[Counter]:
        """Every counter there is."""
        return iter(tuple(self._store))

    def at(self, now: int) -> Moment:
        """The engine's moment, moved on to the clock's reading."""
        return self._tick(now)

    def is_open(self, key: AttemptKey) -> bool:
        """True while the reservation is neither settled nor voided nor expired."""
        return key in self._open

    def dump(self) -> dict[str, Any]:
        """All counters and open reservations as JSON: what a journal segment begins with."""
        return checkpoint.dump(self._moment.clock, self._store, self._open)

    def load(self, data: Any) -> None:
        """Become the engine that gave `data`, under the limits of this one.

        Raises:
            CheckpointError: it is no checkpoint of this release; nothing has changed then.
        """
        loaded = checkpoint.load(data, self.limits, self._store.max_subjects, self._store.make)
        self._store = loaded.store
        self._plans = self._plans.over(loaded.store)
        self._open = loaded.pending
        self._moment.reset(loaded.clock)
        self._due = deadlines(self._open)
        self.totals = Totals(reserved=sum(entry.measures[1] for entry in self._open.values()))

    def _tick(self, now: int) -> Moment:
        moment = self._moment
        at = moment.move(now)
        due = self._due
        while due and due[0][0] <= at:
            self._fall_due(*heapq.heappop(due))
        return moment

    def _fall_due(self, time: int, key: AttemptKey) -> None:
        pending = self._open.get(key)
        if pending is None or time < pending.deadline:
            return  # closed, or about another reservation of that name
        if time < pending.deadline + LINGER_MS:
            self._end_lease(key, pending)
            heapq.heappush(self._due, (pending.deadline + LINGER_MS, key))
        else:
            del self._open[key]
            self.totals.expired += pending.measures[1]

    def _take(self, reservation: Reservation, plan: Plan, slots: tuple[int, int, int]) -> None:
        key, amounts = reservation.key, reservation.amounts
        measures = (1, amounts.tokens, amounts.cost)
        deadline = reservation.deadline + self._moment.shift
        for counter, measure, slot in plan.charges:
            counter.take(slots[slot], measures[measure])
        predecessor = reservation.predecessor
        if predecessor is not None and predecessor in self._open:
            self._end_lease(predecessor, self._open[predecessor])
        for lease in plan.leases:
            lease.take(key, deadline)
        for queue, counter_of_subject in plan.queues:
            queue.move_to_end(counter_of_subject)
        self._open[key] = Pending(plan, slots, measures, deadline)
        heapq.heappush(self._due, (deadline, key))
        if len(self._due) > 2 * len(self._open) + 1024:
            self._due = deadlines(self._open)
        self.totals.reserved += amounts.tokens

    def _settle(self, key: AttemptKey, pending: Pending, measures: Measures) -> int:
        del self._open[key]
        reserved, slots = pending.measures, pending.slots
        for counter, measure, slot in pending.plan.settled:
            counter.adjust(slots[slot], measures[measure] - reserved[measure])
        self._end_lease(key, pending)
        return self.totals.settle(reserved, measures)

    def _end_lease(self, key: AttemptKey, pending: Pending) -> None:
        if not pending.leased:
            return
        pending.leased = False
        for lease in pending.plan.leases:
            lease.end(key)
            if lease.values:
                self._store.rest(lease, self._moment)

    def _states(self, plan: Plan) -> tuple[LimitState, ...]:
        moment = self._moment
        return tuple([counter.state(moment) for counter in plan.counters])

    def _tightest(self, plan: Plan) -> tuple[LimitState, ...]:
        moment = self._moment
        found = []
        for counters in plan.shown:
            least, tightest = 2.0, None
            for counter in counters:
                left = counter.cap - counter.used(moment)
                share = left / counter.cap if left > 0 else 0.0
                if share < least:
                    least, tightest = share, counter
            if tightest is not None:
                found.append(tightest.state(moment))
        return tuple(found)

    def denial(self, refused: Refusing) -> Denial:
        """The refusal as a caller is told it."""
        moment = self._moment
        plan, refusing = refused
        waits = [(counter.fits_from(amount, moment), counter) for counter, amount in refusing]
        waits.sort(key=lambda wait: (wait[0] is not None, -(wait[0] or 0)))
        return Denial(
            limits=tuple(counter.state(moment) for _, counter in waits),
            retry_after=waits[0][0],
            states=self._states(plan),
        )

    def _no_room(self, caller: Caller, error: NoRoomError) -> Denial:
        moment = self._moment
        return Denial(
            limits=tuple(new_counter(*found).state(moment) for found in error.limits),
            retry_after=moment.wall + LEASE_RETRY_MS,
            states=tuple(counter.state(moment) for counter in self._seen_by(caller)),
            reason=DenialReason.TOO_MANY_SUBJECTS,
        )

    def _seen_by(self, caller: Caller) -> Iterator[Counter]:
        for limit, values in self.limits.applied_to_sender(caller):
            if all(value for _, value in values):
                yield self._store.get(limit, values) or new_counter(limit, values)
            else:
                for counter in self._store.family(limit, values):
                    if _agree(counter.values, values):
                        yield counter


def _agree(found: Values, wanted: Values) -> bool:
    return all(mine in ("", theirs) for (_, theirs), (_, mine) in zip(found, wanted, strict=True))


def _admission(entry: tuple[Reservation, int, Amounts | None]) -> tuple[int, int]:
    """When it was admitted; within a ms a predecessor comes before who took over from it."""
    return entry[1], entry[0].key[1]
