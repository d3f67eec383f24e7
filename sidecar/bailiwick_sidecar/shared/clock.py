"""The store's time, kept going between its answers by a clock that nobody sets."""

import time
from collections.abc import Callable


class StoreClock:
    """Milliseconds since the epoch: the store's once it has answered, before that this host's.

    Never behind the store's: its reading counts from the moment at which it was asked.
    """

    def __init__(
        self,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        steady: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        """A clock that nobody has set yet."""
        self._wall = wall
        self.steady = steady
        self._ahead: int | None = None

    def __call__(self) -> int:
        """Now."""
        return self._wall() if self._ahead is None else self.steady() + self._ahead

    def hear(self, reading: int, asked_at: int) -> None:
        """The store's reading in answer to what was sent at `asked_at` (steady ms).

        It was true somewhere between then and now: the tightest upper bound is kept.
        """
        most, least = reading - asked_at, reading - self.steady()
        if self._ahead is None or self._ahead < least or most < self._ahead:
            self._ahead = most
