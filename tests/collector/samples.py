"""Batches, and a ledger on a test's PostgreSQL."""

from pathlib import Path
from typing import Any

from collector.postgres_server import PASSWORD, WRITER, PostgresServer

from bailiwick_collector.credentials import FolderCredentials
from bailiwick_collector.database import Postgres
from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.settings import Credentials, Database
from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.v1.usage_pb2 import UsageBatch, UsageRow

START = 1_796_000_000_000


def login(folder: Path, *, user: str = WRITER, password: str = PASSWORD) -> Path:
    """A folder as a mounted Secret."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "username").write_text(user)
    (folder / "password").write_text(password)
    return folder


def database(server: PostgresServer, folder: Path, **changes: Any) -> Database:
    """How the collector reaches it."""
    base: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "tls": "disable",
        "credentials": Credentials(folder=str(login(folder))),
    }
    return Database(**(base | changes))


def ledger(server: PostgresServer, folder: Path) -> PostgresLedger:
    """A ledger that writes as the collector does."""
    said = database(server, folder)
    return PostgresLedger(Postgres(said, FolderCredentials(Path(said.credentials.folder))))


def row(stream_id: str = "s", attempt: int = 1, **changes: Any) -> UsageRow:
    """A settled row."""
    base: dict[str, Any] = {
        "stream_id": stream_id,
        "attempt": attempt,
        "admitted_at": START,
        "ended_at": START + 2_000,
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
        "stream": True,
        "protocol": "http",
        "state": "settled",
        "status": 200,
        "reason": "usage",
        "input_tokens": 800,
        "output_tokens": 200,
        "cost": "0.005",
        "price_source": "PriceBook/list/gpt-5-mini",
        "reserved_input_tokens": 1000,
        "reserved_output_tokens": 500,
        "reserved_cost": "0.01",
        "duration_ms": 1900,
        "first_byte_ms": 300,
        "tags": {"feature": "summarise"},
    }
    return UsageRow(**(base | changes))


def batch(tenant: str, *rows: UsageRow, namespace: str = "") -> UsageBatch:
    """Rows of the tenant's one namespace."""
    return UsageBatch(
        contract_version=CONTRACT_VERSION,
        tenant=tenant,
        namespace=namespace or f"{tenant}-prod",
        currency="EUR",
        rows=rows,
    )
