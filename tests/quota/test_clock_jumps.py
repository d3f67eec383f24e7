"""A clock that is set, late or wrong: it frees nothing early and locks nothing for long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quota.building import KIND, NOW, ask, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.model import Grant, LimitKind

HOUR = 3_600_000


@given(st.lists(st.integers(0, 40 * 86_400_000), max_size=30))
def test_going_back_frees_nothing(steps: list[int]) -> None:
    """While readings only go back, no window, lease, day or month lets more through than it may."""
    limits = engine(
        limit("a", KIND.REQUESTS_PER_SECOND, 3),
        limit("b", KIND.TOKENS_PER_MINUTE, 3),
        limit("c", KIND.CONCURRENT_REQUESTS, 3),
        limit("d", KIND.TOKENS_PER_MONTH, 10**6),
    )
    now, admitted = NOW * 2, 0
    for number, step in enumerate(steps):
        now -= step
        admitted += isinstance(limits.reserve(ask(number, now=now), now), Grant)

    assert admitted <= 3


@pytest.mark.parametrize("back", [1, 500, 1_000, 1_001, HOUR, 400 * 86_400_000])
@pytest.mark.parametrize(
    ("kind", "length"), [(KIND.REQUESTS_PER_SECOND, 1_000), (KIND.TOKENS_PER_MINUTE, 60_000)]
)
def test_after_a_set_back_a_window_ends_by_the_new_clock(
    kind: LimitKind, length: int, back: int
) -> None:
    """It is never shorter than its length, and longer by no more than a second."""
    limits = engine(limit("l", kind, 1))
    granted(limits, 1)
    set_to = NOW - back

    denied(limits, 2, now=set_to)
    denied(limits, 3, now=set_to + length - 1)

    granted(limits, 4, now=set_to + length + (back if back <= 1_000 else 0))


@pytest.mark.parametrize("back", [1_001, HOUR, 400 * 86_400_000])
def test_after_a_set_back_a_lease_ends_by_the_new_clock(back: int) -> None:
    """Leases from before and after last as long as they were asked for."""
    limits = engine(limit("l", KIND.CONCURRENT_REQUESTS, 2))
    granted(limits, "before", ttl=10_000)
    set_to = NOW - back
    granted(limits, "after", now=set_to, ttl=20_000)

    denied(limits, 1, now=set_to + 9_999)
    granted(limits, 2, now=set_to + 10_000)
    denied(limits, 3, now=set_to + 19_999)
    granted(limits, 4, now=set_to + 20_000)


def test_retry_after_is_by_the_new_clock() -> None:
    """A caller is told a moment that the clock will show."""
    limits = engine(limit("l", KIND.TOKENS_PER_MINUTE, 10))
    granted(limits, 1, tokens=10)

    denial = denied(limits, 2, now=NOW - HOUR)

    assert NOW - HOUR + 60_000 == denial.retry_after == denial.limits[0].resets_at
    granted(limits, 3, tokens=10, now=denial.retry_after)


def test_a_day_that_comes_again_has_what_it_had() -> None:
    """A clock that was a day ahead for a while loses no count of the true day."""
    limits = engine(limit("l", KIND.BUDGET_DAY, 100))
    granted(limits, 1, cost=60)
    granted(limits, 2, cost=70, now=NOW + 24 * HOUR)

    assert used(limits, "l", now=NOW + 10_000) == 60
    denied(limits, 3, cost=41, now=NOW + 10_000)
    assert used(limits, "l", now=NOW + 24 * HOUR) == 70


def test_late_readings_are_no_set_back() -> None:
    """Readings that cross each other by some ms do not make time run faster."""
    limits = engine(limit("l", KIND.REQUESTS_PER_SECOND, 1))
    granted(limits, 1)

    for step in range(999):
        limits.expire(NOW + step - 500)
        limits.expire(NOW + step)

    denied(limits, 2, now=NOW + 999)
    granted(limits, 3, now=NOW + 1_000)


def test_a_jump_ahead_and_back_keeps_the_month() -> None:
    """An hour of a wrong year costs the true month nothing."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 100))
    granted(limits, 1, tokens=100)
    granted(limits, 2, tokens=100, now=NOW + 366 * 24 * HOUR)

    denied(limits, 3, tokens=1, now=NOW + HOUR)
