"""Which key an attempt left with; and logins of finance, which add adjustments and nothing else."""

from alembic import op

from bailiwick_collector.roles import ADJUSTER, SCHEMA

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns, null on rows that are there, and the right to adjust."""
    op.execute(f"SET LOCAL search_path = {SCHEMA}, pg_temp")
    op.execute(
        "ALTER TABLE attempts ADD COLUMN provider_key varchar, ADD COLUMN provider_key_id varchar"
    )
    op.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {ADJUSTER}")
    op.execute(f"GRANT INSERT ON adjustments TO {ADJUSTER}")
    # What a policy looks up, it sees as whoever asks: the attempt has to be one of the tenant's
    # that this login may read, by the policies on attempts. Alone the group may do nothing.
    op.execute(
        f"CREATE POLICY appended ON adjustments FOR INSERT TO {ADJUSTER} WITH CHECK (EXISTS ("
        "SELECT FROM attempts WHERE attempts.tenant = adjustments.tenant"
        " AND attempts.stream_id = adjustments.stream_id"
        " AND attempts.attempt = adjustments.attempt))"
    )


def downgrade() -> None:
    """Never: a ledger is not taken down by a command."""
    raise NotImplementedError(
        "no command takes a ledger down: export what is to be kept, then drop the database"
    )
