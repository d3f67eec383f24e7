"""The schema brought to this release, by whoever owns it."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from bailiwick_collector.errors import DatabaseAwayError
from bailiwick_collector.roles import SCHEMA, groups, reader


def migrate(url: str, *, to: str = "head") -> None:
    """Make the schema, its roles and tables, or bring them to this release's.

    `url` is a libpq connection URI or string; the password comes from a password file. `to` is
    the step to stop at: the newest, unless a test wants what an older release left.

    Raises:
        DatabaseAwayError: it can't be reached, or the login may not do it; nothing was changed.
    """
    with_owner(url, (*groups(), sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(_schema())))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    try:
        with engine.begin() as connection:
            _upgrade(config, connection, to)
    except SQLAlchemyError as error:
        raise _refused(error) from error
    finally:
        engine.dispose()


def make_reader(url: str, tenant: str, *, adjusts: bool = False) -> None:
    """Make the role that reads (and adjusts) this tenant's rows; errors as `migrate`."""
    with_owner(url, reader(tenant, adjusts=adjusts))


def with_owner(url: str, statements: Sequence[sql.Composed]) -> None:
    """Run the statements in one transaction; errors as `migrate`."""
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            for statement in statements:
                connection.execute(statement)
    except psycopg.Error as error:
        raise _refused(error) from error


def _upgrade(config: Config, connection: Connection, to: str) -> None:
    # One at a time, whoever else starts.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('bailiwick.migrate'))")
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _schema() -> sql.Identifier:
    return sql.Identifier(SCHEMA)


def _refused(error: Exception) -> DatabaseAwayError:
    words = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
    return DatabaseAwayError(
        f"PostgreSQL does not do it ({words}): log in as the ledger's owner, who may create roles"
        " and schemas in this database; see docs/postgresql.md"
    )
