"""Which counters a caller's requests take from: worked out once, kept while they stand."""

from collections import OrderedDict
from collections.abc import Collection

from bailiwick_sidecar.quota.counter import Counter, MeasuredCounter
from bailiwick_sidecar.quota.counters import CounterStore, Queue
from bailiwick_sidecar.quota.leases import LeaseCounter
from bailiwick_sidecar.quota.limits import Applied, CompiledLimits
from bailiwick_sidecar.quota.model import Caller, LimitKind
from bailiwick_sidecar.quota.moment import AT, DAY, MONTH, Moment

REQUESTS, TOKENS, COST = range(3)
"""What a counter measures: a place in (1, tokens, cost)."""

SWEEP = 2
"""Idle counters dropped for each one that is made, so that their number falls again."""

Charge = tuple[MeasuredCounter, int, int]
"""A counter, what it measures, and what its slots are (a place in `Moment.slots`)."""

_MEASURES = {
    LimitKind.REQUESTS_PER_SECOND: (REQUESTS, AT),
    LimitKind.REQUESTS_PER_MINUTE: (REQUESTS, AT),
    LimitKind.TOKENS_PER_MINUTE: (TOKENS, AT),
    LimitKind.TOKENS_PER_MONTH: (TOKENS, MONTH),
    LimitKind.BUDGET_DAY: (COST, DAY),
    LimitKind.BUDGET_MONTH: (COST, MONTH),
}


class Plan:
    """The counters of one caller, in the order of the limits' ids."""

    __slots__ = ("charges", "counters", "leases", "queues", "settled", "shown")

    def __init__(self, counters: tuple[Counter, ...], store: CounterStore | None = None) -> None:
        self.counters = counters
        self.charges: tuple[Charge, ...] = tuple(
            (counter, *_MEASURES[counter.limit.kind])
            for counter in counters
            if isinstance(counter, MeasuredCounter)
        )
        self.settled = tuple(charge for charge in self.charges if charge[1] != REQUESTS)
        """The charges that the true usage corrects."""
        self.shown: tuple[tuple[MeasuredCounter, ...], ...] = tuple(
            tuple(
                counter
                for counter, measure, _ in self.charges
                if measure == wanted and not counter.limit.shadow
            )
            for wanted in (REQUESTS, TOKENS)
        )
        """Counters of which a caller is told the tightest: of requests, then of tokens."""
        self.leases = tuple(counter for counter in counters if isinstance(counter, LeaseCounter))
        self.queues: tuple[tuple[Queue, Counter], ...] = ()
        """Counters of subjects with the queue that each goes to the end of when it is taken."""
        if store is not None:
            self.queues = tuple(
                (store.queue(counter.limit.kind), counter) for counter in counters if counter.values
            )


class NoRoomError(Exception):
    """No counter is free for a new subject of these limits."""

    def __init__(self, limits: tuple[Applied, ...]) -> None:
        super().__init__("too many subjects in use")
        self.limits = limits


class Plans:
    """Plans by caller, the least recently used forgotten first."""

    def __init__(self, limits: CompiledLimits, store: CounterStore, max_callers: int) -> None:
        self._limits = limits
        self._store = store
        self._max_callers = max_callers
        self._plans: OrderedDict[Caller, Plan] = OrderedDict()

    def find(self, caller: Caller, moment: Moment, *, force: bool = False) -> Plan:
        """The caller's plan; its counters exist.

        Raises:
            NoRoomError: an enforced limit needs a new counter, and every one is in use; never
                with `force`.
        """
        plan = self._plans.get(caller)
        if plan is not None:
            self._plans.move_to_end(caller)
            return plan
        applied = self._limits.applied(caller)
        admitted = self._make_room(applied, moment, force=force)
        store = self._store
        counters = tuple(store.get(*found) or store.add(*found) for found in admitted)
        plan = Plan(counters, store)
        if len(admitted) == len(applied):
            self._keep(caller, plan)
        return plan

    def over(self, store: CounterStore) -> "Plans":
        """The same limits over other counters, nothing planned yet."""
        return Plans(self._limits, store, self._max_callers)

    def use(self, limits: CompiledLimits) -> None:
        """Forget all plans: other limits hold."""
        self._limits = limits
        for caller in tuple(self._plans):
            self._forget(caller)

    def sweep(self, moment: Moment, at_most: int, spare: Collection[Counter] = ()) -> None:
        """Drop idle counters of subjects, and with them the plans that hold them."""
        for counter in self._store.idle(moment, at_most, spare):
            self._drop(counter)

    def retire(self, moment: Moment) -> None:
        """Drop the counters of limits that are gone, as far as they are idle."""
        for counter in self._store.retired(self._limits, moment):
            self._drop(counter)

    def _make_room(
        self, applied: tuple[Applied, ...], moment: Moment, *, force: bool
    ) -> tuple[Applied, ...]:
        """The limits that have a counter or room for one: all, or all but shadows."""
        store = self._store
        missing = [found for found in applied if found.values and store.get(*found) is None]
        if not missing:
            return applied
        spare = {counter for found in applied if (counter := store.get(*found)) is not None}
        self.sweep(moment, max(SWEEP * len(missing), store.lacks(len(missing))), spare)
        if force or not store.lacks(len(missing)):
            return applied
        enforced = tuple(found for found in missing if not found.limit.shadow)
        if store.lacks(len(enforced)):
            raise NoRoomError(enforced)
        return tuple(found for found in applied if found not in missing or found in enforced)

    def _keep(self, caller: Caller, plan: Plan) -> None:
        self._plans[caller] = plan
        for counter in plan.counters:
            counter.callers.add(caller)
        if len(self._plans) > self._max_callers:
            self._forget(next(iter(self._plans)))

    def _drop(self, counter: Counter) -> None:
        for caller in tuple(counter.callers):
            self._forget(caller)
        self._store.drop(counter)

    def _forget(self, caller: Caller) -> None:
        for counter in self._plans.pop(caller).counters:
            counter.callers.discard(caller)
