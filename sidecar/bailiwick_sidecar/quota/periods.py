"""Days and months as a tenant's calendar has them.

A day begins at the first instant whose local date is that day. Where clocks skip midnight
(America/Sao_Paulo until 2018, Asia/Beirut) that is later than 00:00, where they are set back over
midnight (America/St_Johns until 2011) the evening that comes twice belongs to the new day, and a
date that a zone skipped (Pacific/Apia, 2011-12-30) is an empty day.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bailiwick_contract.errors import BailiwickError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class TimeZoneError(BailiwickError):
    """A name that is no IANA time zone here."""


def day_begin(day: date, zone: ZoneInfo) -> int:
    """Milliseconds since the epoch of the day's first instant in the zone."""
    midnight = datetime.combine(day, time(), zone)
    begin = (midnight.astimezone(UTC) - _EPOCH) // _MS
    if _local(begin, zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return begin  # of a midnight that comes twice this is the first: fold is 0
    # Midnight is skipped: look for the instant of the jump, at most a day and an hour earlier.
    low, high = begin - 25 * 3_600_000, begin
    while low < high:
        middle = (low + high) // 2
        if _local(middle, zone).date() >= day:
            high = middle
        else:
            low = middle + 1
    return low


class Calendar:
    """The day and month of a moment, kept until the day ends.

    `day` and `month` are numbers that go up by one from period to period and mean the same in
    every zone, so that counts survive a change of the zone. Starts and ends are ms since the epoch.
    """

    __slots__ = ("day", "day_end", "day_start", "month", "month_end", "month_start", "zone")

    def __init__(self, time_zone: str) -> None:
        """A calendar that has not been turned to any moment yet.

        Raises:
            TimeZoneError: the zone is not known.
        """
        try:
            self.zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise TimeZoneError(
                f"time zone {time_zone!r} is not known: use an IANA name such as Europe/Berlin"
            ) from error
        self.day = self.month = 0
        self.day_start = self.day_end = self.month_start = self.month_end = 0

    def turn(self, wall: int) -> None:
        """Make `day` and `month` those of this moment (ms since the epoch)."""
        if self.day_start <= wall < self.day_end:
            return
        day = _local(wall, self.zone).date()
        end = day_begin(day + timedelta(days=1), self.zone)
        while end <= wall:
            day += timedelta(days=1)
            end = day_begin(day + timedelta(days=1), self.zone)
        self.day_start, self.day_end = day_begin(day, self.zone), end
        self.day = day.toordinal()
        self.month = day.year * 12 + day.month
        self.month_start = day_begin(day.replace(day=1), self.zone)
        next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        self.month_end = day_begin(next_month, self.zone)


def _local(wall: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=wall)).astimezone(zone)
