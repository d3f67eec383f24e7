"""Edits, restarts and checkpoints: what was used is never forgotten, and never counted twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from quota.building import KIND, NOW, ask, caller, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.checkpoint import CheckpointError
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import Amounts
from bailiwick_sidecar.quota.pending import LINGER_MS

TPM = limit("tpm", KIND.TOKENS_PER_MINUTE, 100)


def reload(limits: Engine, *now_valid: CompiledLimit) -> None:
    limits.reload(CompiledLimits(now_valid))


def test_a_changed_amount_takes_effect_at_once() -> None:
    """Up or down, the next call is under the new figure, with all that was used."""
    limits = engine(TPM)
    granted(limits, 1, tokens=60)

    reload(limits, limit("tpm", KIND.TOKENS_PER_MINUTE, 70))
    denied(limits, 2, tokens=11)
    granted(limits, 3, tokens=10)
    reload(limits, limit("tpm", KIND.TOKENS_PER_MINUTE, 50))
    denied(limits, 4, tokens=1)
    reload(limits, limit("tpm", KIND.TOKENS_PER_MINUTE, 200))

    granted(limits, 5, tokens=130)


def test_an_open_reservation_settles_across_an_edit() -> None:
    """What was taken before an edit is corrected after it, once."""
    limits = engine(TPM)
    key = granted(limits, 1, tokens=60)

    reload(limits, limit("tpm", KIND.TOKENS_PER_MINUTE, 70), limit("new", KIND.TOKENS_PER_MONTH, 9))
    limits.settle(key, Amounts(tokens=10, cost=0), NOW)

    assert (used(limits, "tpm"), used(limits, "new")) == (10, 0)


def test_a_limit_that_is_deleted_and_written_again_is_as_full_as_it_was() -> None:
    """Deleting a Quota for a moment is no way to a fresh month."""
    month = limit("month", KIND.TOKENS_PER_MONTH, 100)
    limits = engine(month)
    granted(limits, 1, tokens=100)

    reload(limits)
    granted(limits, 2, tokens=500)
    limits.expire(NOW + 1)
    again = engine()
    again.load(json.loads(json.dumps(limits.dump())))
    reload(limits, month)
    reload(again, month)

    assert [used(limits, "month"), used(again, "month")] == [100, 100]


def test_counters_of_deleted_limits_go_when_they_are_idle() -> None:
    """What can't matter any more is not kept for ever."""
    limits = engine(TPM, limit("each", KIND.TOKENS_PER_MINUTE, 9, each=["user"]))
    granted(limits, 1, tokens=5)

    reload(limits)
    limits.expire(NOW + 60_000)

    assert limits.dump()["counters"] == []


def test_a_limit_of_another_kind_under_the_same_id_starts_anew() -> None:
    """Tokens are not counted on as if they were money."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 100))
    key = granted(limits, 1, tokens=60)

    reload(limits, limit("l", KIND.BUDGET_MONTH, 100))
    limits.settle(key, Amounts(tokens=5, cost=5), NOW)

    assert used(limits, "l") == 0


def test_other_each_dimensions_count_anew() -> None:
    """A user and a team of the same name have nothing to do with each other."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 100, each=["user"]))
    granted(limits, 1, tokens=60, by=caller(user="x", team="x"))

    reload(limits, limit("l", KIND.TOKENS_PER_MONTH, 100, each=["team"]))

    assert used(limits, "l", by=caller(user="x", team="x")) == 0


ALL_KINDS = [
    limit(f"{kind.value}-{scope}", kind, 10**6, each=each)
    for kind in KIND
    for scope, each in (("all", ()), ("user", ("user",)))
]


def busy() -> Engine:
    """An engine with something of everything: open, settled, voided, handed over, expired."""
    limits = engine(*ALL_KINDS)
    for number in range(20):
        by = caller(user=f"u{number % 3}", tier=("shared", "premium")[number % 2])
        now = NOW + number * 700
        key = granted(
            limits, (f"s{number}", 1), tokens=10 + number, cost=5, by=by, now=now, ttl=9_000
        )
        if number % 4 == 1:
            limits.settle(key, Amounts(tokens=number, cost=7), now)
        elif number % 4 == 2:
            limits.void(key, now)
        elif number % 4 == 3:
            granted(limits, (f"s{number}", 2), tokens=3, by=by, now=now, ttl=60_000, after=key)
    return limits


def test_a_checkpoint_continues_where_the_engine_was() -> None:
    """Through JSON and back: same states, same settles, same denials, same next checkpoint."""
    live, again = busy(), engine(*ALL_KINDS)

    again.load(json.loads(json.dumps(live.dump())))

    for now in (NOW + 15_000, NOW + 30_000, NOW + 75_000, NOW + 75_000 + LINGER_MS):
        for number in range(20):
            for attempt in (1, 2):
                by = caller(user=f"u{number % 3}")
                assert live.states(by, now) == again.states(by, now)
                if number % 5 == 0:
                    key, actual = (f"s{number}", attempt), Amounts(tokens=99, cost=99)
                    assert live.settle(key, actual, now) == again.settle(key, actual, now)
        live.expire(now)
        again.expire(now)
        assert live.dump() == again.dump()
    assert live.pending == 0


def test_a_checkpoint_is_json_of_plain_values() -> None:
    """It survives any JSON writer unchanged."""
    data = busy().dump()

    assert data == json.loads(json.dumps(data))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.update(version=99),
        lambda data: data.pop("counters"),
        lambda data: data["counters"][0].pop(),
        lambda data: data["counters"].pop(),
        lambda data: data["open"][0].pop(),
        lambda data: data["counters"][0].__setitem__(1, "parsecs"),
    ],
)
def test_a_damaged_checkpoint_changes_nothing(damage: Callable[[Any], object]) -> None:
    """It is refused with what to do, and the engine is what it was."""
    data = json.loads(json.dumps(busy().dump()))
    damage(data)
    limits = engine(*ALL_KINDS)
    granted(limits, 1, tokens=7)
    before = limits.dump()

    with pytest.raises(CheckpointError, match=r"replay the journal|start this release"):
        limits.load(data)

    assert before == limits.dump()


def test_a_journal_rebuilds_the_counters() -> None:
    """Open, settled and expired attempts in any order give the states of the engine that ran."""
    live = engine(*ALL_KINDS)
    entries = []
    for number in range(10):
        now = NOW + number * 500
        reservation = ask(number, tokens=10, cost=3, now=now, ttl=2_000 * (number + 1))
        live.reserve(reservation, now)
        actual = Amounts(tokens=4, cost=1) if number % 2 else None
        if actual is not None:
            live.settle(reservation.key, actual, now + 100)
        entries.append((reservation, now, actual))
    again = engine(*ALL_KINDS)

    again.restore(entries[::-1])

    for now in (NOW + 5_000, NOW + 62_000, NOW + 25_000 + LINGER_MS):
        assert live.states(caller(), now) == again.states(caller(), now)
        assert live.pending == again.pending


def test_restoring_refuses_nothing() -> None:
    """It was admitted once, under limits that may have been wider."""
    limits = engine(TPM, limit("each", KIND.REQUESTS_PER_MINUTE, 0, each=["user"]), max_subjects=1)

    limits.restore((ask(n, tokens=90, by=caller(user=f"u{n}")), NOW, None) for n in range(3))

    assert (used(limits, "tpm"), limits.subjects) == (270, 3)


def test_restoring_after_a_checkpoint_counts_nothing_twice() -> None:
    """An attempt that the checkpoint has open is not taken again."""
    live = engine(TPM)
    granted(live, 1, tokens=30)
    again = engine(TPM)
    again.load(live.dump())

    again.restore([(ask(1, tokens=30), NOW, None), (ask(2, tokens=20), NOW + 5, None)])

    assert used(again, "tpm", now=NOW + 5) == 50


def test_a_long_dead_attempt_is_restored_as_what_it_used() -> None:
    """A settled attempt keeps its true figures, however long ago its deadline was."""
    limits = engine(limit("month", KIND.TOKENS_PER_MONTH, 100))
    granted(limits, "now", tokens=1, now=NOW + 3 * LINGER_MS)

    limits.restore([(ask("then", tokens=50, ttl=1_000), NOW, Amounts(tokens=20, cost=0))])

    assert used(limits, "month", now=NOW + 3 * LINGER_MS) == 21


def test_a_restored_attempt_counts_from_its_own_ms() -> None:
    """Also in an engine that is further on: its window ends when it would have."""
    limits = engine(TPM)
    granted(limits, "now", tokens=1, now=NOW + 30_000)

    limits.restore([(ask("then", tokens=50), NOW, None)])

    assert used(limits, "tpm", now=NOW + 59_999) == 51
    assert used(limits, "tpm", now=NOW + 60_000) == 1


def test_a_restored_attempt_takes_over_its_predecessors_lease() -> None:
    """In whatever order they are told, one request holds one lease."""
    limits = engine(limit("one", KIND.CONCURRENT_REQUESTS, 1))

    limits.restore(
        [(ask(("s", 2), after=("s", 1)), NOW, None), (ask(("s", 1)), NOW, None)],
    )

    assert used(limits, "one") == 1
    limits.release(("s", 2), NOW)
    assert used(limits, "one") == 0
