"""A promise about kill -9: an event that was polled and not acknowledged is acknowledged later, and acted on once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.sandbox.kit.clock import SystemClock as SandboxClock
from scim_bridge.signals import set_up, stream_keys
from scim_bridge.signals.streams import POLL, Stream
from tests.conftest import MASTER, TESTER, run_with_store
from tests.sandbox.servers import Running
from tests.signals.ssf_stage import SharedClock, afresh
from tests.signals.test_news_killed import bridge, free_port, read, until


def test_a_server_killed_between_taking_an_event_and_acknowledging_it_takes_it_once(
    ssf_sandbox: tuple[Running, SharedClock],
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forking: Path,
) -> None:
    sandbox, shared = ssf_sandbox
    shared.inner = SandboxClock()
    afresh(sandbox)
    monkeypatch.setenv("SCIM_BRIDGE_CA_FILE", sandbox.ca_file)

    async def furnish(work: Work) -> None:
        await create_connection(work, MASTER, "acme", "generic")
        maria = await create_person(work, {"userName": "maria@corp.test"}, origin="test")
        doc = {"userName": "bot@agents.test", AGENT_URN: {"owner": {"value": maria.id}}}
        await create_agent(work, doc, origin="test", slug="bot")

    async def furnished(store: Store) -> None:
        await store.transact(TESTER, furnish)
        outbound = Outbound(allow=["127.0.0.0/8"], ca_file=sandbox.ca_file)
        ctx = Context(store, MASTER, outbound, "https://127.0.0.1", Path())
        (client,) = (await asyncio.to_thread(sandbox.control.get, "/client")).json()["clients"]
        secrets = {"client_id": client["client_id"], "client_secret": client["secret"]}
        asked = Stream("", "acme", "", (), POLL, {"token": f"{sandbox.url}/token"}, by_email=True)
        await set_up.by_transmitter(ctx, TESTER, asked, sandbox.url, secrets)
        await stream_keys.refresh(ctx)
        await outbound.aclose()

    run_with_store(sqlite_url, SystemClock(), furnished)  # type: ignore[arg-type]
    subject = {"format": "email", "email": "maria@corp.test"}
    sandbox.control.post("/events", json={"event": "account-disabled", "subject": subject}).raise_for_status()
    # The event comes with the first answer to a poll; whatever would acknowledge it is not heard.
    deaf = {"action": "status", "status": 500, "path": "/ssf/poll", "after": 1, "times": None}
    sandbox.control.put("/faults", json={"faults": [deaf]}).raise_for_status()
    log = tmp_path / "server.log"
    there: Any = SimpleNamespace(sandbox=sandbox)
    with bridge(sqlite_url, there, (free_port(), free_port()), log, forking) as server:
        until(lambda: read(sqlite_url, "SELECT 1 AS x FROM sb_signal"), lambda: log.read_text()[-4000:])
        server.send_signal(signal.SIGKILL)
        server.wait(10)
    assert [one["state"] for one in sandbox.control.get("/sets").json()["sets"]] == ["waiting"]
    sandbox.control.put("/faults", json={"faults": []}).raise_for_status()
    read_again = "UPDATE sb_ssf_stream SET poll_next = 0"
    run_with_store(sqlite_url, SystemClock(), _running(read_again))  # type: ignore[arg-type]
    with bridge(sqlite_url, there, (free_port(), free_port()), log, forking):
        until(
            lambda: sandbox.control.get("/sets").json()["sets"][0]["state"] == "taken",
            lambda: log.read_text()[-4000:],
        )
    assert len(read(sqlite_url, "SELECT 1 AS x FROM sb_signal")) == 1
    assert len(read(sqlite_url, "SELECT 1 AS x FROM sb_departure")) == 1
    assert read(sqlite_url, "SELECT active FROM sb_resource WHERE kind = 'agent'")[0]["active"] == 0


def _running(sql: str) -> Any:
    """A body that runs one statement: the next poll need not wait out its pause."""

    async def change(work: Work) -> None:
        work.bookkeeping("a test does not wait")
        await work.tx.run(sql)

    async def body(store: Store) -> None:
        await store.transact(TESTER, change)

    return body
