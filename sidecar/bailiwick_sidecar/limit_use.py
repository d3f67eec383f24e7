"""How far each limit is used, as the operator hears of it: slowly, the fullest counter alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.admission.limits import MONEY, moment
from bailiwick_sidecar.quota.forecast import spent_at
from bailiwick_sidecar.quota.model import LimitState
from bailiwick_sidecar.quota.periods import Calendar

EVERY_S: Final = 15.0
"""Seconds between two looks."""
MOST: Final = 200
"""Limits that the operator hears of; the fullest come first."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit's fullest counter. Figures are decimal strings, moments RFC 3339 or empty."""

    limit: str
    amount: str
    used: str
    left: str
    percent: int
    resets_at: str
    exhausted_at: str


def fullest(
    states: Iterable[LimitState], *, now: int, calendar: Calendar, most: int = MOST
) -> tuple[LimitUse, ...]:
    """The fullest counter of each limit, by limit; of too many limits the fullest ones. Pure.

    `calendar` has been turned to `now` (ms since the epoch).
    """
    found: dict[str, LimitState] = {}
    for state in states:
        before = found.get(state.limit_id)
        if before is None or _share(state) > _share(before):
            found[state.limit_id] = state
    chosen = sorted(found.values(), key=_share, reverse=True)[:most]
    return tuple(_use(one, calendar, now) for one in sorted(chosen, key=lambda one: one.limit_id))


class LimitUses:
    """What was seen last; looks again every `EVERY_S`."""

    def __init__(
        self,
        states: Callable[[int], Iterable[LimitState]],
        *,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        """`states` gives every counter at a moment of `clock` (ms since the epoch)."""
        self._states = states
        self._clock = clock
        self._monotonic = monotonic
        self._calendar = Calendar("UTC")
        self._due = 0.0
        self._seen: tuple[LimitUse, ...] = ()

    def seen(self, time_zone: str) -> tuple[LimitUse, ...]:
        """The newest look; at most `EVERY_S` old where this is asked as often."""
        if self._monotonic() >= self._due:
            self._due = self._monotonic() + EVERY_S
            now = self._clock()
            if time_zone != self._calendar.zone.key:
                self._calendar = Calendar(time_zone)
            self._calendar.turn(now)
            self._seen = fullest(self._states(now), now=now, calendar=self._calendar)
        return self._seen


def _share(state: LimitState) -> float:
    return state.used / state.limit if state.limit else float(state.used > 0)


def _use(state: LimitState, calendar: Calendar, now: int) -> LimitUse:
    end = spent_at(state, calendar, now)
    shown = decimal_string if state.kind in MONEY else str
    return LimitUse(
        limit=state.limit_id,
        amount=shown(state.limit),
        used=shown(state.used),
        left=shown(state.remaining),
        percent=int(_share(state) * 100),
        resets_at=moment(state.resets_at) if state.used else "",
        exhausted_at="" if end is None else moment(end),
    )
