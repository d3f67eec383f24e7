"""The ledger's tables, for SQLite and PostgreSQL alike.

Rows are only ever added. Times are ms since the epoch, durations ms. `cost` is the exact decimal;
`cost_micro` and `cost_rest` are the same amount as whole millionths and the picounits left over,
so that sums are exact in either database and can't overflow 64 bits.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
)

SCHEMA_VERSION: Final = 1
"""Goes up where an older release could no longer write rows; a further table does not count."""
POSTGRES_STEP: Final = "0003"
"""The last step of the schema in PostgreSQL; see the collector's migrations."""
LATER: Final = ("provider_key", "provider_key_id")
"""Which key an attempt left with: null on rows that are older than these columns."""
MICRO: Final = 10**6
"""Picounits in a millionth."""

metadata = MetaData()

attempts = Table(
    "attempts",
    metadata,
    Column("tenant", String, nullable=False),
    Column("stream_id", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("namespace", String, nullable=False),
    Column("admitted_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("team", String, nullable=False),
    Column("project", String, nullable=False),
    Column("cost_center", String, nullable=False),
    Column("user", String, nullable=False),
    Column("route", String, nullable=False),
    Column("alias", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("stream", Boolean(create_constraint=False), nullable=False),
    Column("protocol", String, nullable=False),
    Column("state", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("audio_input_tokens", BigInteger, nullable=False),
    Column("reasoning_output_tokens", BigInteger, nullable=False),
    Column("audio_output_tokens", BigInteger, nullable=False),
    Column("cost", String, nullable=False),
    Column("cost_micro", BigInteger, nullable=False),
    Column("cost_rest", BigInteger, nullable=False),
    Column("currency", String, nullable=False),
    Column("price_source", String, nullable=False),
    Column("reserved_input_tokens", BigInteger, nullable=False),
    Column("reserved_output_tokens", BigInteger, nullable=False),
    Column("reserved_cost", String, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("first_byte_ms", BigInteger, nullable=False),
    Column("tags", JSON, nullable=False),
    # Last, as where it was added to a table that was there; empty in rows of before.
    Column("gateway", String, nullable=False, server_default=""),
    Column("provider_key", String),
    Column("provider_key_id", String),
    PrimaryKeyConstraint("tenant", "stream_id", "attempt"),
    Index("attempts_by_time", "tenant", "admitted_at"),
)

SQLITE_LATER: Final = {
    "gateway": "ALTER TABLE attempts ADD COLUMN gateway VARCHAR DEFAULT '' NOT NULL",
    **{name: f"ALTER TABLE attempts ADD COLUMN {name} VARCHAR" for name in LATER},
}
"""Columns that an SQLite file of an older release lacks, and what adds them."""

adjustments = Table(
    "adjustments",
    metadata,
    Column("tenant", String, nullable=False),
    Column("stream_id", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("note", String, nullable=False),
    Column("state", String, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("price_source", String, nullable=False),
    Column("price_version", String, nullable=False),
    Column("cost", String, nullable=False),
    Column("cost_micro", BigInteger, nullable=False),
    Column("cost_rest", BigInteger, nullable=False),
    Column("delta", String, nullable=False),
    PrimaryKeyConstraint("tenant", "stream_id", "attempt", "revision"),
)
"""What was found out about a row later. Revisions of a row count from 1; the last one holds, and
says the row's state, tokens, cost and price in full; `delta` is what it changed of the cost."""

SQLITE_TRIGGERS: Final = (
    """CREATE TRIGGER IF NOT EXISTS attempts_no_update BEFORE UPDATE ON attempts
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no row is changed'); END""",
    """CREATE TRIGGER IF NOT EXISTS attempts_no_delete BEFORE DELETE ON attempts
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no row is deleted'); END""",
    # INSERT OR REPLACE deletes without that trigger, so what is there already is passed over.
    """CREATE TRIGGER IF NOT EXISTS attempts_no_replace BEFORE INSERT ON attempts
       WHEN EXISTS (SELECT 1 FROM attempts WHERE tenant = NEW.tenant
                    AND stream_id = NEW.stream_id AND attempt = NEW.attempt)
       BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER IF NOT EXISTS adjustments_no_update BEFORE UPDATE ON adjustments
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no adjustment is changed'); END""",
    """CREATE TRIGGER IF NOT EXISTS adjustments_no_delete BEFORE DELETE ON adjustments
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no adjustment is deleted'); END""",
    """CREATE TRIGGER IF NOT EXISTS adjustments_no_replace BEFORE INSERT ON adjustments
       WHEN EXISTS (SELECT 1 FROM adjustments WHERE tenant = NEW.tenant
                    AND stream_id = NEW.stream_id AND attempt = NEW.attempt
                    AND revision = NEW.revision)
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: this revision is there'); END""",
)
