"""The ledger's side of a reconciliation: what it has of a period, and its unknown rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func

from bailiwick_sidecar.invoices.model import Billed
from bailiwick_sidecar.ledger.adjusted import with_revisions
from bailiwick_sidecar.ledger.adjusting import Standing
from bailiwick_sidecar.ledger.drift import Cell
from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.reading import Source, opened
from bailiwick_sidecar.ledger.schema import attempts
from bailiwick_sidecar.ledger.sums import Grouping, Sums, summed
from bailiwick_sidecar.ledger.telling_apart import MARK, Keys, short


@dataclass(frozen=True, slots=True)
class Own:
    """The ledger's figures of one period."""

    cells: dict[Cell, Sums]
    currency: str
    """Empty where it has no row."""
    providers: frozenset[str]
    """Whose rows they are, as rows name them."""
    keys: Keys
    together: str = ""
    """Why keys are not told apart though the files do; empty: they are, or the files do not."""


def period_of(lines: Sequence[Billed]) -> Filters:
    """From the first day of the lines to the end of the last, in UTC."""
    days = sorted(line.day for line in lines)
    last = date.fromisoformat(days[-1]) + timedelta(days=1)
    return Filters(since=_begin(date.fromisoformat(days[0])), until=_begin(last))


def own_figures(
    ledgers: Sequence[Source],
    period: Filters,
    *,
    providers: Collection[str],
    told: Mapping[str, str],
    file_keys: Collection[str],
) -> Own:
    """What the ledger has of these providers; of the only one it has where none is named.

    Keys are told apart where `told` (--key) says how, or where all lines of the files (their
    `file_keys`) and all rows that cost or used something name theirs.

    Raises:
        QueryError: several providers and none named, one that has no row, a key that no row left
            with, or several currencies.
        LedgerUnreadableError: a file can't be read.
    """
    by = ("day", "model", "provider", "provider_key", "provider_key_id")
    groups = summed(ledgers, Grouping(by, period, UTC))
    marks = {key[3] for key in groups} | {key[3].rpartition("@")[0] for key in groups}
    ids = {key[4] for key in groups}
    for target in told.values():
        if MARK in target and target not in marks:
            raise QueryError(
                f"no row of this period left with key {target!r} (found: "
                f"{', '.join(sorted({key[3] for key in groups} - {''})) or 'none'}): correct --key"
            )
    others = [one for one in told.values() if MARK not in one and one not in ids]
    wanted = _wanted({key[2] for key in groups}, (*providers, *others))
    own = {key: sums for key, sums in groups.items() if key[2] in wanted}
    currencies = {key[-1] for key in own}
    if len(currencies) > 1:
        raise QueryError(
            f"these rows are in {', '.join(sorted(currencies))}: choose namespaces of one currency "
            "with --namespace"
        )
    # What never left, or was refused, is on no invoice.
    own = {key: sums for key, sums in own.items() if _could_be_billed(sums)}
    used = {key[4] for key in own}
    named = bool(file_keys) and all(file_keys)
    keys = Keys(told, apart=bool(told) or (named and bool(used) and all(used)))
    cells: dict[Cell, Sums] = {}
    for (day, model, provider, key, key_id, _), sums in own.items():
        cell = Cell(day, model, keys.of_row(provider, key, key_id))
        cells.setdefault(cell, Sums()).add(sums)
    together = ""
    if not keys.apart and any(used) and any(file_keys):
        together = (
            "some rows have no key id" if named else "some lines of the files name no key"
        ) + ": keys are not told apart"
    return Own(cells, next(iter(currencies), ""), frozenset(wanted), keys, together)


def unknown_rows(ledger: Source, period: Filters, own: Own) -> list[tuple[Cell, Standing]]:
    """The rows of one ledger of which nothing is known still, with the cells that they are in.

    Raises:
        LedgerUnreadableError: the file can't be read.
    """
    query, revision = with_revisions()
    query = period.applied(query).where(
        func.coalesce(revision.c.state, attempts.c.state) == "unknown",
        attempts.c.provider.in_(own.providers),
    )
    order = (attempts.c.admitted_at, attempts.c.stream_id, attempts.c.attempt)
    found: list[tuple[Cell, Standing]] = []
    with opened(ledger) as connection:
        for row in connection.execute(query.order_by(*order)):
            kept = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
            key = own.keys.of_row(
                kept["provider"], kept["provider_key"] or "", kept["provider_key_id"] or ""
            )
            day = datetime.fromtimestamp(kept["admitted_at"] // 1000, UTC).date().isoformat()
            found.append((Cell(day, kept["model"], key), Standing.of(kept)))
    return found


def _could_be_billed(sums: Sums) -> bool:
    return bool(sums.total_cost or sums.input or sums.output or sums.count["unknown"])


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
