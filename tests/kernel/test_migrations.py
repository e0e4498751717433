"""Promises of the migrations: what they make is what the tables say, on both back ends, once only."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from scim_bridge.migrations import config, head, include, opened, upgrade
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


def test_what_was_deleted_before_the_migration_keeps_its_name_only_when_nobody_has_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    with opened(url) as connection:
        command.upgrade(config(connection), "0008")
        for identity, space, key, deleted in (
            ("1", "user", "a", 10),
            ("2", "user", "a", 20),
            ("3", "user", "b", 10),
            ("4", "user", "b", None),
            ("5", "group", "c", 10),
        ):
            connection.execute(
                text(
                    "INSERT INTO sb_resource (id, space, kind, key, name, active, version, created, modified,"
                    " doc, rendered, deleted) VALUES (:id, :space, 'agent', :key, 'n', 1, 1, 1, 1, x'', x'', :at)"
                ),
                {"id": identity, "space": space, "key": key, "at": deleted},
            )
        connection.commit()
    asyncio.run(upgrade(url))
    with opened(url) as connection:
        rows = connection.execute(text("SELECT id, key FROM sb_resource ORDER BY id")).fetchall()
    assert [key for _, key in rows] == ["a\x1f1", "a", "b\x1f3", "b", "c\x1f5"]
