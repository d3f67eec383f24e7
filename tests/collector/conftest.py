"""One PostgreSQL for the session, with a migrated ledger; tests use tenants of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.postgres_server import OWNER, PASSWORD, WRITER, PostgresServer
from collector.samples import ledger

from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.migrating import migrate


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL with this release's schema and a login for the collector."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    try:
        migrate(server.url(OWNER))
        server.execute(f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer")
        yield server
    finally:
        server.stop()


@pytest.fixture
def into(postgres: PostgresServer, tmp_path: Path) -> Iterator[PostgresLedger]:
    """A ledger that writes as the collector does."""
    made = ledger(postgres, tmp_path / "login")
    yield made
    made.close()
