"""The promise of both doors: what one bridge tells, another bridge of ours proves, hears and acts on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.signal import Signal
from scim_bridge.sandbox.kit.tls import ensure_ca
from scim_bridge.signals import set_up, stream_keys
from scim_bridge.signals.ssf_poll import Poller
from scim_bridge.signals.ssf_routes import routes
from scim_bridge.signals.streams import Stream, stream
from tests.conftest import MASTER, TESTER, run_with_store
from tests.watch.ssf_house import house


class Quiet(uvicorn.Server):
    """A server inside a test's own loop, which leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: Any, listener: socket.socket, ca: Any) -> AsyncIterator[None]:
    cert, key = ca.issue(["127.0.0.1"])
    server = Quiet(uvicorn.Config(app, log_config=None, lifespan="off", ssl_certfile=cert, ssl_keyfile=key))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
        listener.close()


def listening() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"https://127.0.0.1:{listener.getsockname()[1]}"


async def nothing(_work: Work, _signal: Signal) -> None:
    raise AssertionError("nobody leaves in this test")


@pytest.mark.parametrize("method", ["push", "poll"])
def test_a_hold_here_is_a_hold_at_another_bridge_that_knows_the_agent(
    sqlite_url, sqlite_template, clock, tmp_path, method
) -> None:
    ca = ensure_ca(tmp_path / "ca")
    other = tmp_path / "receiver.db"
    shutil.copy(sqlite_template, other)

    async def body(teller: Store) -> None:
        database = await open_database(f"sqlite:///{other}")
        hearer = Store(database, clock, UuidV7(clock))
        (there, there_url), (here, here_url) = listening(), listening()
        outbound = Outbound(allow=["127.0.0.0/8"], ca_file=ca.ca_file)
        ctx = Context(hearer, MASTER, outbound, here_url, Path())
        app = Starlette(routes=list(routes(ctx, nothing)))
        try:
            async with (
                house(teller, url=there_url, ca_file=ca.ca_file) as home,
                house(hearer) as copy,
                served(home.app, there, ca),
                served(app, here, ca),
            ):
                agent = await home.agent("one")
                known = await copy.link("bridge-a")
                twin = await copy.agent("one")
                await copy.known_as(known, twin, agent)
                secrets = {"bearer": await home.token("ssf.manage")}
                asked = Stream("", "bridge-a", "", (), method, {})
                done = await set_up.by_transmitter(ctx, TESTER, asked, there_url, secrets)
                assert not done.warning and "account-disabled" in done.events
                await stream_keys.refresh(ctx)
                poller = Poller(ctx, nothing)

                async def carried() -> None:
                    assert all(wait is None for wait in await home.told())
                    if method == "poll":
                        clock.advance(seconds=60)
                        await poller.poll_due()

                await set_up.verify(ctx, TESTER, "bridge-a")
                await carried()
                found = await stream(hearer.reads, "bridge-a")
                assert found.verified is not None and found.verified >= (found.verify_asked or 0)
                await home.hold(agent)
                await carried()
                facts = await find_agent(hearer.reads, twin)
                assert facts is not None and not facts.resource.active
                (hold,) = facts.holds
                assert hold.source == f"connection:{known}" and "account was disabled" in hold.reason
                # A good word releases nothing there: that is the connection's own to do.
                await home.release(agent)
                await carried()
                facts = await find_agent(hearer.reads, twin)
                assert facts is not None and not facts.resource.active
                refused = await hearer.reads.all("SELECT 1 FROM sb_audit WHERE action = 'signal.refused'")
                assert refused == []
                gone, trouble = await set_up.remove(ctx, TESTER, "bridge-a")
                assert trouble == "" and (await home.http.get("/ssf/streams")).status_code == 401
                assert await teller.reads.all("SELECT 1 FROM sb_tx_stream") == []
                assert gone.stream_id
                # Before the servers end, which wait for a farewell of every connection.
                await home.ctx.outbound.aclose()
                await outbound.aclose()
        finally:
            await outbound.aclose()
            await database.close()

    run_with_store(sqlite_url, clock, body)
