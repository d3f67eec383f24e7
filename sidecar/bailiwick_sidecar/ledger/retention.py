"""Rows that have been kept long enough, by the tenant's own word, are forgotten.

Nobody else deletes rows: the ledger's trigger refuses it, and is lifted here inside one
transaction, so that no other connection ever sees the ledger without it.
"""

import contextlib
import sqlite3
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from sqlalchemy.schema import CreateTable

from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.schema import SQLITE_TRIGGERS, adjustments
from bailiwick_sidecar.ledger.store import BUSY_SECONDS

_ORPHANS: Final = """
DELETE FROM adjustments WHERE NOT EXISTS (
    SELECT 1 FROM attempts WHERE attempts.tenant = adjustments.tenant
    AND attempts.stream_id = adjustments.stream_id AND attempts.attempt = adjustments.attempt
)"""


def kept_since(now: datetime, *, days: int, zone: tzinfo) -> datetime:
    """The moment before which rows are forgotten.

    Never later than the start of the month before: a bill of the running or the last month must
    stay to be checked, however few `days` are asked for.
    """
    month = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_month = (month - timedelta(days=1)).replace(day=1)
    return min(now - timedelta(days=days), last_month)


def forget(path: Path, *, before: datetime) -> int:
    """How many rows admitted before this moment were deleted; 0 where there is no ledger yet.

    Raises:
        LedgerUnavailableError: the file is locked or unwritable; nothing was deleted.
    """
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(str(CreateTable(adjustments, if_not_exists=True)))
            for table in ("attempts", "adjustments"):
                connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_delete")
            gone = connection.execute(
                "DELETE FROM attempts WHERE admitted_at < ?", (int(before.timestamp() * 1000),)
            ).rowcount
            connection.execute(_ORPHANS)
            for trigger in SQLITE_TRIGGERS:
                connection.execute(trigger)
            connection.execute("COMMIT")
            return gone
    except sqlite3.Error as error:
        raise LedgerUnavailableError(
            f"ledger {path} let no old rows go ({error}): they go with the next try"
        ) from error
