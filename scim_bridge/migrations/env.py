"""Alembic's entry: runs the migrations on the connection that `upgrade` opened."""

from __future__ import annotations

from alembic import context

from scim_bridge.migrations import include
from scim_bridge.migrations.rooms import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_name=include,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
