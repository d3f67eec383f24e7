"""How long a call that was refused keeps asking."""

from typing import Final

from bailiwick_sidecar.quota.lessee import Again, Refused

MOST: Final = 4.0
"""Seconds: for a share of a gateway that died to end, for a store to collect what it had lost."""
OVERLOADED: Final = 15.0
"""Seconds, where the gateway itself does not come to asking."""
IN_TURN: Final = 0.5
"""Seconds, where room comes and goes to others: whoever waits so long is refused."""


class Patience:
    """One call's. `began` and `now` are in seconds.

    A refusal is final once every other gateway has spoken since the first one, nobody holds
    anything, and nobody has given anything back since the call was refused the last time.
    """

    __slots__ = ("_began", "_first", "_last")

    def __init__(self, began: float) -> None:
        self._began = began
        self._first: int | None = None
        self._last = 0

    def ends(self, verdict: Refused | Again, now: float) -> bool:
        """True where asking once more would be in vain, or has gone on for long enough."""
        waited = now - self._began
        if isinstance(verdict, Again):
            return waited > (MOST if verdict.wait else OVERLOADED)
        if self._first is None:
            self._first = verdict.at
        before, self._last = self._last, verdict.at
        if verdict.soon is not None or verdict.held or verdict.heard < self._first:
            return waited > MOST
        alone = verdict.heard == verdict.at
        unmoved = before > 0 and verdict.freed < before
        return alone or unmoved or waited > IN_TURN
