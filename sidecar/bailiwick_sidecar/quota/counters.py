"""Every counter of a tenant, found by limit and subject, bounded in number.

Limits without `each` have one counter. Those with `each` have one per subject that shows up, and
callers decide how many those are: past the bound an idle counter makes room, and where all are in
use nobody new gets one.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from bailiwick_sidecar.quota.counter import Counter
from bailiwick_sidecar.quota.limits import (
    REQUEST_DIMENSIONS,
    CompiledLimit,
    CompiledLimits,
    Values,
)
from bailiwick_sidecar.quota.model import LimitKind
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.windows import MakeCounter, new_counter

Queue = OrderedDict[Counter, None]


class CounterStore:
    """Counters by key. `max_subjects` bounds those of `each` dimensions."""

    def __init__(self, max_subjects: int, make: MakeCounter = new_counter) -> None:
        self.max_subjects = max_subjects
        self.make = make
        self._subjects = 0
        self._counters: dict[tuple[str, Values], Counter] = {}
        # Per kind, in the order in which counters become idle: what is new or holds no lease
        # any more at the front, what was just taken from at the end.
        self._queues: dict[LimitKind, Queue] = {kind: OrderedDict() for kind in LimitKind}
        # Limit and who sends → its counters for each route or tier.
        self._families: dict[tuple[str, Values], dict[Counter, None]] = {}

    def __iter__(self) -> Iterator[Counter]:
        return iter(self._counters.values())

    @property
    def subjects(self) -> int:
        """How many counters of `each` dimensions there are."""
        return self._subjects

    def get(self, limit: CompiledLimit, values: Values) -> Counter | None:
        """The counter, if it exists and counts this kind."""
        counter = self._counters.get((limit.id, values))
        return counter if counter is not None and counter.limit.kind is limit.kind else None

    def family(self, limit: CompiledLimit, values: Values) -> Iterable[Counter]:
        """All counters of the limit that differ from these values in route or tier alone."""
        return tuple(self._families.get((limit.id, _sender(values)), ()))

    def add(self, limit: CompiledLimit, values: Values, *, last: bool = False) -> Counter:
        """A new counter, also past the bound: `lacks` says where that is.

        It is the first to be dropped until something is taken, or with `last` the last.
        """
        old = self._counters.get((limit.id, values))
        if old is not None:
            self.drop(old)
        counter = self.make(limit, values)
        self._counters[counter.key] = counter
        if values:
            self._subjects += 1
            queue = self._queues[limit.kind]
            queue[counter] = None
            queue.move_to_end(counter, last=last)
            if not REQUEST_DIMENSIONS.isdisjoint(dict(values)):
                self._families.setdefault((limit.id, _sender(values)), {})[counter] = None
        return counter

    def drop(self, counter: Counter) -> None:
        """Forget the counter."""
        del self._counters[counter.key]
        if counter.values:
            self._subjects -= 1
            self._queues[counter.limit.kind].pop(counter)
            family = self._families.get((counter.limit.id, _sender(counter.values)))
            if family is not None:
                family.pop(counter)
                if not family:
                    del self._families[counter.limit.id, _sender(counter.values)]

    def lacks(self, wanted: int) -> int:
        """How many of the wanted new counters of subjects are past the bound; 0: none."""
        return max(0, self._subjects + wanted - self.max_subjects)

    def queue(self, kind: LimitKind) -> Queue:
        """The kind's counters of subjects, the next idle one first."""
        return self._queues[kind]

    def in_order(self) -> list[Counter]:
        """All counters, so that adding them in this order makes the same store."""
        fixed = [counter for counter in self if not counter.values]
        return fixed + [counter for queue in self._queues.values() for counter in queue]

    def rest(self, counter: Counter, moment: Moment) -> None:
        """Let a counter that has just become idle be among the first to go."""
        queue = self._queues[counter.limit.kind]
        if counter in queue and counter.idle(moment):
            queue.move_to_end(counter, last=False)

    def idle(
        self, moment: Moment, at_most: int, spare: Collection[Counter] = ()
    ) -> Iterator[Counter]:
        """Counters of subjects that may be dropped now, none of those to spare."""
        for queue in self._queues.values():
            for counter in tuple(islice(queue, at_most + len(spare))):
                if not at_most or not counter.idle(moment):
                    break
                if counter not in spare:
                    at_most -= 1
                    yield counter

    def rebind(self, limits: CompiledLimits) -> None:
        """Let each counter count for the limit that has its id now.

        A counter whose limit is gone stays until it is idle: whoever deletes a limit and writes
        it again finds it as full as it was.
        """
        for counter in self._counters.values():
            limit = limits.by_id.get(counter.limit.id)
            if limit is not None and limit.kind is counter.limit.kind:
                counter.bind(limit)

    def retired(self, limits: CompiledLimits, moment: Moment) -> tuple[Counter, ...]:
        """Idle counters of no subject whose limit is gone."""
        return tuple(
            counter
            for counter in self._counters.values()
            if not counter.values and counter.limit.id not in limits.by_id and counter.idle(moment)
        )


def _sender(values: Values) -> Values:
    return tuple(pair for pair in values if pair[0] not in REQUEST_DIMENSIONS)
