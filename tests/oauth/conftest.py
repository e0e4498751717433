"""Fixtures of the OAuth tests: an issuer with TLS, and the bridge over both back ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from scim_bridge.kernel.clock import ManualClock, SystemClock
from tests.conftest import with_database
from tests.oauth.house import Test, live
from tests.oauth.issuer import Issuer, issuing


class Live(Protocol):
    """Runs a test body with a bridge; keywords are settings."""

    def __call__(self, test: Test, **settings: Any) -> None: ...


@pytest.fixture(scope="session")
def issuer_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the issuer's authority keeps its certificates."""
    return tmp_path_factory.mktemp("issuer")


@pytest.fixture(scope="session")
def running(issuer_directory: Path) -> Iterator[Issuer]:
    """One issuer for all tests: starting a server for each took longer than the tests."""
    with issuing(SystemClock(), issuer_directory) as made:
        yield made


@pytest.fixture
def issuer(clock: ManualClock, running: Issuer) -> Issuer:
    """The issuer as new, on the test's clock."""
    running.reset(clock)
    return running


@pytest.fixture(scope="session")
def oauth_database(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """One PostgreSQL database for all of these tests: emptying one is quicker than making one."""
    name = f"oauth_{os.getpid()}"
    admin = with_database(postgres_server, "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield with_database(postgres_server, name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def emptied(oauth_database: str) -> str:
    """The same database with nothing in it."""
    with psycopg.connect(oauth_database, autocommit=True) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'sb\\_%'").fetchall()
        for (table,) in found:
            connection.execute(f"DELETE FROM {table}")
    return oauth_database


@pytest.fixture(params=["sqlite", "postgresql"])
def bridge(request: pytest.FixtureRequest, clock: ManualClock, issuer: Issuer) -> Live:
    """The bridge, on both back ends."""
    url = str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "emptied"))
    return lambda test, **settings: live(url, clock, issuer, test, **settings)


@pytest.fixture
def sqlite_bridge(sqlite_url: str, clock: ManualClock, issuer: Issuer) -> Live:
    """The same on SQLite only, for promises that have nothing to do with the database."""
    return lambda test, **settings: live(sqlite_url, clock, issuer, test, **settings)
