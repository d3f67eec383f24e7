"""Sums over rows, exact, with what adjustments made of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, case, func, select

from bailiwick_sidecar.ledger.adjusted import latest, same_row
from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.filters import CALENDAR, EVERYTHING, QUARTER, Filters, group_column
from bailiwick_sidecar.ledger.reading import Source, opened
from bailiwick_sidecar.ledger.schema import MICRO, attempts

STATES: Final = ("settled", "estimated", "void", "unknown")
GroupKey = tuple[str, ...]
"""Values of what rows were grouped by, then the currency."""


@dataclass(slots=True)
class Sums:
    """Figures of one group. Money in picounits; `cost` and `count` by state."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cached_input: int = 0
    cost: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    count: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    adjustment: int = 0
    """Part of the cost that was not on the rows as they were written."""

    @property
    def total_cost(self) -> int:
        """Of all states together."""
        return sum(self.cost.values())

    def add(self, other: "Sums") -> None:
        """Count the other's rows too."""
        self.requests += other.requests
        self.input += other.input
        self.output += other.output
        self.cached_input += other.cached_input
        self.adjustment += other.adjustment
        for state in STATES:
            self.cost[state] += other.cost[state]
            self.count[state] += other.count[state]


@dataclass(frozen=True, slots=True)
class Grouping:
    """What to sum by, over which rows, and where days begin."""

    by: Sequence[str]
    filters: Filters = EVERYTHING
    zone: tzinfo = UTC
    adjusted: bool = True
    """False: rows as they were written, whatever was found out later."""


def summed(paths: Sequence[Source], grouping: Grouping) -> dict[GroupKey, Sums]:
    """Groups of all files together.

    Raises:
        QueryError: rows can't be grouped by this.
        LedgerUnreadableError: a file can't be read.
    """
    if not grouping.by:
        raise QueryError("rows are grouped by nothing: name a column, such as team")
    groups: dict[GroupKey, Sums] = {}
    written, changed = _written(grouping), _changed(grouping)
    for path in paths:
        with opened(path) as connection:
            collect(connection, written, changed, grouping, into=groups)
    return groups


def collect(
    connection: Connection,
    written: Select[Any],
    changed: Select[Any],
    grouping: Grouping,
    *,
    into: dict[GroupKey, Sums],
) -> None:
    """Add one database's groups to those that are there."""
    for row in connection.execute(written):
        _add_written(_group(into, row, grouping), row[len(grouping.by) + 1 :])
    if grouping.adjusted:
        for row in connection.execute(changed):
            _add_changed(_group(into, row, grouping), row[len(grouping.by) + 1 :])


def queries(grouping: Grouping) -> tuple[Select[Any], Select[Any]]:
    """The two questions that `collect` needs: of all rows, and of those that were adjusted."""
    return _written(grouping), _changed(grouping)


def _written(grouping: Grouping) -> Select[Any]:
    keys = [group_column(name) for name in grouping.by]
    columns = attempts.c
    return grouping.filters.applied(
        select(
            *keys,
            columns.currency,
            columns.state,
            func.count(),
            # A request is counted in the group of its first attempt, so that groups add up.
            func.sum(case((columns.attempt == 1, 1), else_=0)),
            func.sum(columns.input_tokens),
            func.sum(columns.output_tokens),
            func.sum(columns.cached_input_tokens),
            func.sum(columns.cost_micro),
            func.sum(columns.cost_rest),
        )
    ).group_by(*keys, columns.currency, columns.state)


def _changed(grouping: Grouping) -> Select[Any]:
    keys = [group_column(name) for name in grouping.by]
    columns, found = attempts.c, latest()
    return grouping.filters.applied(
        select(
            *keys,
            columns.currency,
            columns.state,
            found.c.state,
            func.count(),
            func.sum(found.c.input_tokens - columns.input_tokens),
            func.sum(found.c.output_tokens - columns.output_tokens),
            func.sum(columns.cost_micro),
            func.sum(columns.cost_rest),
            func.sum(found.c.cost_micro),
            func.sum(found.c.cost_rest),
        ).join_from(attempts, found, same_row(found))
    ).group_by(*keys, columns.currency, columns.state, found.c.state)


def _group(groups: dict[GroupKey, Sums], row: Row[Any], grouping: Grouping) -> Sums:
    by = grouping.by
    named = (
        _period(name, value, grouping.zone) if name in CALENDAR else str(value)
        for name, value in zip(by, row, strict=False)
    )
    return groups.setdefault((*named, row[len(by)]), Sums())


def _add_written(group: Sums, figures: Iterable[Any]) -> None:
    state, *numbers = figures
    # PostgreSQL's sums of whole numbers are decimals.
    count, requests, taken, given, cached, micro, rest = (int(number or 0) for number in numbers)
    group.count[state] += count
    group.cost[state] += micro * MICRO + rest
    group.requests += requests
    group.input += taken
    group.output += given
    group.cached_input += cached


def _add_changed(group: Sums, figures: Iterable[Any]) -> None:
    was, now, *numbers = figures
    count, taken, given, micro, rest, new_micro, new_rest = (int(number or 0) for number in numbers)
    before, after = micro * MICRO + rest, new_micro * MICRO + new_rest
    group.count[was] -= count
    group.count[now] += count
    group.cost[was] -= before
    group.cost[now] += after
    group.adjustment += after - before
    group.input += taken
    group.output += given


def _period(name: str, quarter: int, zone: tzinfo) -> str:
    moment = datetime.fromtimestamp(quarter * QUARTER // 1000, zone)
    return f"{moment:%Y-%m-%d}" if name == "day" else f"{moment:%Y-%m}"
