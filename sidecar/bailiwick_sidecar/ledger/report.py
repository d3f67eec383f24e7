"""Who is charged what: rows of a period by cost centre, team, … with totals that add up."""

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.ledger.filters import CALENDAR
from bailiwick_sidecar.ledger.reading import Source
from bailiwick_sidecar.ledger.shares import divided
from bailiwick_sidecar.ledger.sums import Grouping, GroupKey, Sums, summed

PERCENT = 100_00
"""Hundredths of a percent in the whole."""


@dataclass(frozen=True, slots=True)
class Line:
    """One group, or all of one currency. Money is exact; `keys` are empty in a total."""

    keys: tuple[tuple[str, str], ...]
    currency: str
    cost: str
    share_percent: str
    """Of the currency's total; the shares of its lines add up to 100.00."""
    settled_cost: str
    estimated_cost: str
    unknown_cost: str
    adjustment: str
    """Part of `cost` that was found out after the rows were written."""
    attempts: int
    requests: int
    estimated: int
    unknown: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Report:
    """Lines by currency, then the dearest first (in order of time where that is the first key)."""

    lines: tuple[Line, ...]
    totals: tuple[Line, ...]
    """One for each currency, in the same order."""


def report(paths: Sequence[Source], grouping: Grouping) -> Report:
    """The report.

    Raises:
        QueryError: rows can't be grouped by this.
        LedgerUnreadableError: a file can't be read.
    """
    return reported(summed(paths, grouping), grouping.by)


def reported(groups: dict[GroupKey, Sums], by: Sequence[str]) -> Report:
    """The report on these sums."""
    lines: list[Line] = []
    totals: list[Line] = []
    for currency in sorted({key[-1] for key in groups}):
        own = [(key, sums) for key, sums in groups.items() if key[-1] == currency]
        if by[0] in CALENDAR:
            own.sort(key=lambda pair: pair[0])
        else:
            own.sort(key=lambda pair: (-pair[1].total_cost, pair[0]))
        shares = divided(PERCENT, [sums.total_cost for _, sums in own])
        whole = Sums()
        for (key, sums), share in zip(own, shares, strict=True):
            lines.append(_line(tuple(zip(by, key, strict=False)), currency, sums, share))
            whole.add(sums)
        totals.append(_line((), currency, whole, PERCENT))
    return Report(tuple(lines), tuple(totals))


def _line(keys: tuple[tuple[str, str], ...], currency: str, sums: Sums, share: int) -> Line:
    return Line(
        keys=keys,
        currency=currency,
        cost=decimal_string(sums.total_cost),
        share_percent=f"{share // 100}.{share % 100:02d}",
        # What never left costs nothing.
        settled_cost=decimal_string(sums.cost["settled"] + sums.cost["void"]),
        estimated_cost=decimal_string(sums.cost["estimated"]),
        unknown_cost=decimal_string(sums.cost["unknown"]),
        adjustment=decimal_string(sums.adjustment),
        attempts=sum(sums.count.values()),
        requests=sums.requests,
        estimated=sums.count["estimated"],
        unknown=sums.count["unknown"],
        input_tokens=sums.input,
        cached_input_tokens=sums.cached_input,
        output_tokens=sums.output,
    )
