"""Time as the engine counts it: it never runs backwards, whatever the clock does."""

TOLERANCE_MS = 1000
"""How far behind a reading may be and still count as late news, not as a clock that was set."""


class EngineClock:
    """Wall time made monotonic.

    A reading up to a second behind the newest one is taken for the newest: time stands still.
    One further behind means that the clock was set back, and engine time goes on from where it
    was at the new clock's pace. Standing still until the old reading comes round again would
    keep windows full for as long as the clock was ahead; going back would empty them early.

    `wall` is the newest reading (ms since the epoch); `shift` is engine time less wall time.
    """

    __slots__ = ("shift", "wall")

    def __init__(self, wall: int = 0, shift: int = 0) -> None:
        self.wall = wall
        self.shift = shift

    def advance(self, now: int) -> int:
        """Engine time (ms) at the reading `now`; never less than at any reading before."""
        if now >= self.wall:
            self.wall = now
        elif now < self.wall - TOLERANCE_MS:
            self.shift += self.wall - now
            self.wall = now
        return self.wall + self.shift

    def replay(self, past: int) -> int:
        """Engine time of a moment that a journal remembers; never taken for a clock set back."""
        self.wall = max(self.wall, past)
        return past + self.shift
