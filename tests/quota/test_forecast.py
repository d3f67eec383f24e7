"""The moment at which a budget will be spent."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_sidecar.quota.forecast import FORECAST, spent_at
from bailiwick_sidecar.quota.model import LimitKind, LimitState
from bailiwick_sidecar.quota.periods import Calendar


def ms(text: str) -> int:
    """Milliseconds since the epoch of an ISO time with an offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def forecast(
    used: int, limit: int, now: int, *, kind: LimitKind = LimitKind.BUDGET_MONTH, zone: str = "UTC"
) -> int | None:
    calendar = Calendar(zone)
    calendar.turn(now)
    return spent_at(LimitState("Quota/q", kind, (), limit, used, 0, shadow=False), calendar, now)


def test_half_in_a_quarter_of_the_month_is_spent_in_half_of_it() -> None:
    """50 of 100 after 7.5 of 30 days: 15 days after the beginning."""
    now = ms("2026-11-08T12:00+00:00")

    assert forecast(50, 100, now) == ms("2026-11-16T00:00+00:00")
    assert forecast(50, 100, now, kind=LimitKind.TOKENS_PER_MONTH) == ms("2026-11-16T00:00+00:00")
    # At this pace 96 of 100 are used when the month ends.
    assert forecast(24, 100, now) is None


def test_a_day_is_a_day_of_the_tenants_zone() -> None:
    """At 06:00 in Berlin a quarter of the day has passed, whatever the hour in UTC."""
    now = ms("2026-11-08T06:00+01:00")
    day = {"kind": LimitKind.BUDGET_DAY, "zone": "Europe/Berlin"}

    assert forecast(50, 100, now, **day) == ms("2026-11-08T12:00+01:00")
    assert forecast(20, 100, now, **day) is None


@pytest.mark.parametrize(("used", "limit"), [(100, 100), (101, 100), (0, 0), (5, 0)])
def test_what_is_spent_is_spent_now(used: int, limit: int) -> None:
    """Also in the first moment of a month, and where the budget is nothing."""
    begin = ms("2026-11-01T00:00+00:00")
    assert forecast(used, limit, begin) == begin


def test_nothing_is_said_too_early_or_of_other_limits() -> None:
    """No rate in the first hundredth of a period, none of nothing, none of a minute."""
    begin = ms("2026-11-01T00:00+00:00")

    assert forecast(99, 100, begin + 7 * 3_600_000) is None
    assert forecast(99, 100, begin + 8 * 3_600_000) is not None
    assert forecast(0, 100, begin + 8 * 86_400_000) is None
    for kind in set(LimitKind) - FORECAST:
        assert forecast(100, 100, begin + 86_400_000, kind=kind) is None


@given(
    limit=st.integers(1, 10**16),
    part=st.integers(1, 10**6),
    passed=st.integers(30 * 864_000, 30 * 86_400_000 - 1),
)
def test_at_the_forecast_moment_the_rate_has_used_it_up(limit: int, part: int, passed: int) -> None:
    """Not a millisecond before, and never in the past or after the month."""
    used = max(1, limit * part // 10**6)
    begin, end = ms("2026-11-01T00:00+00:00"), ms("2026-12-01T00:00+00:00")
    now = begin + passed
    moment = forecast(used, limit, now)

    if moment is None:
        assert used * (end - 1 - begin) < limit * passed
    elif used < limit:
        assert now < moment < end
        assert used * (moment - begin) >= limit * passed
        assert used * (moment - 1 - begin) < limit * passed
