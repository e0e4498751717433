"""Promises of the migrations: what they make is what the tables say, on both back ends, once only."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from scim_bridge.migrations import head, include, opened, upgrade
from scim_bridge.migrations.rooms import metadata


def test_a_migrated_database_is_exactly_what_the_tables_say(database_url: str) -> None:
    with opened(database_url) as connection:
        context = MigrationContext.configure(connection, opts={"include_name": include})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == head()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fresh' / 'bridge.db'}"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: asyncio.run(upgrade(url)), range(4)))
    with sqlite3.connect(tmp_path / "fresh" / "bridge.db") as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
    database.close()
