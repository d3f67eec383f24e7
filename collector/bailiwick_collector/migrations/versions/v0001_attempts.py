"""The ledger's tables: partitioned by month, append-only, each tenant's rows for it alone."""

from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from bailiwick_collector.migrations.guards import APPEND_ONLY, POLICIES, READERS
from bailiwick_collector.migrations.months import MONTHS, partition_by_month, without
from bailiwick_collector.roles import SCHEMA
from bailiwick_sidecar.ledger.schema import LATER, adjustments, attempts

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, their guards, and the functions that keep partitions ahead."""
    op.execute(f"SET LOCAL search_path = {SCHEMA}, pg_temp")
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    create = str(CreateTable(attempts).compile(dialect=dialect))
    op.execute(partition_by_month(without(create, LATER)))
    op.execute("CREATE INDEX attempts_by_time ON attempts (tenant, admitted_at)")
    op.execute("CREATE TABLE attempts_elsewhere PARTITION OF attempts DEFAULT")
    op.execute(str(CreateTable(adjustments).compile(dialect=dialect)))
    for statement in (*MONTHS, *APPEND_ONLY, *READERS, *POLICIES):
        op.execute(statement)


def downgrade() -> None:
    """Never: a ledger is not taken down by a command."""
    raise NotImplementedError(
        "no command takes a ledger down: export what is to be kept, then drop the database"
    )
