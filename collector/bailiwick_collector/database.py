"""Connections to PostgreSQL: with the newest login, to the server that takes writes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from bailiwick_collector.credentials import CredentialSource
from bailiwick_collector.errors import CredentialsError, DatabaseAwayError
from bailiwick_collector.roles import SCHEMA
from bailiwick_collector.settings import Database

log = logging.getLogger(__name__)

CONNECT_S: Final = 5
STATEMENT_MS: Final = 20_000
"""Shorter than an agent waits for its answer."""


class Postgres:
    """A pool of connections; used from threads."""

    def __init__(self, said: Database, credentials: CredentialSource) -> None:
        self._said = said
        self._credentials = credentials
        self._engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=said.connections,
            max_overflow=0,
            pool_timeout=10,
            pool_recycle=900,
        )
        event.listen(self._engine, "checkout", self._check_user)

    @contextmanager
    def transaction(self, *, tenant: str = "") -> Iterator[Connection]:
        """A transaction that sees and adds this tenant's rows alone; without a tenant, none.

        Committed when it is left without an exception, which means: on the database's disk.

        Raises:
            DatabaseAwayError: nothing is sure to be done; do it again.
        """
        try:
            with self._engine.connect() as connection:
                try:
                    with connection.begin():
                        connection.exec_driver_sql(
                            "SELECT set_config('bailiwick.tenant', %s, true)", (tenant,)
                        )
                        yield connection
                except SQLAlchemyError:
                    # Whatever it was: a standby that was promoted meanwhile, or a dead socket.
                    connection.invalidate()
                    raise
        except (SQLAlchemyError, psycopg.Error) as error:
            raise DatabaseAwayError(
                f"PostgreSQL at {self._said.host} does not do it ({_words(error)}): look at the"
                " server, and at the login's rights"
            ) from error
        except CredentialsError as error:
            raise DatabaseAwayError(str(error)) from error

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _check_user(
        self, connection: "psycopg.Connection[Any]", _: ConnectionPoolEntry, __: object
    ) -> None:
        """Leaves a login that was replaced, which ends before long: the pool connects anew."""
        if self._credentials.superseded(connection.info.user):
            raise DisconnectionError

    def _connect(self) -> psycopg.Connection[Any]:
        said = self._said
        user = self._credentials.user()
        more: dict[str, Any] = {"sslrootcert": said.ca_file} if said.ca_file else {}
        try:
            connection = psycopg.connect(
                host=said.host,
                port=said.port,
                dbname=said.name,
                user=user.name,
                password=user.password.reveal(),
                sslmode=said.tls,
                target_session_attrs="read-write",
                connect_timeout=CONNECT_S,
                tcp_user_timeout=10_000,
                keepalives_idle=30,
                application_name="bailiwick-collector",
                options=f"-c search_path={SCHEMA} -c statement_timeout={STATEMENT_MS}"
                " -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
                **more,
            )
        except psycopg.Error as error:
            # Where the server was not reached, or asked for no password, it refused nobody.
            if error.pgconn is None or error.pgconn.used_password:
                self._credentials.refused()
            raise
        # Rows of which an agent hears that they are kept are deleted from its journal.
        if connection.execute("SHOW synchronous_commit").fetchone() == ("off",):
            connection.execute("SET synchronous_commit = on")
        connection.commit()
        return connection


def _words(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
