"""Which calls and faults a seed draws."""

from collections import Counter

import pytest
from bench.faults.kinds import CENTRAL, STORE, FaultKind
from bench.faults.plan import Repeat, calls
from bench.faults.schedule import Scale, faults


def test_a_seed_repeats_its_calls_and_faults() -> None:
    """The same seed asks and breaks the same; another one does not."""
    assert calls(5, 50) == calls(5, 50)
    assert calls(5, 50) != calls(6, 50)
    assert faults(5, 10_000, every=300) == faults(5, 10_000, every=300)


@pytest.mark.parametrize(
    ("scale", "without"),
    [(Scale.ALONE, STORE | CENTRAL), (Scale.SHARED, CENTRAL), (Scale.FULL, frozenset())],
)
def test_a_long_run_has_every_fault(scale: Scale, without: frozenset[FaultKind]) -> None:
    """Each kind comes up, clocks last; faults of a store or collector where there is one."""
    at_gateways, central = faults(1, 10_000, every=300, scale=scale)
    kinds = {fault.kind for fault in (*at_gateways, *central)}

    assert kinds == set(FaultKind) - without
    assert at_gateways[-1].kind is FaultKind.CLOCK_BACK
    assert {fault.kind for fault in central} <= CENTRAL | {FaultKind.LOCK_LEDGER}
    if scale is not Scale.ALONE:
        assert {fault.target for fault in at_gateways} >= {"0", "1"}


def test_a_repetition_has_the_bytes_of_the_first() -> None:
    """Some calls later, or at once: the same body and a number of its own."""
    made = calls(3, 2000)
    repeated = [call for call in made if call.repeat]

    assert set(Counter(call.repeat for call in repeated)) == set(Repeat)
    for call in repeated:
        assert call.of is not None
        first = made[call.of]
        assert (call.body(), call.user, call.path) == (first.body(), first.user, first.path)
        assert call.number > first.number
