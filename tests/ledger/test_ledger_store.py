"""The embedded ledger's file."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from accounting.samples import intent, row
from msgspec.structs import replace

from bailiwick_sidecar.accounting.model import Row, RowState, Usage
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.queries import export, top
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.schema import LATER
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.totals import FileTotals

OWNER = Owner(tenant="acme", namespace="acme-prod", currency="EUR", gateway="0123abcd")


def kept(path: Path) -> list[tuple[str, int, str, str]]:
    """Stream id, attempt, state and cost of every row."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT stream_id, attempt, state, cost FROM attempts ORDER BY stream_id, attempt"
        ).fetchall()


def test_second_delivery_changes_nothing(tmp_path: Path) -> None:
    """A row that is there stays as it is, also where a later one says otherwise."""
    path = tmp_path / "state" / "ledger.db"
    ledger = SqliteLedger(path, OWNER)
    ledger.write([row("a"), row("b")])
    ledger.write([row("b", cost=1), row("a"), row("a", attempt=2), row("a", attempt=2)])
    ledger.close()

    assert kept(path) == [
        ("a", 1, "settled", "0.005"),
        ("a", 2, "settled", "0.005"),
        ("b", 1, "settled", "0.005"),
    ]


def test_every_field_is_kept(tmp_path: Path) -> None:
    """What a row says is in its columns, money exactly."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, OWNER)
    big = Row(
        intent=replace(
            intent("x", 3, stream=True),
            cost_bound=10**30 + 7,
            provider_key="secret/llm/acme/openai#api_key@3",
            provider_key_id="key_1",
        ),
        state=RowState.ESTIMATED,
        ended_at=9,
        status=200,
        usage=Usage(1, 2, 3, 4, 5, 6, 7),
        cost=10**24 + 1,
        duration_ms=11,
        first_byte_ms=12,
        reason="timeout",
    )
    ledger.write([big])
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        found = dict(connection.execute("SELECT * FROM attempts").fetchone())

    assert found == {
        "tenant": "acme",
        "namespace": "acme-prod",
        "currency": "EUR",
        "stream_id": "x",
        "attempt": 3,
        "admitted_at": big.intent.admitted_at,
        "ended_at": 9,
        "team": "search",
        "project": "ranking",
        "cost_center": "cc-1",
        "user": "alice",
        "route": "chat",
        "alias": "fast",
        "backend": "primary",
        "provider": "ClusterModelProvider/openai-eu",
        "model": "gpt-5-mini",
        "tier": "premium",
        "operation": "chat",
        "stream": 1,
        "protocol": "http",
        "state": "estimated",
        "status": 200,
        "reason": "timeout",
        "input_tokens": 1,
        "output_tokens": 2,
        "cached_input_tokens": 3,
        "cache_write_tokens": 4,
        "audio_input_tokens": 5,
        "reasoning_output_tokens": 6,
        "audio_output_tokens": 7,
        "cost": "1000000000000.000000000001",
        "cost_micro": 10**18,
        "cost_rest": 1,
        "price_source": "PriceBook/list/gpt-5-mini",
        "reserved_input_tokens": 1000,
        "reserved_output_tokens": 500,
        "reserved_cost": "1000000000000000000.000000000007",
        "duration_ms": 11,
        "first_byte_ms": 12,
        "tags": '{"feature":"summarise"}',
        "gateway": "0123abcd",
        "provider_key": "secret/llm/acme/openai#api_key@3",
        "provider_key_id": "key_1",
    }


def older(path: Path) -> None:
    """Make the file one of a release that knew nothing of keys."""
    with closing(sqlite3.connect(path)) as connection:
        for trigger in ("update", "delete", "replace"):
            connection.execute(f"DROP TRIGGER attempts_no_{trigger}")
        for column in LATER:
            connection.execute(f"ALTER TABLE attempts DROP COLUMN {column}")
        connection.commit()


def test_a_file_of_an_older_release_is_read_and_written(tmp_path: Path) -> None:
    """Its rows have no key, and are not touched; new ones have theirs."""
    path = tmp_path / "ledger.db"
    named = row("b", intent=intent("b", provider_key="secret/p#f@1", provider_key_id="key_1"))
    for rows in ([row("a")], [named]):
        ledger = SqliteLedger(path, OWNER)
        ledger.write(rows)
        ledger.close()
        if rows != [named]:
            older(path)
            assert [(one.stream_id, one.provider_key) for one in export([path])] == [("a", "")]
            assert [one.keys for one in top([path], by=["provider_key_id"])] == [
                (("provider_key_id", ""),)
            ]

    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT stream_id, provider_key, provider_key_id FROM attempts")
        assert kept.fetchall() == [("a", None, None), ("b", "secret/p#f@1", "key_1")]
    assert {one.keys[0][1]: one.attempts for one in top([path], by=["provider_key"])} == {
        "": 1, "secret/p#f@1": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE attempts SET cost = '0.00'",
        "DELETE FROM attempts",
    ],
)
def test_rows_are_never_changed(tmp_path: Path, change: str) -> None:
    """The file refuses to change or delete a row."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, OWNER)
    ledger.write([row("a")])
    ledger.close()
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(change)

    assert kept(path) == [("a", 1, "settled", "0.005")]


def test_rows_are_never_replaced(tmp_path: Path) -> None:
    """INSERT OR REPLACE, which deletes without a trigger, changes nothing either."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, OWNER)
    ledger.write([row("a"), row("b")])
    ledger.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(attempts)")]
        chosen = ", ".join("'0.00'" if name == "cost" else f'"{name}"' for name in columns)
        connection.execute(f"INSERT OR REPLACE INTO attempts SELECT {chosen} FROM attempts")

    assert {cost for *_, cost in kept(path)} == {"0.005"}


def test_file_is_private(tmp_path: Path) -> None:
    """Nobody but the owner can read the ledger, nor its write-ahead log."""
    ledger = SqliteLedger(tmp_path / "state" / "ledger.db", OWNER)
    ledger.write([row()])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()]
    ledger.close()

    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert len(modes) == 3
    assert set(modes) == {0o600}


def test_locked_file_says_so_and_takes_rows_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the file nothing is lost and nothing else is raised."""
    monkeypatch.setattr("bailiwick_sidecar.ledger.store.BUSY_SECONDS", 0.01)
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, OWNER)
    ledger.write([row("a")])
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError, match="locked"):
            ledger.write([row("b")])
        holder.execute("ROLLBACK")
    ledger.write([row("b")])
    ledger.close()

    assert [name for name, *_ in kept(path)] == ["a", "b"]


def test_file_of_another_kind_or_release_is_refused(tmp_path: Path) -> None:
    """What is no ledger, or a later one, is left alone."""
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerUnavailableError, match="not a database"):
        SqliteLedger(foreign, OWNER).write([row()])
    later = tmp_path / "later.db"
    with closing(sqlite3.connect(later)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerUnavailableError, match="schema 99"):
        SqliteLedger(later, OWNER).write([row()])
    directory = tmp_path / "directory.db"
    directory.mkdir()
    with pytest.raises(LedgerUnavailableError):
        SqliteLedger(directory, OWNER).write([row()])


def test_a_file_of_an_older_release_gets_what_it_lacks(tmp_path: Path) -> None:
    """Rows that are there say no gateway; it is read before and after it was written to."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, OWNER)
    ledger.write([row("a")])
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE attempts DROP COLUMN gateway")
        connection.commit()

    assert [used.gateway for used in FileTotals(path, None, "acme").since(0)] == [""]
    assert [entry.stream_id for entry in export([path])] == ["a"]
    ledger.write([row("b")])
    ledger.close()
    totals = FileTotals(path, None, "acme").since(0)
    assert sorted((used.gateway, used.tokens) for used in totals) == [
        ("", 1_000),
        ("0123abcd", 1_000),
    ]
