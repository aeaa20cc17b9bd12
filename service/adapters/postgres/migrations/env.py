"""Alembic's way in: run the asked steps on the connection, and in the transaction, that the caller holds."""

from alembic import context

from service.adapters.postgres.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
