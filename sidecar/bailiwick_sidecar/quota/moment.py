"""Now, in each of the measures that counters use."""

from bailiwick_sidecar.quota.clock import EngineClock
from bailiwick_sidecar.quota.periods import Calendar

AT, DAY, MONTH = range(3)
"""Places in `Moment.slots`."""


class Moment:
    """One moment that moves on: engine time, wall time, day and month.

    `slots` is what something that is taken now is filed under, see AT, DAY and MONTH.
    """

    __slots__ = ("at", "calendar", "clock", "shift", "slots", "wall")

    def __init__(self, time_zone: str) -> None:
        self.clock = EngineClock()
        self.calendar = Calendar(time_zone)
        self._set(0, 0)

    def move(self, now: int) -> int:
        """Move on to the clock's reading (ms since the epoch); returns engine time."""
        clock = self.clock
        at = clock.advance(now)
        if at == self.at and clock.wall == self.wall:
            return at
        self._set(at, clock.wall)
        return at

    def past(self, admitted_at: int) -> tuple[int, int, int]:
        """The slots of a moment that a journal remembers; moves on to it where it is later."""
        at = self.clock.replay(admitted_at)
        self._set(at, admitted_at)
        slots = self.slots
        self._set(self.clock.wall + self.clock.shift, self.clock.wall)
        return slots

    def reset(self, clock: EngineClock) -> None:
        """Go on from another engine's clock."""
        self.clock = clock
        self._set(clock.wall + clock.shift, clock.wall)

    def rezone(self, time_zone: str) -> None:
        """Let days and months begin in another zone."""
        self.calendar = Calendar(time_zone)
        self._set(self.at, self.wall)

    def _set(self, at: int, wall: int) -> None:
        self.at, self.wall, self.shift = at, wall, at - wall
        calendar = self.calendar
        calendar.turn(wall)
        self.slots = (at, calendar.day, calendar.month)
