"""Days and months of the tenant's time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quota.building import KIND, ask, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.periods import Calendar, TimeZoneError, day_begin


def ms(text: str) -> int:
    """Milliseconds since the epoch of an ISO time with an offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "day", "begin"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-29T00:00+01:00"),
        ("Europe/Berlin", "2026-03-30", "2026-03-30T00:00+02:00"),
        ("Europe/Berlin", "2026-10-26", "2026-10-26T00:00+01:00"),
        # No midnight: 00:00 became 01:00.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00-02:00"),
        ("Asia/Beirut", "2022-03-27", "2022-03-27T01:00+03:00"),
        # Clocks jumped from 23:30 to 00:30, so the day began at 00:30.
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30-04:00"),
        # Midnight came twice: at 00:01 clocks were set back to 23:01. The first one counts.
        ("America/St_Johns", "2010-11-07", "2010-11-07T00:00-02:30"),
        ("America/Havana", "2025-11-02", "2025-11-02T00:00-04:00"),
        # The date was skipped: it has no length, and the next day begins where it would have.
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00+14:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-31T00:00+14:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: str, begin: str) -> None:
    """Also where there is no midnight, or two, or no such day."""
    assert ms(begin) == day_begin(date.fromisoformat(day), ZoneInfo(zone))


@pytest.mark.parametrize(
    ("zone", "month_begin", "month_end"),
    [
        ("Europe/Berlin", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        ("Europe/Berlin", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("America/New_York", "2026-12-01T00:00-05:00", "2027-01-01T00:00-05:00"),
        ("Asia/Kathmandu", "2026-02-01T00:00+05:45", "2026-03-01T00:00+05:45"),
        ("UTC", "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
    ],
)
def test_a_month_is_counted_from_its_first_to_its_last_ms(
    zone: str, month_begin: str, month_end: str
) -> None:
    """Months with a change of clocks are an hour shorter or longer, and counted whole."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 10), zone=zone)

    granted(limits, 1, tokens=10, now=ms(month_begin) - 1)
    granted(limits, 2, tokens=10, now=ms(month_begin))
    denial = denied(limits, 3, tokens=1, now=ms(month_end) - 1)

    assert ms(month_end) == denial.retry_after == denial.limits[0].resets_at
    granted(limits, 4, tokens=10, now=ms(month_end))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_has_the_hours_that_its_clocks_say(day: str, hours: int) -> None:
    """The budget of a day with a change of clocks holds for 23 or 25 hours."""
    begin = day_begin(date.fromisoformat(day), ZoneInfo("Europe/Berlin"))
    limits = engine(limit("l", KIND.BUDGET_DAY, 10))

    granted(limits, 1, cost=10, now=begin)
    denial = denied(limits, 2, cost=1, now=begin + hours * 3_600_000 - 1)

    assert begin + hours * 3_600_000 == denial.retry_after
    granted(limits, 3, cost=1, now=denial.retry_after)


@given(
    st.sampled_from(
        ["Europe/Berlin", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut"]
    ),
    st.integers(946_684_800_000, 1_900_000_000_000),
    st.lists(st.integers(0, 40 * 3_600_000), max_size=8),
)
def test_days_follow_each_other_without_gap_or_return(
    zone: str, start: int, steps: list[int]
) -> None:
    """As time goes on the day's number never falls, and each moment is within its day."""
    calendar, now, last = Calendar(zone), start, 0
    for step in [0, *steps]:
        now += step
        calendar.turn(now)

        assert calendar.day >= last
        assert day_begin(date.fromordinal(calendar.day), calendar.zone) <= now < calendar.day_end
        assert calendar.day_end <= calendar.month_end
        last = calendar.day


def test_a_late_settle_belongs_to_the_month_of_its_admission() -> None:
    """What was admitted in March is March's, also when April knows the figure."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 100))
    april = ms("2026-04-01T00:00+02:00")
    key = granted(limits, 1, tokens=50, now=april - 1)

    limits.settle(key, ask(1, tokens=90).amounts, april + 1)

    assert used(limits, "l", now=april + 1) == 0
    (counter,) = limits.dump()["counters"]
    assert [count for _, count in counter[3]] == [90]


def test_a_deficit_ends_with_its_month() -> None:
    """A month that was overdrawn refuses to its end, and the next begins at nothing."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 100), zone="UTC")
    begin, end = ms("2026-03-01T00:00+00:00"), ms("2026-04-01T00:00+00:00")
    limits.settle(granted(limits, 1, tokens=100, now=begin), ask(1, tokens=900).amounts, begin)

    assert end == denied(limits, 2, tokens=1, now=begin + 1).retry_after
    granted(limits, 3, tokens=100, now=end)


def test_a_change_of_the_zone_keeps_the_counts() -> None:
    """Moving a tenant to another zone gives no month twice."""
    limits = engine(limit("l", KIND.TOKENS_PER_MONTH, 100), zone="UTC")
    now = ms("2026-03-15T00:00+00:00")
    granted(limits, 1, tokens=100, now=now)

    limits.reload(limits.limits, "Asia/Tokyo")

    denial = denied(limits, 2, tokens=1, now=now)
    assert ms("2026-04-01T00:00+09:00") == denial.retry_after


def test_an_unknown_zone_is_refused_with_a_cure() -> None:
    """A zone that is none says what one looks like, and changes nothing."""
    limits = engine()
    with pytest.raises(TimeZoneError, match="use an IANA name such as Europe/Berlin"):
        limits.reload(limits.limits, "Europe/Atlantis")
    with pytest.raises(TimeZoneError):
        engine(zone="../../etc/passwd")


def test_long_idle_is_cheap_and_exact() -> None:
    """After years without a call the right period is found."""
    limits = engine(limit("l", KIND.BUDGET_DAY, 10))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    granted(limits, 1, cost=10, now=int(start.timestamp() * 1000))

    later = int((start + timedelta(days=3000)).timestamp() * 1000)

    granted(limits, 2, cost=10, now=later)
    assert used(limits, "l", now=later) == 10


def test_an_evening_that_comes_twice_belongs_to_the_new_day() -> None:
    """Clocks set back over midnight give no day back, and no budget a second time."""
    budget = limit("l", KIND.BUDGET_DAY, 10)
    past_midnight = ms("2010-11-07T00:00:30-02:30")
    evening_again = ms("2010-11-06T23:30-03:30")
    awake, started_then = (engine(budget, zone="America/St_Johns") for _ in range(2))
    granted(awake, 1, cost=10, now=past_midnight)
    granted(started_then, 1, cost=10, now=evening_again)

    denial = denied(awake, 2, cost=1, now=evening_again)
    denied(started_then, 2, cost=1, now=ms("2010-11-07T00:30-03:30"))

    assert denial.retry_after == ms("2010-11-08T00:00-03:30")


def test_a_counter_forgets_periods_long_past() -> None:
    """Years of days leave a handful behind."""
    limits = engine(limit("l", KIND.BUDGET_DAY, 100))
    for day in range(1_000):
        granted(limits, day, cost=10, now=1_700_000_000_000 + day * 86_400_000)

    (counter,) = limits.dump()["counters"]
    assert len(counter[3]) <= 4
