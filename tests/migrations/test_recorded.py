"""Old to new: what an earlier release left is all there after the upgrade, and the program serves it.

New to old: what an earlier release writes and asks still works on the schema of this one, so that both may run while
replicas are replaced, and one step back is possible. The rows were left by those releases themselves (`record.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest
from sqlalchemy import text

from scim_bridge.app import open_bridge
from scim_bridge.kernel.sql import numbered
from scim_bridge.migrations import head, opened, upgrade
from scim_bridge.moving.checks import chain
from scim_bridge.moving.sides import opened as side_of
from scim_bridge.server import Server
from scim_bridge.settings.model import Settings
from tests.conftest import with_database
from tests.migrations.recordings import REVISIONS, fill, read, recording, restored, schema, told

BASE = "http://bridge.test"
_count = itertools.count(1)
# What a migration rewrites on purpose; everything else stays as it was, to the byte.
REWRITTEN: dict[str, set[str]] = {}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bridge.db'}"
        return
    admin: psycopg.Connection = request.getfixturevalue("postgres_admin")
    name = f"old{os.getpid()}_{next(_count)}"
    admin.execute(f"CREATE DATABASE {name}")
    yield with_database(request.getfixturevalue("postgres_server"), name)
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


Ask = Callable[[str, str], Awaitable[httpx2.Response]]


def served(url: str, key: str, body: Callable[[Ask, Server], Awaitable[None]]) -> None:
    """Run a body that asks the whole program on this database."""

    async def main() -> None:
        bridge = await open_bridge(Settings(database_url=url, secret_key=key, public_url=BASE))
        server = Server(bridge)
        try:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=server.app)) as client:

                async def ask(path: str, token: str) -> httpx2.Response:
                    return await client.get(f"{BASE}{path}", headers={"authorization": f"Bearer {token}"})

                await body(ask, server)
        finally:
            await bridge.close()

    asyncio.run(main())


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_an_earlier_release_left_is_whole_after_the_upgrade_and_is_served(
    empty: str, revision: str
) -> None:
    old = restored(empty, revision)
    asyncio.run(upgrade(empty))
    with opened(empty) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == head()
        for table, rows in old.rows.items():
            columns = [name for name in rows[0] if name not in REWRITTEN.get(table, set())]
            assert told(rows, columns) <= read(connection, table, columns), table
    with closing(side_of(empty)) as side:
        found = chain(side)
        assert found["findings"] == [] and found["rows"] > 50
    agents = {
        row["id"]: bool(row["active"])
        for row in old.rows["sb_resource"]
        if row["kind"] == "agent" and row["deleted"] is None
    }
    external = {row["external_id"] for row in old.rows["sb_external"]}

    async def body(ask: Ask, server: Server) -> None:
        found = (await ask("/scim/v2/Agents?count=200", old.tokens["okta"])).json()["Resources"]
        assert {one["id"]: one["active"] for one in found} == agents and len(agents) > 5
        people = (await ask("/scim/v2/Users?count=200", old.tokens["okta"])).json()["Resources"]
        assert {one["externalId"] for one in people if "externalId" in one} <= external
        shown = (await ask("/api/v1/agents", old.tokens["admin"])).json()["items"]
        assert {one["id"] for one in shown} == set(agents)
        cases = (await ask("/api/v1/departures", old.tokens["admin"])).json()["items"]
        assert {one["id"] for one in cases} == {row["id"] for row in old.rows["sb_departure"]}
        lines = {one["component"]: one["state"] for one in (await ask("/readyz", "")).json()["components"]}
        assert lines["database"] == lines["migrations"] == "ok"

    served(empty, old.key, body)


def test_what_the_release_before_writes_and_asks_works_on_the_schema_of_this_one(empty: str) -> None:
    old = recording(REVISIONS[-1])
    with opened(empty) as connection:
        schema(connection, old.revision)
    with compiling(empty) as compiles:
        understood = [one for one in old.statements if compiles(one)]
    assert len(understood) > 100
    asyncio.run(upgrade(empty))
    with opened(empty) as connection:
        fill(connection, old.rows)
    with compiling(empty) as compiles:
        assert [one for one in understood if not compiles(one)] == []


@contextmanager
def compiling(url: str) -> Iterator[Callable[[str], bool]]:
    """Tells of a statement whether the database finds every table and column in it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:

            def explained(statement: str) -> bool:
                try:
                    file.execute(f"EXPLAIN {statement}", [None] * statement.count("?"))
                except sqlite3.Error:
                    return False
                return True

            yield explained
        return
    with psycopg.connect(url, autocommit=True) as server:

        def prepared(statement: str) -> bool:
            try:
                server.execute(f"PREPARE s{next(_count)} AS {numbered(statement)}".encode())
            except psycopg.Error:
                return False
            return True

        yield prepared
