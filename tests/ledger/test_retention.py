"""Rows are forgotten when the tenant says so, and not before a bill could be checked."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from accounting.samples import intent, row

from bailiwick_sidecar.ledger.retention import forget, kept_since
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "days", "since"),
    [
        ("2026-11-21T12:00:00+01:00", 30, "2026-10-01T00:00:00+02:00"),
        ("2026-11-21T12:00:00+01:00", 1, "2026-10-01T00:00:00+02:00"),
        ("2026-11-21T12:00:00+01:00", 90, "2026-08-23T12:00:00+01:00"),
        ("2027-01-01T00:30:00+01:00", 1, "2026-12-01T00:00:00+01:00"),
        ("2026-12-31T23:30:00+00:00", 1, "2026-12-01T00:00:00+01:00"),
    ],
)
def test_this_and_the_last_month_are_always_kept(now: str, days: int, since: str) -> None:
    """Months begin in the tenant's zone; more days than that reach further back."""
    moment = datetime.fromisoformat(now).astimezone(UTC)

    assert kept_since(moment, days=days, zone=BERLIN) == datetime.fromisoformat(since)


def test_old_rows_go_and_the_ledger_stays_append_only(tmp_path: Path) -> None:
    """What is older is gone, what is younger stays, and nobody else can delete still."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, Owner("acme", "acme-prod", "USD"))
    old, young = 1_700_000_000_000, 1_790_000_000_000
    moments = {"s-old": old, "s-young": young}
    ledger.write([row(name, intent=intent(name, admitted_at=at)) for name, at in moments.items()])

    gone = forget(path, before=datetime.fromtimestamp(old / 1000 + 1, UTC))
    again = forget(path, before=datetime.fromtimestamp(old / 1000 + 1, UTC))

    with sqlite3.connect(path) as connection:
        left = connection.execute("SELECT stream_id FROM attempts").fetchall()
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            connection.execute("DELETE FROM attempts")
    connection.close()
    ledger.close()
    assert (gone, again, left) == (1, 0, [("s-young",)])


def test_no_ledger_is_nothing_to_forget(tmp_path: Path) -> None:
    """Before the first call there is no file."""
    assert forget(tmp_path / "ledger.db", before=datetime.now(UTC)) == 0
