"""Rows in PostgreSQL: once each, in their month, never changed, and for their tenant alone."""

from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg
import pytest
from collector.postgres_server import OWNER, PASSWORD, WRITER, PostgresServer
from collector.samples import START, batch, row

from bailiwick_collector.errors import BadRowError, DatabaseAwayError
from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.migrating import make_reader, migrate
from bailiwick_collector.roles import reader_name
from bailiwick_collector.rows import COLUMNS, values
from bailiwick_contract.v1.usage_pb2 import UsageRow
from bailiwick_sidecar.ledger.schema import LATER, POSTGRES_STEP

CHANGES = (
    "UPDATE attempts SET cost = '0.00'",
    "DELETE FROM attempts",
    "TRUNCATE attempts",
    "UPDATE attempts_elsewhere SET cost = '0.00'",
    "DELETE FROM attempts_elsewhere",
    "INSERT INTO adjustments SELECT tenant FROM attempts",
    "ALTER TABLE attempts DISABLE TRIGGER ALL",
    "ALTER TABLE attempts NO FORCE ROW LEVEL SECURITY",
    "DROP TABLE attempts",
    "SET ROLE ledger_owner",
    "SELECT * FROM readers",
)


def add(into: PostgresLedger, tenant: str, *rows: UsageRow) -> int:
    """As the service does it."""
    said = batch(tenant, *rows)
    return into.add(tenant, [values(one, said) for one in said.rows])


def test_a_second_delivery_adds_nothing(postgres: PostgresServer, into: PostgresLedger) -> None:
    """Whole, partly and twice within a batch: each key has the row that came first."""
    assert add(into, "twice", row("a"), row("b")) == 2
    assert add(into, "twice", row("b", cost="9"), row("a"), row("c"), row("c")) == 1
    assert add(into, "twice") == 0
    found = postgres.query(
        "SELECT stream_id, attempt, cost FROM attempts WHERE tenant = 'twice' ORDER BY stream_id"
    )
    assert found == [("a", 1, "0.005"), ("b", 1, "0.005"), ("c", 1, "0.005")]


def test_every_field_is_kept(postgres: PostgresServer, into: PostgresLedger) -> None:
    """What a row says is in its columns: money exactly, text as far as PostgreSQL has it."""
    big = row(
        "ε\x00'\"\\",
        3,
        cost="1000000000000.000000000001",
        user='{a,"b"}',
        tags={"b": "NULL", "a": "\x00"},
        reasoning_output_tokens=6,
        stream=False,
    )
    add(into, "fields", big)
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    (found,) = postgres.query(f"SELECT {columns} FROM attempts WHERE tenant = 'fields'")
    said = dict(zip(COLUMNS, found, strict=True))

    assert said["stream_id"] == "ε\ufffd'\"\\"
    assert said["user"] == '{a,"b"}'
    assert (said["cost_micro"], said["cost_rest"]) == (10**18, 1)
    assert said["cost"] == "1000000000000.000000000001"
    assert said["tags"] == {"a": "\ufffd", "b": "NULL"}
    assert (said["reasoning_output_tokens"], said["stream"]) == (6, False)
    assert (said["namespace"], said["currency"]) == ("fields-prod", "EUR")


@pytest.mark.parametrize(
    "bad",
    [
        row(""),
        row(attempt=0),
        row(admitted_at=0),
        row(state="paid"),
        row(cost="1e-20"),
        row(cost="NaN"),
        row(cost="1" * 30),
        row(input_tokens=2**63),
    ],
)
def test_a_row_that_means_nothing_is_refused(bad: UsageRow) -> None:
    """Nothing is guessed, and nothing is cut to fit."""
    with pytest.raises(BadRowError):
        values(bad, batch("acme", bad))


def test_rows_are_in_their_month_and_never_nowhere(
    postgres: PostgresServer, into: PostgresLedger
) -> None:
    """This month and the next have partitions; rows of any other moment are kept beside them."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    add(
        into,
        "months",
        row("now", admitted_at=now),
        row("past", admitted_at=1),
        row("far", admitted_at=2**62),
    )
    found = postgres.query(
        "SELECT stream_id, tableoid::regclass::text FROM attempts WHERE tenant = 'months'"
    )

    month = f"attempts_{datetime.now(UTC):%Y_%m}"
    assert dict(found) == {"now": month, "past": "attempts_elsewhere", "far": "attempts_elsewhere"}
    assert into.make_months() >= 0
    assert into.make_months() == 0


def test_a_month_that_has_rows_elsewhere_is_no_obstacle(
    postgres: PostgresServer, into: PostgresLedger
) -> None:
    """Months are made around it, and its rows are found."""
    add(into, "late", row("x", admitted_at=int(datetime(2031, 2, 3, tzinfo=UTC).timestamp() * 1e3)))
    made = postgres.query("SELECT make_months('2031-01-15', 3)", user=WRITER)

    assert made == [(2,)]
    assert postgres.query("SELECT count(*) FROM attempts WHERE tenant = 'late'") == [(1,)]


@pytest.mark.parametrize("change", CHANGES)
def test_the_writer_adds_and_does_nothing_else(
    postgres: PostgresServer, into: PostgresLedger, change: str
) -> None:
    """Neither by the tables nor by a partition, not even for the tenant that it writes."""
    add(into, "fixed", row("a"))
    with postgres.connect(user=WRITER) as connection:
        connection.execute("SELECT set_config('bailiwick.tenant', 'fixed', false)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(change.encode())


@pytest.mark.parametrize("change", CHANGES[:3])
def test_nobody_changes_a_row(postgres: PostgresServer, into: PostgresLedger, change: str) -> None:
    """The table's owner meets its triggers; a superuser too."""
    add(into, "fixed", row("a"))
    for user in (OWNER, "super"):
        with postgres.connect(user=user) as connection:
            connection.execute("SELECT set_config('bailiwick.tenant', 'fixed', false)")
            with connection.transaction(force_rollback=True):
                try:
                    changed = connection.execute(change.encode()).rowcount
                except psycopg.errors.RestrictViolation:
                    continue
                # The owner's policies let it see no row at all.
                assert (user, changed) == (OWNER, 0)


def test_a_writer_without_a_tenant_sees_and_adds_nothing(
    postgres: PostgresServer, into: PostgresLedger
) -> None:
    """A code path that forgets the tenant meets an empty table and a refused row."""
    add(into, "shy", row("a"))
    said = batch("shy", row("b"))

    assert postgres.query("SELECT count(*) FROM attempts", user=WRITER) == [(0,)]
    with pytest.raises(DatabaseAwayError, match="row-level security"):
        into.add("another", [values(said.rows[0], said)])


def test_a_tenants_reader_sees_its_own_rows_whatever_it_says(
    postgres: PostgresServer, into: PostgresLedger
) -> None:
    """Tenant b's role reads b's rows; none of a's by any setting, role, partition or view."""
    add(into, "a-corp", row("secret-of-a"), row("old", admitted_at=5))
    add(into, "b-corp", row("of-b"))
    for tenant in ("a-corp", "b-corp"):
        make_reader(postgres.url(OWNER), tenant)
        make_reader(postgres.url(OWNER), tenant)
    name = reader_name("b-corp")
    postgres.execute(f"ALTER ROLE \"{name}\" PASSWORD '{PASSWORD}'")

    with postgres.connect(user=name) as connection:
        connection.autocommit = True
        for setting in ("a-corp", "b-corp", ""):
            connection.execute("SELECT set_config('bailiwick.tenant', %s, false)", (setting,))
            found = connection.execute("SELECT stream_id FROM attempts").fetchall()
            assert found == [("of-b",)]
        found = connection.execute(
            "SELECT stream_id FROM attempts WHERE tenant = 'a-corp' OR true"
        ).fetchall()
        assert found == [("of-b",)]
        for forbidden in (
            f'SET ROLE "{reader_name("a-corp")}"',
            "SET ROLE bailiwick_writer",
            "SELECT * FROM attempts_elsewhere",
            f"SELECT * FROM attempts_{datetime.now(UTC):%Y_%m}",
            "SELECT * FROM readers",
            "UPDATE readers SET tenant = 'a-corp'",
            "INSERT INTO attempts SELECT * FROM attempts",
            "SELECT make_months(now(), 1)",
        ):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(forbidden.encode())
            assert isinstance(
                caught.value,
                psycopg.errors.InsufficientPrivilege | psycopg.errors.ReadOnlySqlTransaction,
            ), forbidden
        # Row security can be asked to fail instead of filter; it can't be turned off.
        connection.execute("SET row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM attempts")


def test_a_migration_twice_changes_nothing(postgres: PostgresServer, into: PostgresLedger) -> None:
    """A second run, or one beside another, finds its work done."""
    add(into, "again", row("a"))
    migrate(postgres.url(OWNER))
    into.check()

    assert postgres.query("SELECT count(*) FROM attempts WHERE tenant = 'again'") == [(1,)]


def test_a_database_of_the_first_release_is_brought_here(postgres: PostgresServer) -> None:
    """Its rows stay as they are, without a key; new ones have theirs."""
    postgres.execute(f"CREATE DATABASE older OWNER {OWNER}", database="postgres")
    url = postgres.url(OWNER).replace("/bailiwick?", "/older?")
    migrate(url, to="0001")
    before = [name for name in COLUMNS if name not in LATER]
    said = batch("old", row("a"), row("b", provider_key="secret/p#f@1", provider_key_id="key_1"))
    first, second = (dict(zip(COLUMNS, values(one, said), strict=True)) for one in said.rows)

    def insert(one: dict[str, object], names: Sequence[str]) -> None:
        into = ", ".join(f'"{name}"' for name in names)
        given = ", ".join(["%s"] * len(names))
        with postgres.connect("older") as connection:
            connection.execute(
                f"INSERT INTO attempts ({into}) VALUES ({given})".encode(),
                [one[name] for name in names],
            )

    insert(first, before)
    migrate(url)
    insert(second, COLUMNS)

    with postgres.connect("older") as connection:
        found = connection.execute(
            "SELECT stream_id, cost, provider_key, provider_key_id FROM attempts ORDER BY 1"
        ).fetchall()
        step = connection.execute("SELECT version_num FROM schema_version").fetchall()
    assert found == [("a", "0.005", None, None), ("b", "0.005", "secret/p#f@1", "key_1")]
    assert step == [(POSTGRES_STEP,)]


def test_totals_are_of_one_tenant_and_exact(postgres: PostgresServer, into: PostgresLedger) -> None:
    """Sums by who and where, of the moments asked for, to the last picounit."""
    add(
        into,
        "sums",
        *(row(f"r{number}", cost="0.000000000001") for number in range(3)),
        row("other", user="bob", input_tokens=2**62, output_tokens=1),
        row("other-2", user="bob", input_tokens=2**62, output_tokens=1),
        row("before", admitted_at=START - 1),
        row("after", admitted_at=START + 10),
    )
    add(into, "strangers", row("x"))
    found = {one.user: one for one in into.totals("sums", since=START, until=START + 10)}

    assert set(found) == {"alice", "bob"}
    assert (found["alice"].attempts, found["alice"].cost) == (3, "0.000000000003")
    assert (found["alice"].input_tokens, found["alice"].output_tokens) == (2400, 600)
    assert found["bob"].input_tokens == 2**63
    assert found["alice"].namespace == "sums-prod"
    assert sum(one.attempts for one in into.totals("sums", since=START, until=0)) == 6
