"""Rows as they stand after their adjustments, in SQL that every database takes."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, select

from bailiwick_sidecar.ledger.schema import adjustments, attempts

KEY: Final = ("tenant", "stream_id", "attempt")


def latest() -> Subquery:
    """Of every row that was adjusted the last revision."""
    last = (
        select(*(adjustments.c[name] for name in KEY), func.max(adjustments.c.revision).label("n"))
        .group_by(*(adjustments.c[name] for name in KEY))
        .subquery("last")
    )
    same = (last.c[name] == adjustments.c[name] for name in KEY)
    return (
        select(adjustments)
        .join(last, and_(*same, last.c.n == adjustments.c.revision))
        .subquery("latest")
    )


def same_row(found: Subquery) -> ColumnElement[bool]:
    """True where the revision is that of the attempt."""
    return and_(*(found.c[name] == attempts.c[name] for name in KEY))


def with_revisions() -> tuple[Select[Any], Subquery]:
    """Every row with its last revision beside it, whose columns begin with `new_`."""
    found = latest()
    beside = [
        column.label(f"new_{column.name}") for column in found.columns if column.name not in KEY
    ]
    return select(attempts, *beside).outerjoin(found, same_row(found)), found
