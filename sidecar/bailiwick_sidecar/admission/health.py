"""Which backends calls are not begun at for a while: those that fail, and those that asked for it.

Passive, as Envoy's outlier detection is, but of a backend instead of a host: attempts of real calls
are all that it knows. A backend that is passed over is planned last instead of first, never left
out, so that a call with nowhere else to go still tries it. Pure; times are ms since the epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FAILURES: Final = 5
"""Failed attempts in a row after which a backend is passed over."""
FIRST_PAUSE_MS: Final = 10_000
LONGEST_PAUSE_MS: Final = 300_000
"""A pause doubles each time that the call after it fails again."""
LONGEST_REST_MS: Final = 60_000
"""The longest that a provider's Retry-After is heeded."""
TRIAL_MS: Final = 5_000
"""After a pause one call tries; the next one not before this, should nobody hear of the first."""

TOO_MANY: Final = 429
SERVER_ERRORS: Final = range(500, 600)
OVERLOADED: Final = 529
LOST: Final = frozenset({"UF", "UC", "UR", "UT", "UPE", "UO", "NR", "UH", "LR"})
"""Envoy's response flags of an attempt that the provider did not answer whole."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    pauses: int = 0
    until: int = 0
    """Passed over until then."""
    resting: int = 0
    """Its provider asked for no call until then."""


class Health:
    """What is known of backends by their codes; only those that are not well are kept."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def ended(
        self, code: str, *, status: int, flags: frozenset[str], retry_after: str, now: int
    ) -> None:
        """An attempt ended: the provider's status (0: none) and Retry-After, Envoy's flags."""
        if status == TOO_MANY:
            self._rest(code, retry_after, now)
        elif status in SERVER_ERRORS or (status == 0 and flags & LOST):
            self._fail(code, now)
            if retry_after:
                self._rest(code, retry_after, now)
        elif status and code in self._states:
            del self._states[code]

    def passed_over(self, code: str, now: int) -> bool:
        """True where calls begin elsewhere if they can."""
        state = self._states.get(code)
        return state is not None and now < max(state.until, state.resting)

    def begun(self, code: str, now: int) -> None:
        """A call was planned to begin here: after a pause it is the one that tries."""
        state = self._states.get(code)
        if state is not None and state.until and now >= state.until:
            state.until = now + TRIAL_MS

    def troubled(self, now: int) -> Iterator[str]:
        """Codes of the backends that are passed over now."""
        return (code for code in tuple(self._states) if self.passed_over(code, now))

    def keep(self, codes: frozenset[str]) -> None:
        """Forget backends that are in no config any more."""
        for code in self._states.keys() - codes:
            del self._states[code]

    def _fail(self, code: str, now: int) -> None:
        state = self._states.setdefault(code, _State())
        state.failures += 1
        tried_again = state.pauses > 0
        if state.failures < FAILURES and not tried_again:
            return
        if tried_again and now < state.until - TRIAL_MS:
            return  # of a call that began before the pause
        pause = min(FIRST_PAUSE_MS << min(state.pauses, 10), LONGEST_PAUSE_MS)
        state.pauses += 1
        state.until = now + pause

    def _rest(self, code: str, retry_after: str, now: int) -> None:
        # A date (RFC 9110, 10.2.3) is not read: providers of models send seconds.
        if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 10:  # noqa: PLR2004 -- no provider means thirty years
            rest = min(int(retry_after) * 1000, LONGEST_REST_MS)
            state = self._states.setdefault(code, _State())
            state.resting = max(state.resting, now + rest)
