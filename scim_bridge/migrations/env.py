"""Alembic's entry: runs the migrations on the connection that `upgrade` opened.

It is not told of the rooms' tables: only a comparison needs them, and loading them takes most of a second of a
first start.
"""

from __future__ import annotations

from alembic import context

from scim_bridge.migrations import include

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    include_name=include,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
