"""Windows of a second and a minute: exact in any interval, nothing refused that fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quota.building import KIND, NOW, ask, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.model import Grant, LimitKind

STEPS = st.one_of(st.integers(0, 400), st.sampled_from([999, 1000, 1001]))


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (KIND.REQUESTS_PER_SECOND, 1_000),
        (KIND.REQUESTS_PER_MINUTE, 60_000),
        (KIND.TOKENS_PER_MINUTE, 60_000),
    ],
)
def test_an_amount_counts_for_exactly_the_windows_length(kind: LimitKind, length: int) -> None:
    """Full at the last ms of the window, free at the next."""
    limits = engine(limit("l", kind, 1))

    granted(limits, 1)
    denial = denied(limits, 2, now=NOW + length - 1)
    granted(limits, 3, now=NOW + length)

    assert NOW + length == denial.retry_after


def test_the_turn_of_a_minute_gives_nothing_back() -> None:
    """Two bursts around the turn of a clock's minute are one burst."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, 100))
    turn = NOW + 60_000 - NOW % 60_000

    granted(limits, 1, tokens=100, now=turn - 1)

    denied(limits, 2, tokens=1, now=turn + 1)


@given(st.integers(1, 6), st.lists(st.tuples(STEPS, st.integers(0, 4)), max_size=40))
def test_no_interval_holds_more_than_the_amount_and_what_fits_passes(
    amount: int, asked: list[tuple[int, int]]
) -> None:
    """Of all that was admitted, no second holds more; of all that was refused, none fitted."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, amount))
    now, admitted = NOW, []
    for number, (step, tokens) in enumerate(asked):
        now += step * 60
        before = sum(took for at, took in admitted if now - 60_000 < at <= now)

        answer = limits.reserve(ask(number, tokens=tokens, now=now), now)

        assert isinstance(answer, Grant) == (before + tokens <= amount)
        if isinstance(answer, Grant):
            admitted.append((now, tokens))

    for begin, _ in admitted:
        assert sum(took for at, took in admitted if begin <= at < begin + 60_000) <= amount


def test_retry_after_is_the_first_ms_at_which_it_fits() -> None:
    """Not a ms later, and not a ms too early: the oldest entries that must go are counted."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, 100))
    for second, tokens in enumerate([10, 20, 30, 40]):
        granted(limits, second, tokens=tokens, now=NOW + second * 1000)

    denial = denied(limits, "late", tokens=55, now=NOW + 5_000)

    assert denial.retry_after == NOW + 2_000 + 60_000
    denied(limits, "late", tokens=55, now=denial.retry_after - 1)
    granted(limits, "late", tokens=55, now=denial.retry_after)


def test_more_than_the_limit_never_fits() -> None:
    """A request above the limit itself gets no time to come back at."""
    assert denied(engine(limit("l", KIND.TOKENS_PER_MINUTE, 10)), 1, tokens=11).retry_after is None


def test_a_late_settle_corrects_the_ms_of_its_admission() -> None:
    """What comes back was taken at the admission, and ends with it."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, 100))
    key = granted(limits, 1, tokens=90)
    granted(limits, 2, tokens=10, now=NOW + 10_000)

    limits.settle(key, ask(1, tokens=30).amounts, NOW + 50_000)

    assert used(limits, "l", now=NOW + 59_999) == 40
    assert used(limits, "l", now=NOW + 60_000) == 10


def test_a_settle_after_the_window_changes_nothing() -> None:
    """The window that it belongs to is over."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, 100))
    key = granted(limits, 1, tokens=90)

    limits.settle(key, ask(1, tokens=500).amounts, NOW + 60_000)

    assert used(limits, "l", now=NOW + 60_000) == 0


def test_resets_when_the_last_amount_leaves() -> None:
    """`resets_at` is when nothing would count any more; what was given back does not."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, 100))
    granted(limits, 1, tokens=10)
    granted(limits, 2, tokens=10, now=NOW + 300)
    limits.void(granted(limits, 3, tokens=10, now=NOW + 500), NOW + 600)

    (state,) = limits.states(ask(0).caller, NOW + 700)

    assert (state.used, state.resets_at) == (20, NOW + 300 + 60_000)
