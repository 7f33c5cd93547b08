"""What Alembic runs for each command; connection and lock are those of `integrations.store.schema`."""

from alembic import context

from integrations.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
