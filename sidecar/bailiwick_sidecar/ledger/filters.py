"""What a question to the ledger is about: filters and groups. Pure."""

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, true

from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.schema import LATER, attempts

QUARTER: Final = 900_000
"""Milliseconds in a quarter of an hour: every zone's days begin on one."""
BY: Final = (
    "tenant",
    "namespace",
    "team",
    "project",
    "cost_center",
    "user",
    "route",
    "alias",
    "backend",
    "provider",
    "model",
    "tier",
    "operation",
    "state",
    "reason",
    "price_source",
    "provider_key",
    "provider_key_id",
    "day",
    "month",
)
"""What rows can be grouped by, beside `tag:NAME`."""
CALENDAR: Final = ("day", "month")
_TAG: Final = re.compile(r"tag:([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows; None or empty: all. `since` ≤ admission < `until`, in ms since the epoch."""

    since: int | None = None
    until: int | None = None
    team: str | None = None
    project: str | None = None
    user: str | None = None
    model: str | None = None
    provider: str | None = None
    state: str | None = None
    route: str | None = None
    tier: str | None = None
    namespaces: tuple[str, ...] = ()

    def applied(self, query: Select[Any]) -> Select[Any]:
        """The query for these rows alone."""
        return query.where(*self._conditions())

    def _conditions(self) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [true()]
        if self.since is not None:
            conditions.append(attempts.c.admitted_at >= self.since)
        if self.until is not None:
            conditions.append(attempts.c.admitted_at < self.until)
        named = ("team", "project", "user", "model", "provider", "state", "route", "tier")
        wanted = {name: getattr(self, name) for name in named}
        conditions += [attempts.c[name] == value for name, value in wanted.items() if value]
        if self.namespaces:
            conditions.append(attempts.c.namespace.in_(self.namespaces))
        return conditions


EVERYTHING: Final = Filters()


def group_column(by: str) -> ColumnElement[Any]:
    """The expression to group by; for `day` and `month` the quarter of an hour, to be folded.

    Raises:
        QueryError: rows can't be grouped by this.
    """
    if by in CALENDAR:
        return attempts.c.admitted_at // QUARTER
    if found := _TAG.fullmatch(by):
        return func.coalesce(attempts.c.tags[found[1]].as_string(), "")
    if by not in BY:
        raise QueryError(
            f"rows can't be grouped by {by!r}: use one of {', '.join(BY)}, or tag:NAME with the "
            "name of a tag"
        )
    column: ColumnElement[Any] = attempts.c[by]
    return func.coalesce(column, "") if by in LATER else column
