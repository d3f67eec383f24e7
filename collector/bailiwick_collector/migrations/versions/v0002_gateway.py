"""Each row says which gateway it is of, so that counters can be rebuilt gateway by gateway."""

from alembic import op

from bailiwick_collector.roles import SCHEMA

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; rows that are there have it empty."""
    # A database that was made by this release has it from its first step, which makes the tables
    # as they are now. A default that is a constant rewrites no row.
    op.execute(
        f"ALTER TABLE {SCHEMA}.attempts ADD COLUMN IF NOT EXISTS"
        " gateway varchar DEFAULT '' NOT NULL"
    )


def downgrade() -> None:
    """Never: see the first step."""
    raise NotImplementedError(
        "no command takes a ledger's column away: export what is to be kept, then drop the database"
    )
