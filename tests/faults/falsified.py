"""A ledger in PostgreSQL that somebody falsifies: what its reader finds, lie by lie."""

from dataclasses import dataclass

from bench.faults.central import Central
from bench.faults.evidence import Row

CHOSEN = (
    "(stream_id, attempt) = (SELECT stream_id, attempt FROM kept WHERE state = 'settled'"
    " ORDER BY stream_id LIMIT 1)"
)
COPY = f"INSERT INTO attempts SELECT * FROM truth WHERE {CHOSEN}"
LIES = {
    "deleted": [f"DELETE FROM attempts WHERE {CHOSEN}"],
    # The key holds the moment of admission: only with another one can a row be there twice.
    "doubled": [f"UPDATE truth SET admitted_at = admitted_at + 1 WHERE {CHOSEN}", COPY],
    "another tenant's": [f"UPDATE truth SET tenant = 'other' WHERE {CHOSEN}", COPY],
    "given to another tenant": [f"UPDATE attempts SET tenant = 'other' WHERE {CHOSEN}"],
    "dearer": [f"UPDATE attempts SET cost = '0.009' WHERE {CHOSEN}"],
    "dearer in sums": [f"UPDATE attempts SET cost_micro = cost_micro + 1 WHERE {CHOSEN}"],
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the tenant's reader exports and sums up, and how many more rows there are."""

    rows: list[Row]
    strangers: int
    summed: dict[str, str]


def falsified(central: Central) -> dict[str, Found]:
    """What is found after each lie; after each the ledger is as it was."""
    found: dict[str, Found] = {}
    with central.database.connect() as connection:
        connection.autocommit = True
        # Past the triggers that refuse any change: whoever owns the server can do that.
        connection.execute("SET session_replication_role = replica")
        for table in ("kept", "truth"):
            connection.execute(f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM attempts")
        for lie, statements in LIES.items():
            for statement in statements:
                connection.execute(statement)
            rows = central.rows()
            found[lie] = Found(
                rows=rows, strangers=central.count() - len(rows), summed=central.summed()
            )
            connection.execute("DELETE FROM attempts")
            connection.execute("DELETE FROM truth")
            for table in ("truth", "attempts"):
                connection.execute(f"INSERT INTO {table} SELECT * FROM kept")
    return found
