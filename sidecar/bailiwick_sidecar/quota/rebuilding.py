"""What a store that lost its state has to be told of gateways that can't tell it themselves.

Pure: sums of a ledger's rows in, amounts by counter, period and gateway out.
"""

from collections.abc import Iterable
from typing import NamedTuple

from bailiwick_sidecar.quota.limits import BUDGETS, CompiledLimit, CompiledLimits, Values
from bailiwick_sidecar.quota.model import Caller, LimitKind
from bailiwick_sidecar.quota.periods import Calendar

CALENDAR = BUDGETS | {LimitKind.TOKENS_PER_MONTH}
"""What a ledger can say: all else is over within a minute, or when its attempt ends."""


class Used(NamedTuple):
    """What one gateway's calls of one caller used in a span of time: tokens, and picounits."""

    gateway: str
    namespace: str
    caller: Caller
    currency: str
    tokens: int
    cost: int


class Span(NamedTuple):
    """A period that goes on: its number, when it began (ms), and what is counted by it."""

    period: int
    since: int
    kinds: frozenset[LimitKind]


class Part(NamedTuple):
    """One counter, one of its periods, and whose use of it is meant."""

    limit: CompiledLimit
    values: Values
    period: int
    gateway: str


def spans(limits: CompiledLimits, calendar: Calendar) -> tuple[Span, ...]:
    """The periods that a ledger has to be asked for; none where nothing is counted by them."""
    kinds = {limit.kind for limit in limits.by_id.values()} & CALENDAR
    day = frozenset(kinds & {LimitKind.BUDGET_DAY})
    month = frozenset(kinds - day)
    found = (
        Span(calendar.day, calendar.day_start, day),
        Span(calendar.month, calendar.month_start, month),
    )
    return tuple(span for span in found if span.kinds)


def rebuilt(
    span: Span, sums: Iterable[Used], limits: CompiledLimits, *, namespace: str, currency: str
) -> dict[Part, int]:
    """What each gateway's rows of the span add up to, counter by counter.

    Limits of a namespace's own are those of `namespace`, and count its rows alone. Money in another
    currency than the limits' is in none of them. Rows that say no gateway are passed over: nobody
    could tell them from what those who live tell themselves.
    """
    found: dict[Part, int] = {}
    for used in sums:
        if not used.gateway:
            continue
        for limit, values in limits.applied(used.caller):
            if limit.kind not in span.kinds:
                continue
            if not limit.tenant_wide and used.namespace != namespace:
                continue
            money = limit.kind in BUDGETS
            if money and used.currency != currency:
                continue
            place = Part(limit, values, span.period, used.gateway)
            amount = used.cost if money else used.tokens
            if amount:
                found[place] = found.get(place, 0) + amount
    return found
