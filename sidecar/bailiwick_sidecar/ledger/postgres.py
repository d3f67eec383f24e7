"""The ledger in PostgreSQL: one tenant's rows, by a login that row-level security binds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from bailiwick_sidecar.ledger.errors import (
    LedgerUnavailableError,
    LedgerUnreadableError,
    QueryError,
)
from bailiwick_sidecar.ledger.schema import POSTGRES_STEP


@dataclass(frozen=True, slots=True)
class Database:
    """A database and the one tenant whose rows are looked at.

    Raises:
        QueryError: the URL is none, or holds a password.
    """

    url: str
    tenant: str

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.tenant:
            raise QueryError("a database is read for one tenant at a time: name it with --tenant")

    @contextmanager
    def opened(self) -> Iterator[Connection]:
        """A connection that can only read, and only this tenant's rows.

        Raises:
            LedgerUnreadableError: it can't be reached, its login could see every tenant, or is
                another tenant's.
        """
        engine = create_engine("postgresql+psycopg://", creator=lambda: self._connect(reads=True))
        try:
            with engine.connect() as connection:
                self._check(connection)
                yield connection
        except (SQLAlchemyError, psycopg.Error) as error:
            raise LedgerUnreadableError(
                f"the database can't be read ({_words(error)}): check the URL, the password file"
                " (PGPASSFILE) and the login's role; see docs/postgresql.md"
            ) from error
        finally:
            engine.dispose()

    @contextmanager
    def appending(self) -> Iterator[Connection]:
        """One transaction in which adjustments of this tenant's rows may be added; all or none.

        Raises:
            LedgerUnavailableError: it can't be reached, or this login may not adjust; nothing was
                written.
            IntegrityError: an adjustment is there already; nothing was written.
        """
        engine = create_engine("postgresql+psycopg://", creator=lambda: self._connect(reads=False))
        try:
            with engine.begin() as connection:
                self._check(connection)
                may = "SELECT has_table_privilege('adjustments', 'INSERT')"
                if not connection.exec_driver_sql(may).scalar_one():
                    raise LedgerUnavailableError(
                        "this login may read and not adjust; nothing was written: use the"
                        " tenant's adjuster (`bailiwick-collector adjuster-role`)"
                    )
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, psycopg.Error) as error:
            raise LedgerUnavailableError(
                f"the database takes no adjustments ({_words(error)}); nothing was written: check"
                " the login's role and the server, and run the command again"
            ) from error
        finally:
            engine.dispose()

    def _connect(self, *, reads: bool) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.url, connect_timeout=10)
        connection.execute("SELECT set_config('bailiwick.tenant', %s, false)", (self.tenant,))
        connection.execute("SET search_path = bailiwick")
        mode = "on" if reads else "off"
        connection.execute(f"SET default_transaction_read_only = {mode}".encode())
        connection.commit()
        return connection

    def _check(self, connection: Connection) -> None:
        unbound, reader = connection.exec_driver_sql(
            "SELECT rolsuper OR rolbypassrls,"
            " pg_has_role(current_user, 'bailiwick_reader', 'member')"
            " FROM pg_roles WHERE rolname = current_user"
        ).one()
        if unbound:
            raise LedgerUnreadableError(
                "this login sees the rows of every tenant: use the tenant's reader"
                " (`bailiwick-collector reader-role`), or a login in bailiwick_auditor"
            )
        step = connection.exec_driver_sql("SELECT version_num FROM schema_version").scalar()
        if step != POSTGRES_STEP:
            raise LedgerUnreadableError(
                f"the database has step {step} of the ledger's schema, this release reads"
                f" {POSTGRES_STEP}: use the release that belongs to it"
            )
        if reader:
            own = connection.exec_driver_sql("SELECT tenant_of(current_user)").scalar()
            if own != self.tenant:
                raise LedgerUnreadableError(
                    f"this login is the reader of {f'tenant {own}' if own else 'no tenant'}, not of"
                    f" {self.tenant}: correct --tenant, or log in as that tenant's reader"
                )


def _words(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]


def check_url(url: str) -> None:
    """Return where it names a database and holds no password.

    Raises:
        QueryError: it does not; the message holds nothing of it.
    """
    try:
        said = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        said = {}
    if not said:
        raise QueryError("--database takes a URL such as postgresql://USER@HOST/DATABASE")
    if "password" in said:
        raise QueryError(
            "--database holds a password, which everyone on this machine can see: take it out,"
            " and write it to a file that PGPASSFILE names"
        )
