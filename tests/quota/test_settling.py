"""Reserve before, settle after, void what was never sent: nothing twice, nothing lost."""

import pytest
from quota.building import FAR, KIND, NOW, ask, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.model import Amounts, Grant
from bailiwick_sidecar.quota.pending import LINGER_MS, AmountsError


@pytest.fixture
def limits() -> Engine:
    return engine(
        limit("rpm", KIND.REQUESTS_PER_MINUTE, 5),
        limit("tpm", KIND.TOKENS_PER_MINUTE, 100),
        limit("month", KIND.TOKENS_PER_MONTH, 1_000),
        limit("money", KIND.BUDGET_DAY, 100),
    )


def uses(limits: Engine, now: int = NOW) -> dict[str, int]:
    return {state.limit_id: state.used for state in limits.states(ask(0).caller, now)}


def test_a_grant_shows_the_tightest_counters_after_the_reservation(limits: Engine) -> None:
    """What a caller is told is what is left for the next call, of requests and of tokens."""
    answer = limits.reserve(ask(1, tokens=30, cost=20), NOW)

    assert isinstance(answer, Grant)
    assert [(state.limit_id, state.used, state.remaining) for state in answer.tightest] == [
        ("rpm", 1, 4),
        ("tpm", 30, 70),
    ]
    assert uses(limits) == {"rpm": 1, "tpm": 30, "month": 30, "money": 20}


def test_settling_replaces_the_reserved_by_the_actual(limits: Engine) -> None:
    """The difference comes back in tokens and money; the request stays counted."""
    key = granted(limits, 1, tokens=80, cost=90)

    assert limits.settle(key, Amounts(tokens=30, cost=10), NOW + 1) == 0

    assert uses(limits) == {"rpm": 1, "tpm": 30, "month": 30, "money": 10}


def test_overshoot_is_returned_and_carried(limits: Engine) -> None:
    """Using more than reserved is counted in full; what is over the limit is owed."""
    key = granted(limits, 1, tokens=80, cost=90)

    assert limits.settle(key, Amounts(tokens=150, cost=300), NOW) == 70

    assert uses(limits) == {"rpm": 1, "tpm": 150, "month": 150, "money": 300}
    states = {state.limit_id: state for state in limits.states(ask(0).caller, NOW)}
    assert (states["tpm"].remaining, states["money"].remaining) == (0, 0)
    assert (limits.totals.overshoot, limits.totals.overshoot_cost) == (70, 210)


def test_a_void_gives_everything_back(limits: Engine) -> None:
    """Proved never sent: neither tokens nor money nor the request were used."""
    limits.void(granted(limits, 1, tokens=80, cost=90), NOW + 1)

    assert uses(limits, NOW + 1) == {"rpm": 0, "tpm": 0, "month": 0, "money": 0}


def test_a_second_delivery_changes_nothing(limits: Engine) -> None:
    """Settled once is settled: no later settle or void of that key counts."""
    key = granted(limits, 1, tokens=80, cost=90)
    limits.settle(key, Amounts(tokens=30, cost=10), NOW)
    before = limits.dump()

    assert limits.settle(key, Amounts(tokens=500, cost=500), NOW) == 0
    limits.void(key, NOW)
    limits.release(key, NOW)
    limits.settle(("nobody", 1), Amounts(tokens=500, cost=500), NOW)
    limits.void(("nobody", 1), NOW)

    assert before == limits.dump()


def test_a_voided_key_is_not_settled(limits: Engine) -> None:
    """What was proved unsent has no usage."""
    key = granted(limits, 1, tokens=80)
    limits.void(key, NOW)

    assert limits.settle(key, Amounts(tokens=500, cost=500), NOW) == 0
    assert used(limits, "tpm") == 0


def test_asking_again_for_an_open_key_takes_once(limits: Engine) -> None:
    """A repeated reservation of the same attempt is the same reservation."""
    granted(limits, 1, tokens=80)
    granted(limits, 1, tokens=80)

    assert used(limits, "tpm") == 80
    assert limits.pending == 1


def test_each_attempt_of_a_request_is_charged(limits: Engine) -> None:
    """Two attempts of one stream are two reservations."""
    granted(limits, ("s", 1), tokens=30)
    granted(limits, ("s", 2), tokens=30, after=("s", 1))

    assert uses(limits) == {"rpm": 2, "tpm": 60, "month": 60, "money": 0}


def test_what_nobody_settles_stays_charged(limits: Engine) -> None:
    """Past its deadline and an hour it can't be settled any more, and costs what was reserved."""
    key = granted(limits, 1, tokens=80, ttl=1_000)
    other = granted(limits, 2, tokens=20, ttl=1_000)

    limits.settle(other, Amounts(tokens=5, cost=0), NOW + 1_000 + LINGER_MS - 1)
    limits.expire(NOW + 1_000 + LINGER_MS)
    limits.settle(key, Amounts(tokens=5, cost=0), NOW + 1_000 + LINGER_MS)

    assert used(limits, "month", now=NOW + 1_000 + LINGER_MS) == 85
    totals = limits.totals
    assert (totals.reserved, totals.settled, totals.expired, limits.pending) == (100, 20, 80, 0)


def test_a_deficit_must_be_made_up_before_anything_passes(limits: Engine) -> None:
    """The window refuses until enough has left it, not until the clock's next minute."""
    limits.settle(granted(limits, 1, tokens=60), Amounts(tokens=150, cost=0), NOW)
    granted_later = NOW + 60_000

    assert granted_later == denied(limits, 2, tokens=1, now=NOW + 59_000).retry_after
    granted(limits, 3, tokens=100, now=granted_later)


@pytest.mark.parametrize("amounts", [Amounts(-1, 0), Amounts(0, -1)])
def test_negative_amounts_are_refused(limits: Engine, amounts: Amounts) -> None:
    """A provider that reports less than nothing gives no quota away."""
    key = granted(limits, 1, tokens=10)

    with pytest.raises(AmountsError, match="never negative"):
        limits.settle(key, amounts, NOW)
    with pytest.raises(AmountsError, match="never negative"):
        limits.reserve(ask(2, tokens=amounts.tokens, cost=amounts.cost), NOW)

    assert used(limits, "tpm") == 10


def test_closed_reservations_leave_no_trace_in_memory(limits: Engine) -> None:
    """Deadlines far ahead do not keep what was settled long ago."""
    for number in range(20_000):
        now = NOW + number * 60_000
        limits.settle(granted(limits, number, now=now, ttl=FAR), Amounts(0, 0), now)

    assert limits.pending == 0
    assert len(limits._due) < 2_000
