"""When a budget will be spent at the rate at which it is used. Pure.

The method is the simplest that can be checked by hand: what was used since the period began, by
the time since, is the rate; what is left, by that rate, is the time to go. Before a hundredth of
the period has passed (seven hours of a month) there is no rate to speak of.
"""

from typing import Final

from bailiwick_sidecar.quota.model import LimitKind, LimitState
from bailiwick_sidecar.quota.periods import Calendar

FORECAST: Final = frozenset(
    {LimitKind.TOKENS_PER_MONTH, LimitKind.BUDGET_DAY, LimitKind.BUDGET_MONTH}
)
"""Kinds that count over a period of the calendar, so that they can be spent before it ends."""
SHARE: Final = 100
"""A forecast waits until one part in so many of the period has passed."""


def spent_at(state: LimitState, calendar: Calendar, now: int) -> int | None:
    """The moment (ms since the epoch) at which nothing will be left; None: not in this period.

    It is `now` where nothing is left already. `calendar` has been turned to `now`. Reservations
    count as used until they settle, so that the moment is rather too early than too late.
    """
    if state.kind not in FORECAST:
        return None
    if state.used >= state.limit:
        return now
    day = state.kind is LimitKind.BUDGET_DAY
    start, end = (
        (calendar.day_start, calendar.day_end)
        if day
        else (calendar.month_start, calendar.month_end)
    )
    passed = now - start
    if state.used <= 0 or passed * SHARE < end - start:
        return None
    # Rounded up: a whole millisecond at which it is spent, never one before.
    moment = now - (-(state.limit - state.used) * passed // state.used)
    return moment if moment < end else None
