"""An engine's counters and open reservations as JSON, and back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.quota.clock import EngineClock
from bailiwick_sidecar.quota.counter import Counter
from bailiwick_sidecar.quota.counters import CounterStore
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import AttemptKey, LimitKind
from bailiwick_sidecar.quota.pending import Pending
from bailiwick_sidecar.quota.plans import Plan
from bailiwick_sidecar.quota.windows import MakeCounter, new_counter

VERSION = 1


class CheckpointError(BailiwickError):
    """Bytes that are no checkpoint which this release can read."""


class Loaded(NamedTuple):
    """What a checkpoint holds."""

    clock: EngineClock
    store: CounterStore
    pending: dict[AttemptKey, Pending]


def dump(
    clock: EngineClock, store: CounterStore, pending: Mapping[AttemptKey, Pending]
) -> dict[str, Any]:
    """The state as JSON: dicts, lists, strings, whole numbers and booleans."""
    counters = store.in_order()
    places = {counter: place for place, counter in enumerate(counters)}
    return {
        "version": VERSION,
        "clock": [clock.wall, clock.shift],
        "counters": [
            [
                counter.limit.id,
                counter.limit.kind.value,
                [list(pair) for pair in counter.values],
                counter.dump(),
            ]
            for counter in counters
        ],
        "open": [
            [
                *key,
                list(entry.slots),
                list(entry.measures),
                entry.deadline,
                entry.leased,
                # A counter may be gone: it was idle, and nothing can reach it any more.
                [places[counter] for counter in entry.plan.counters if counter in places],
            ]
            for key, entry in pending.items()
        ],
    }


def load(
    data: Any, limits: CompiledLimits, max_subjects: int, make: MakeCounter = new_counter
) -> Loaded:
    """The state that `dump` gave, its counters bound to these limits.

    Raises:
        CheckpointError: another version, or not what `dump` writes.
    """
    try:
        if data["version"] != VERSION:
            raise CheckpointError(
                f"checkpoint version {data['version']!r} is not {VERSION}: start this release on "
                "a journal of its own, or with the release that wrote it"
            )
        store = CounterStore(max_subjects, make)
        counters = [_counter(entry, limits, store) for entry in data["counters"]]
        plans: dict[tuple[int, ...], Plan] = {}
        pending: dict[AttemptKey, Pending] = {}
        for stream, attempt, slots, measures, deadline, leased, held in data["open"]:
            places = tuple(held)
            plan = plans.get(places)
            if plan is None:
                plan = plans[places] = Plan(tuple(counters[place] for place in places))
            at, day, month = slots
            requests, tokens, cost = measures
            entry = Pending(plan, (at, day, month), (requests, tokens, cost), deadline)
            entry.leased = leased
            pending[stream, attempt] = entry
        wall, shift = data["clock"]
        return Loaded(EngineClock(wall, shift), store, pending)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint is damaged ({type(error).__name__}): replay the journal before it"
        ) from error


def _counter(entry: Any, limits: CompiledLimits, store: CounterStore) -> Counter:
    limit_id, kind_name, pairs, counted = entry
    kind = LimitKind(kind_name)
    limit = limits.by_id.get(limit_id)
    if limit is None or limit.kind is not kind:
        limit = CompiledLimit(id=limit_id, kind=kind, amount=0)  # it is gone, its counts are not
    counter = store.add(limit, tuple((dimension, value) for dimension, value in pairs), last=True)
    counter.load(counted)
    return counter
