"""Fixtures: a real SQLite file and a real PostgreSQL database for each test, migrated as at start."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from scim_bridge.kernel import database_sqlite
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store
from tests.shared import Shared, copied, with_database

T = TypeVar("T")

# The same examples each time: a red run is the change's fault, not the day's. HYPOTHESIS_PROFILE=explore looks further.
UNTIMED = [HealthCheck.too_slow]
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=UNTIMED)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

# Files whose one test takes a minute start first, so that no worker is left alone with them at the end.
LONG = (
    "tests/story/test_kills",
    "tests/story/",
    "tests/chaos/",
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
SHARED = pytest.StashKey[Shared]()
DURABILITY = pytest.StashKey[str]()
_count = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, in a stable order."""
    items.sort(
        key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), 99)
    )


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the workers, or is the only one, knows the folder they share."""
    if not hasattr(config, "workerinput"):
        config.stash[SHARED] = Shared.fresh()
    # No test takes the power away: in these processes a commit does not wait for the disk, but where a test
    # asks for `durable`.
    config.stash[DURABILITY], database_sqlite.SYNCHRONOUS = database_sqlite.SYNCHRONOUS, "OFF"
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts what runs in its background so, and every process that a test starts would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of it."""
    node.workerinput["shared"] = str(node.config.stash[SHARED].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing is left of it."""
    if SHARED in config.stash:
        config.stash[SHARED].thrown_away()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """In a fresh clone no test file is compiled yet: one worker does it, not each of them."""
    told = getattr(session.config, "workerinput", None)
    if told is None:
        return (yield)
    with Shared(Path(told["shared"])).first("collected"):
        return (yield)


@pytest.fixture(scope="session")
def shared(pytestconfig: pytest.Config) -> Shared:
    """What all workers of this run share."""
    told = getattr(pytestconfig, "workerinput", None)
    return pytestconfig.stash[SHARED] if told is None else Shared(Path(told["shared"]))


@pytest.fixture(scope="session")
def sqlite_template(shared: Shared) -> Path:
    """A migrated SQLite file to copy from."""
    return shared.sqlite_template()


@pytest.fixture(scope="session")
def postgres_server(shared: Shared) -> str:
    """The URL of a PostgreSQL server of this run (no database name)."""
    return shared.postgres()


@pytest.fixture(scope="session")
def postgres_template(shared: Shared) -> str:
    """A migrated PostgreSQL database to create others from."""
    return shared.postgres_template()


@pytest.fixture(scope="session")
def forking(shared: Shared) -> Path:
    """The socket of the process that forks others, for `tests.forked.Forked`."""
    return shared.forking()


@pytest.fixture
def durable(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite commits as the program does it."""
    monkeypatch.setattr(database_sqlite, "SYNCHRONOUS", pytestconfig.stash[DURABILITY])


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite file."""
    path = tmp_path / "bridge.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_admin(postgres_server: str) -> Iterator[psycopg.Connection]:
    """A connection by which databases are made and dropped."""
    with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgres_url(
    postgres_server: str, postgres_admin: psycopg.Connection, postgres_template: str
) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    name = f"t{os.getpid()}_{next(_count)}"
    postgres_admin.execute(copied(name))
    yield with_database(postgres_server, name)
    postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
