"""Ledger files, opened to be read alone, so that no reader waits for a gateway that writes."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Row, Select, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from bailiwick_sidecar.ledger.errors import LedgerUnreadableError
from bailiwick_sidecar.ledger.schema import SCHEMA_VERSION, SQLITE_LATER, adjustments, attempts


class LedgerDatabase(Protocol):
    """A database that questions are put to as to a file."""

    def opened(self) -> AbstractContextManager[Connection]:
        """A connection that can only read; raises LedgerUnreadableError."""
        ...

    def appending(self) -> AbstractContextManager[Connection]:
        """A transaction that adjustments may be added in; raises LedgerUnavailableError."""
        ...


Source = Path | LedgerDatabase
"""What questions are put to."""


def existing(candidates: Iterable[Path]) -> tuple[Path, ...]:
    """Those of the files that are there, in order.

    Raises:
        LedgerUnreadableError: none is.
    """
    paths = tuple(candidates)
    found = tuple(path for path in paths if path.exists())
    if not found:
        looked = f"looked for {', '.join(map(str, paths))}" if paths else "no namespace was served"
        raise LedgerUnreadableError(
            f"there is no ledger ({looked}): a gateway writes it with its first call; run "
            "`bailiwick up` with this --data-dir, or name another"
        )
    return found


def rows(paths: Sequence[Source], query: Select[Any]) -> Iterator[Row[Any]]:
    """The query's rows, source by source, as they are read.

    Raises:
        LedgerUnreadableError: a file can't be read.
    """
    for path in paths:
        with opened(path) as connection:
            yield from connection.execution_options(yield_per=1000).execute(query)


@contextmanager
def opened(path: Source) -> Iterator[Connection]:
    """A connection that can only read.

    Raises:
        LedgerUnreadableError: the file is missing, foreign, damaged or of another release.
    """
    if not isinstance(path, Path):
        with path.opened() as connection:
            yield connection
        return
    if not path.exists():
        raise LedgerUnreadableError(
            f"{path} is not there: name the data directory that the gateway writes to"
        )
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True),
    )
    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version != SCHEMA_VERSION:
                raise LedgerUnreadableError(
                    f"{path} has schema {version}, this release reads {SCHEMA_VERSION}: use the "
                    "release that wrote it"
                )
            _complete(connection)
            yield connection
    except (SQLAlchemyError, sqlite3.Error, json.JSONDecodeError) as error:
        raise LedgerUnreadableError(
            f"{path} can't be read ({getattr(error, 'orig', None) or error}): check that it is a "
            "ledger, and its mode"
        ) from error
    finally:
        engine.dispose()


def _complete(connection: Connection) -> None:
    """Stands in for the adjustments and columns that a file of an older release can't have."""
    there = {column["name"] for column in inspect(connection).get_columns(attempts.name)}
    if missing := [name for name in SQLITE_LATER if name not in there]:
        more = ", ".join(f"'' AS {name}" for name in missing)
        connection.exec_driver_sql(
            f"CREATE TEMPORARY VIEW attempts AS SELECT *, {more} FROM main.attempts"  # noqa: S608 - names of the schema
        )
    if not inspect(connection).has_table(adjustments.name):
        table = str(CreateTable(adjustments)).replace("CREATE TABLE", "CREATE TEMPORARY TABLE")
        connection.exec_driver_sql(table)
