"""scim2-tester, an independent conformance checker, over real HTTP against the door."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import CheckResult, Status, check_server

from scim_bridge.departures import service as departures
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import Edge
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.scim import ScimSettings
from tests.conftest import MASTER, TESTER
from tests.scim.taught import teach

# Where the score is written down.
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "scim.md"


@contextmanager
def serving(url: str, dialect: str, settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The door behind uvicorn on a free port, in a thread of its own; base URL and token."""
    # Named as TCP, so that asyncio switches Nagle's algorithm off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ready: list[str] = []
    started = threading.Event()
    servers: list[uvicorn.Server] = []

    async def main() -> None:
        clock = ManualClock()
        database = await open_database(url, pool_size=4)
        outbound = Outbound()
        store = Store(database, clock, UuidV7(clock))
        ctx = Context(store, MASTER, outbound, base, Path())

        async def connected(work: Any) -> str:
            found = await create_connection(
                work, MASTER, "tester", "generic", dialect=dialect, settings=settings
            )
            return await create_token(work, MASTER, connection_id=found.id, scopes=CONNECTION_SCOPES)

        ready.append(await store.transact(TESTER, connected))
        app = Edge({"/scim/v2": ScimApp(ctx, ScimSettings(max_page_size=1000), departures.react)}, None)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
        servers.append(server)
        started.set()
        try:
            await server.serve(sockets=[listener])
        finally:
            await outbound.aclose()
            await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        yield base + "/scim/v2", ready[0]
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(20)


def check(url: str, dialect: str, **settings: Any) -> list[CheckResult]:
    with (
        serving(url, dialect, settings) as (base, token),
        httpx2.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=30) as http,
    ):
        return check_server(SyncSCIMClient(http))


@pytest.mark.parametrize(("dialect", "database"), [("strict", "sqlite_url"), ("generic", "emptied")])
def test_scim2_tester_finds_nothing(
    dialect: str,
    database: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    """The score the documentation cites: every check of every resource type succeeds."""
    teach(monkeypatch)
    results = check(request.getfixturevalue(database), dialect, agent_marker="userType=Agent")
    score = Counter(result.status.name for result in results)
    record_property("scim2_tester", dict(score))
    assert [(r.resource_type, r.title, r.reason) for r in results if r.status is not Status.SUCCESS] == []
    assert f"{score['SUCCESS']} checks of" in REFERENCE.read_text()
