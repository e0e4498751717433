"""A bridge's database with many agents and a connection to a peer, and the worker processes that perform."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from scim_bridge.app import Bridge, open_bridge
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agents import refresh
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import load
from scim_bridge.settings.model import Settings
from scim_bridge.sync.apply import apply_now
from tests.conftest import TESTER
from tests.forked import Forked, process
from tests.sync.scale.peer import OWNERS, Peer, owner

T = TypeVar("T")
PORTION = 500
NAME = "there"


def settings(url: str) -> Settings:
    """Settings of a bridge that may reach this machine."""
    return Settings(database_url=url, allow_networks=("127.0.0.0/8",), secret_key="x" * 40)


def with_bridge(url: str, body: Callable[[Bridge], Awaitable[T]]) -> T:
    """Open a bridge on a database, run `body`, close it."""

    async def main() -> T:
        bridge = await open_bridge(settings(url), create=True)
        try:
            return await body(bridge)
        finally:
            await bridge.close()

    return asyncio.run(main())


async def furnish(bridge: Bridge, peer: Peer, agents: int, **more: object) -> list[str]:
    """People, a connection and so many agents; the agents' ids. `more` are settings of the connection."""
    store, master = bridge.ctx.store, bridge.ctx.master

    async def people(work: Work) -> list[str]:
        docs = [{"userName": owner(n), "displayName": f"Owner {n}"} for n in range(OWNERS)]
        return [(await create_person(work, doc, origin="test")).id for doc in docs]

    owners = await store.transact(TESTER, people)
    ids: list[str] = []
    for start in range(0, agents, PORTION):

        async def portion(work: Work, start: int = start) -> list[str]:
            made = []
            for n in range(start, min(start + PORTION, agents)):
                facts = {"purpose": f"does thing {n}", "platform": "in-house", "riskTier": "low"}
                facts["owner"] = {"value": owners[n % OWNERS]}
                doc = {
                    "userName": f"agent-{n}@agents.test",
                    "displayName": f"Agent {n}",
                    AGENT_URN: facts,
                }
                made.append((await create_agent(work, doc, origin="test", slug=f"agent-{n}")).id)
            return made

        ids += await store.transact(TESTER, portion)

    async def connect(work: Work) -> None:
        await create_connection(
            work, master, NAME, peer.kind, settings={**peer.settings, **more}, secrets=peer.secrets
        )

    await store.transact(TESTER, connect)
    return ids


async def redescribe(bridge: Bridge, agents: list[str], purpose: str) -> None:
    """Give agents another purpose."""

    async def body(work: Work) -> None:
        work.bookkeeping("test")
        for agent in agents:
            doc = (await load(work, agent, "agent")).doc
            await refresh(work, agent, {**doc, AGENT_URN: {**doc[AGENT_URN], "purpose": purpose}})

    await bridge.ctx.store.transact(TESTER, body)


async def begin(bridge: Bridge, release: str = "") -> str:
    """Plan and begin to apply; the run's id. Nobody performs it here."""
    there, idp = await bridge.idps.of(NAME)
    return await apply_now(bridge.ctx, TESTER, there, idp, release=release)


class Progress:
    """How a run stands, looked up without opening a bridge each time."""

    def __init__(self, url: str, run_id: str) -> None:
        self._run_id = run_id
        self._connection: Any
        if url.startswith("sqlite:///"):
            self._connection = sqlite3.connect(
                url.removeprefix("sqlite:///"), timeout=30, isolation_level=None
            )
            self._mark = "?"
        else:
            self._connection = psycopg.connect(url, autocommit=True)
            self._mark = "%s"

    def now(self) -> tuple[str, int]:
        """The run's state, and how many of its changes are over."""
        statement = f"SELECT state, done + moved + failed + cancelled FROM sb_run WHERE id = {self._mark}"
        state, settled = self._connection.execute(statement, (self._run_id,)).fetchone()
        return str(state), int(settled)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


def worker(url: str, forking: Path | None = None) -> Forked | subprocess.Popen[bytes]:
    """A worker process on a database, until it is killed or told to stop (SIGTERM)."""
    return process(forking, "tests.sync.scale.worker", [url], stdin=subprocess.PIPE)
