"""How Alembic reaches the database: by the connection that it is given."""

from alembic import context

from bailiwick_collector.roles import SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table="schema_version",
    version_table_schema=SCHEMA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
