"""The ledger's side of a reconciliation: what it has of a period, and its unknown rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import func

from bailiwick_sidecar.invoices.model import Billed
from bailiwick_sidecar.ledger.adjusted import with_revisions
from bailiwick_sidecar.ledger.adjusting import Standing
from bailiwick_sidecar.ledger.drift import Cell
from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.reading import opened
from bailiwick_sidecar.ledger.schema import attempts
from bailiwick_sidecar.ledger.sums import Grouping, Sums, summed


@dataclass(frozen=True, slots=True)
class Own:
    """The ledger's figures of one period."""

    cells: dict[Cell, Sums]
    currency: str
    """Empty where it has no row."""


def period_of(lines: Sequence[Billed]) -> Filters:
    """From the first day of the lines to the end of the last, in UTC."""
    days = sorted(line.day for line in lines)
    last = date.fromisoformat(days[-1]) + timedelta(days=1)
    return Filters(since=_begin(date.fromisoformat(days[0])), until=_begin(last))


def own_figures(
    paths: Sequence[Path], period: Filters, *, providers: Collection[str], keyed: bool
) -> Own:
    """What the ledger has of these providers; of the only one it has where none is named.

    `keyed`: cells are told apart by provider, each of which has one key of its own.

    Raises:
        QueryError: several providers and none named, one that has no row, or several currencies.
        LedgerUnreadableError: a file can't be read.
    """
    groups = summed(paths, Grouping(("day", "model", "provider"), period, UTC))
    found = {key[2] for key in groups}
    wanted = _wanted(found, providers)
    own = {key: sums for key, sums in groups.items() if key[2] in wanted}
    currencies = {key[-1] for key in own}
    if len(currencies) > 1:
        raise QueryError(
            f"these rows are in {', '.join(sorted(currencies))}: choose namespaces of one currency "
            "with --namespace"
        )
    cells: dict[Cell, Sums] = {}
    for (day, model, provider, _), sums in own.items():
        cell = Cell(day, model, short(provider) if keyed else "")
        cells.setdefault(cell, Sums()).add(sums)
    return Own(cells, next(iter(currencies), ""))


def unknown_rows(
    path: Path, period: Filters, *, providers: Collection[str], keyed: bool
) -> list[tuple[Cell, Standing]]:
    """The rows of one file of which nothing is known still, with the cells that they are in.

    Raises:
        LedgerUnreadableError: the file can't be read.
    """
    query, revision = with_revisions()
    query = period.applied(query).where(
        func.coalesce(revision.c.state, attempts.c.state) == "unknown"
    )
    order = (attempts.c.admitted_at, attempts.c.stream_id, attempts.c.attempt)
    found: list[tuple[Cell, Standing]] = []
    with opened(path) as connection:
        for row in connection.execute(query.order_by(*order)):
            kept = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
            provider = kept["provider"]
            if providers and provider not in providers and short(provider) not in providers:
                continue
            day = datetime.fromtimestamp(kept["admitted_at"] // 1000, UTC).date().isoformat()
            cell = Cell(day, kept["model"], short(provider) if keyed else "")
            found.append((cell, Standing.of(kept)))
    return found


def short(provider: str) -> str:
    """The name without its kind."""
    return provider.rsplit("/", 1)[-1]


def _wanted(found: set[str], providers: Collection[str]) -> set[str]:
    if not providers:
        if len(found) > 1:
            raise QueryError(
                f"the ledger has rows of {', '.join(sorted(map(short, found)))} in this period: "
                "name those that the files are about with --of, or their keys with --key"
            )
        return found
    names = {short(name): name for name in found}
    for name in providers:
        if name not in found and name not in names:
            raise QueryError(
                f"the ledger has no row of provider {name!r} in this period "
                f"(found: {', '.join(sorted(names)) or 'none'}): correct --of or --key, or give "
                "the files of another period"
            )
    return {name for name in found if name in providers or short(name) in providers}


def _begin(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
