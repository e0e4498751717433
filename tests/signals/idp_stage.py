"""A bridge that an IdP's sandbox can really call: our doors over HTTPS, people with agents, effects by hand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import orjson
import uvicorn
from starlette.applications import Starlette

from scim_bridge.audit.record import effect_settled
from scim_bridge.departures.service import react, settled
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Done, Effect, Effects, Outcome
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.connections import Connection, create_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.outward import CREDENTIAL_REVOKE, IDP_PUSH, NOTIFY, RUNTIME_HOOK
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import set_external_id
from scim_bridge.registry.tokens import create_token
from scim_bridge.sandbox.kit.tls import LocalCa
from scim_bridge.signals.doors import Door, door
from scim_bridge.signals.idp import doors as idp_doors
from scim_bridge.signals.idp import reading
from scim_bridge.signals.idp.news import NEWS_READ
from scim_bridge.sync.idp.open import Idps
from tests.conftest import MASTER, TESTER
from tests.sandbox.servers import Running

OUTWARD = (IDP_PUSH, RUNTIME_HOOK, NOTIFY, CREDENTIAL_REVOKE)


def real_time() -> ManualClock:
    """A clock that stands still at this moment: a sandbox's tokens are good only near the real time."""
    return ManualClock(time.time_ns() // 1000)


async def _elsewhere(_effect: Effect) -> Outcome:
    return Done()


@dataclass
class Stage:
    """The bridge with one connection to a running sandbox."""

    store: Store
    clock: ManualClock
    running: Running
    ctx: Context
    idps: Idps
    connection: Connection
    effects: Effects
    url: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call that steers the sandbox, from a thread: it may call us before it answers."""
        answer = await asyncio.to_thread(self.running.control.request, method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def owner(self, name: str, external_id: str | None = None, user_name: str = "") -> str:
        """A person who owns one agent, known to the connection by `external_id`; the person's id."""

        async def body(work: Work) -> str:
            made = await create_person(work, {"userName": user_name or f"{name}@corp.test"}, origin="test")
            if external_id is not None:
                set_external_id(work, made, self.connection.id, None, external_id)
            doc = {"userName": f"{name}-bot@agents.test", AGENT_URN: {"owner": {"value": made.id}}}
            agent = await create_agent(work, doc, origin="test", slug=f"{name}-bot")
            self.ids |= {name: made.id, f"{name}-bot": agent.id}
            return made.id

        return await self.store.transact(TESTER, body)

    async def active(self, slug: str) -> bool:
        """Whether an agent may act."""
        agent_id = self.ids[slug]
        return (await facts_of(self.store.reads, [agent_id]))[agent_id].resource.active

    async def look(self) -> int:
        """Look once into everything that waits to be looked into; how much that was."""
        rows = await self.store.reads.all(
            "SELECT id FROM sb_effect WHERE kind = ? AND state IN ('pending', 'handed') ORDER BY created, id",
            NEWS_READ,
        )
        for row in rows:
            await self.effects.attempt(row["id"])
        return len(rows)

    async def finish(self) -> None:
        """Make every outward call that waits."""
        rows = await self.store.reads.all(
            "SELECT id FROM sb_effect WHERE state IN ('pending', 'handed') ORDER BY created, id"
        )
        for row in rows:
            await self.effects.attempt(row["id"])

    async def signals(self) -> list[tuple[str, str]]:
        """Kind and person of every signal, in the order they came."""
        rows = await self.store.reads.all("SELECT kind, person_id FROM sb_signal ORDER BY received, id")
        names = {value: name for name, value in self.ids.items()}
        return [(row["kind"], names.get(row["person_id"], str(row["person_id"]))) for row in rows]

    async def audited(self, action: str) -> list[dict[str, Any]]:
        """The details of the audit rows of an action."""
        rows = await self.store.reads.all("SELECT detail FROM sb_audit WHERE action = ? ORDER BY id", action)
        return [orjson.loads(row["detail"]) for row in rows]

    async def cases(self) -> list[Mapping[str, Any]]:
        """Every departure."""
        rows = await self.store.reads.all("SELECT * FROM sb_departure ORDER BY heard_at, id")
        return [dict(row) for row in rows]

    async def door(self, kind: str) -> Door:
        """One of the connection's doors."""
        found = await door(self.store.reads, f"{kind}:{self.connection.name}")
        assert found is not None, f"the door {kind} was never opened"
        return found

    async def signals_token(self, scopes: tuple[str, ...] = ("signals",)) -> str:
        """A token of the connection."""

        async def body(work: Work) -> str:
            return await create_token(work, MASTER, connection_id=self.connection.id, scopes=scopes)

        return await self.store.transact(TESTER, body)

    async def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """A call of our doors, not from the sandbox."""
        async with self.calling() as client:
            return await client.request(method, path, **more)

    def calling(self) -> httpx2.AsyncClient:
        """A client of our doors, without a network."""
        transport = httpx2.ASGITransport(app=Starlette(routes=idp_doors.routes(self.ctx)))
        return httpx2.AsyncClient(transport=transport, base_url="https://bridge.test")


@cache
def _issued(ca_file: str, ca: LocalCa) -> tuple[Path, Path]:
    return ca.issue(["127.0.0.1"])


def certificate(running: Running) -> tuple[Path, Path]:
    """A certificate of a sandbox's authority for this machine, and its key; made once."""
    return _issued(running.ca_file, running.sandbox.ca)


@contextlib.asynccontextmanager
async def stage(
    store: Store,
    clock: ManualClock,
    running: Running,
    kind: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, Any],
) -> AsyncIterator[Stage]:
    """A bridge with a connection "acme" of this kind, its doors listening on HTTPS with the sandbox's authority."""

    async def made(work: Work) -> Connection:
        return await create_connection(
            work, MASTER, "acme", kind, settings=dict(settings), secrets=dict(secrets)
        )

    chosen = await store.transact(TESTER, made)
    cert, key = certificate(running)
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    ctx = Context(store, MASTER, Outbound(allow=["127.0.0.0/8"]), url, Path())
    idps = Idps(ctx)
    handlers = {**reading.handlers(ctx, idps.news, react), **dict.fromkeys(OUTWARD, _elsewhere)}
    effects = Effects(store, handlers, [effect_settled, settled])
    app = Starlette(routes=idp_doors.routes(ctx))
    config = uvicorn.Config(
        app, ssl_certfile=cert, ssl_keyfile=key, log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(120):
            while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
                await asyncio.sleep(0.01)
        yield Stage(store, clock, running, ctx, idps, chosen, effects, url)
    finally:
        server.should_exit = True
        await serving
        listening.close()
        await idps.close()
        await ctx.outbound.aclose()
