"""Sums, entries and adjustments are the same on PostgreSQL as in a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from accounting.samples import START, intent, row
from ledger.postgres_server import postgres
from ledger.test_rerating import NEW, config, ledger_of, rerated
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bailiwick_sidecar.accounting.model import Row, RowState, Usage
from bailiwick_sidecar.ledger.adjusted import with_revisions
from bailiwick_sidecar.ledger.adjusting import add
from bailiwick_sidecar.ledger.filters import EVERYTHING, Filters
from bailiwick_sidecar.ledger.rerating import Rerating, rerate
from bailiwick_sidecar.ledger.rows import COLUMNS, Owner, values
from bailiwick_sidecar.ledger.schema import adjustments, attempts, metadata
from bailiwick_sidecar.ledger.sums import Grouping, GroupKey, Sums, collect, queries, summed

OWNER = Owner("acme", "acme-prod", "EUR")
ROWS = [
    row("a", usage=Usage(input=1000, output=100, cached_input=400), cost=2**62),
    row("b", 2, state=RowState.UNKNOWN, status=0, usage=Usage(input=7, output=3), cost=12345),
    row("c", intent=intent("c", admitted_at=START + 40 * 86_400_000, tags=()), cost=1),
    row("d", state=RowState.VOID, usage=Usage(), status=0, cost=0),
]
BY = ("month", "cost_center", "user", "tag:feature")


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    """A database with the ledger's tables and ROWS."""
    with postgres() as engine:
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(attempts.insert(), [as_stored(one) for one in ROWS])
        yield engine


def as_stored(one: Row) -> dict[str, object]:
    found = dict(zip(COLUMNS, values(one, OWNER), strict=True))
    return {**found, "tags": dict(one.intent.tags)}


def grouped(engine: Engine, grouping: Grouping) -> dict[GroupKey, Sums]:
    into: dict[GroupKey, Sums] = {}
    with engine.connect() as connection:
        collect(connection, *queries(grouping), grouping, into=into)
    return into


def test_rated_again_it_is_what_a_file_says(database: Engine, tmp_path: Path) -> None:
    """Before and after, groups and single rows; a second run finds nothing."""
    path = ledger_of(tmp_path / "l.db", *ROWS)
    grouping = Grouping(BY, Filters(until=START + 10**12))
    assert grouped(database, grouping) == summed([path], grouping)

    with database.begin() as connection:
        made = list(rerate(connection, config(NEW), filters=EVERYTHING, made_at=7, into=Rerating()))
        add(connection, made)
    assert made == rerated(path, config(NEW)).adjustments

    assert grouped(database, grouping) == summed([path], grouping)
    as_written = Grouping(BY, adjusted=False)
    assert grouped(database, as_written) == summed([path], as_written)
    with database.begin() as connection:
        again = rerate(connection, config(NEW), filters=EVERYTHING, made_at=8, into=Rerating())
        assert list(again) == []
        query, _ = with_revisions()
        kept = connection.execute(query).mappings().all()
        assert sorted(one["stream_id"] for one in kept if one["new_revision"]) == ["a", "b", "c"]


def test_a_revision_is_written_once(database: Engine) -> None:
    """The key refuses a second one."""
    with database.connect() as connection:
        one = {**as_adjusted(), "stream_id": "b", "revision": 9}
        connection.execute(adjustments.insert(), [one])
        with pytest.raises(IntegrityError):
            connection.execute(adjustments.insert(), [one])


def as_adjusted() -> dict[str, object]:
    found: dict[str, object] = {column.name: "" for column in adjustments.columns}
    counts = ("made_at", "input_tokens", "output_tokens", "cost_micro", "cost_rest")
    return {**found, **dict.fromkeys(counts, 0), "tenant": "acme", "attempt": 1}
