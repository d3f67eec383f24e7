"""The embedded ledger: an SQLite file that takes batches of rows."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from bailiwick_sidecar.accounting.model import Row
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.rows import COLUMNS, Owner, values
from bailiwick_sidecar.ledger.schema import (
    SCHEMA_VERSION,
    SQLITE_LATER,
    SQLITE_TRIGGERS,
    attempts,
    metadata,
)

BUSY_SECONDS: Final = 2.0
"""How long a batch waits for another process that holds the file."""


class RowSink(Protocol):
    """Where batches of rows go; used by one thread."""

    def write(self, rows: Sequence[Row]) -> None:
        """Keep the rows durably; rows that are there already change nothing.

        Raises:
            LedgerUnavailableError: none of them is sure to be kept; write them again.
        """
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class SqliteLedger:
    """A ledger in one file of mode 0600, made when first needed.

    Its write-ahead log lets readers go on while it is written.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        """A ledger that opens its file with the first batch, and again after a failure."""
        self.path = path
        self._owner = owner
        self._engine: Engine | None = None
        self._insert = ""

    def write(self, rows: Sequence[Row]) -> None:
        """Keep the rows in one transaction that is on disk when this returns.

        Raises:
            LedgerUnavailableError: the file is locked, unwritable or not of this release.
        """
        if not rows:
            return
        try:
            engine = self._engine or self._open()
            with engine.begin() as connection:
                connection.exec_driver_sql(self._insert, [values(row, self._owner) for row in rows])
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self.close()
            raise LedgerUnavailableError(
                f"ledger {self.path} takes no rows ({_cause(error)}): they stay in the journal "
                "and follow when it does"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        engine = create_engine(
            f"sqlite:///{self.path}",
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare)
        try:
            with engine.begin() as connection:
                _check_version(connection, self.path)
                metadata.create_all(connection)
                add_columns(connection)
                for trigger in SQLITE_TRIGGERS:
                    connection.exec_driver_sql(trigger)
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except BaseException:
            engine.dispose()
            raise
        statement = insert(attempts).values(dict.fromkeys(COLUMNS)).on_conflict_do_nothing()
        # Compiled once: for each batch SQLAlchemy would convert every value again.
        self._insert = str(statement.compile(dialect=engine.dialect))
        self._engine = engine
        return engine


def add_columns(connection: Connection) -> None:
    """A file of an older release has every column afterwards."""
    there = {column["name"] for column in inspect(connection).get_columns(attempts.name)}
    for name, statement in SQLITE_LATER.items():
        if name not in there:
            connection.exec_driver_sql(statement)


def _check_version(connection: Connection, path: Path) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version not in (0, SCHEMA_VERSION):
        raise LedgerUnavailableError(
            f"ledger {path} has schema {version}, this release writes {SCHEMA_VERSION}: use the "
            "release that wrote it, or move the file away"
        )


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    # FULL: rows of which the ledger has said that it keeps them are deleted from the journal.
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
