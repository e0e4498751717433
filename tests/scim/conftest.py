"""Fixtures of the front door's tests: the real application over both back ends."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.settings.scim import ScimSettings
from tests.conftest import with_database
from tests.logs import plain
from tests.scim.bridge import Bridge, serve

Door = Callable[..., None]


@pytest.fixture(autouse=True, scope="session")
def plain_logs() -> Iterator[None]:
    """Warnings and worse, as JSON: the default prints tracebacks with every local variable, which takes seconds."""
    with plain():
        yield


@pytest.fixture(scope="session")
def door_database(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """One PostgreSQL database for all tests of the door: making one takes half a second, emptying it 20 ms."""
    name = f"door_{os.getpid()}"
    admin = with_database(postgres_server, "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield with_database(postgres_server, name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def emptied(door_database: str) -> str:
    """The same database with nothing in it."""
    with psycopg.connect(door_database, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'sb\\_%'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"DELETE FROM {table}")
    return door_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "emptied"))


@pytest.fixture
def door(url: str, clock: ManualClock) -> Door:
    """Run an async test body with the door, on both back ends; keywords are settings."""

    def run(body: Callable[[Bridge], Awaitable[None]], **settings: object) -> None:
        serve(url, clock, body, ScimSettings(**settings))

    return run


@pytest.fixture
def sqlite_door(sqlite_url: str, clock: ManualClock) -> Door:
    """The same on SQLite only, for promises that have nothing to do with the database."""

    def run(body: Callable[[Bridge], Awaitable[None]], **settings: object) -> None:
        serve(sqlite_url, clock, body, ScimSettings(**settings))

    return run
