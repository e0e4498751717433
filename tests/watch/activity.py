"""A sender of activity as tests use it: a client with a token in front of a few agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.kernel.clock import ManualClock, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.watch import AlertSettings
from scim_bridge.watch.intake import MOST, Intake
from scim_bridge.watch.routes import ActivityDoor
from scim_bridge.watch.watcher import Watcher
from tests.conftest import MASTER, TESTER

OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]
DEFAULT = AlertSettings()


@dataclass
class Sender:
    """A client with a token, and what stands behind the door it sends to."""

    http: httpx2.AsyncClient
    ctx: Context
    clock: ManualClock
    token: str
    intake: Intake
    agents: dict[str, str]
    asked: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0

    @property
    def store(self) -> Store:
        """The store behind the door."""
        return self.ctx.store

    async def post(self, body: Any, path: str = "/activity", **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, content=content, headers=sent)

    def event(self, **more: Any) -> dict[str, Any]:
        self.count += 1
        told = {"id": f"e{self.count}", "agent": "triage", "action": "read", "time": iso(self.clock.now())}
        return told | more

    async def sent(self, *events: Any) -> dict[str, Any]:
        answer = await self.post({"source": "test", "events": list(events)})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def looked(self, settings: AlertSettings = DEFAULT) -> list[Any]:
        """Let the worker look once; every alert, the newest first."""

        async def ask(_work: Work, agent_id: str, why: str) -> bool:
            self.asked.append((agent_id, why))
            return True

        await Watcher(self.ctx, settings, ask).look()
        return list(await self.store.reads.all("SELECT * FROM sb_alert ORDER BY id DESC"))


def with_sender(
    on_store: OnStore, clock: ManualClock, body: Callable[[Sender], Awaitable[None]], *, most: int = MOST
) -> None:
    """Run `body` with agents triage (declares the tools search and mail), refunds and batch (load)."""

    async def main(store: Store) -> None:
        async def setup(work: Work) -> tuple[str, dict[str, str]]:
            token = await create_token(work, MASTER, connection_id=None, scopes=("activity",))
            tools = {"triage": ["search", "mail"], "batch": ["load"]}
            made = {}
            for slug in ("triage", "refunds", "batch"):
                doc = {"userName": f"{slug}@agents.test", AGENT_URN: {"tools": tools.get(slug, [])}}
                made[slug] = (await create_agent(work, doc, origin="test", slug=slug)).id
            return token, made

        token, agents = await store.transact(TESTER, setup)
        ctx = Context(store, MASTER, Outbound(allow=["127.0.0.0/8"]), "https://bridge.test", Path())
        intake = Intake(store, most=most)
        door = ActivityDoor(ctx, intake)
        web = Starlette(routes=door.routes(), exception_handlers={404: unrouted, Exception: unexpected})
        transport = httpx2.ASGITransport(app=Edge({}, web), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.test") as http:
            await body(Sender(http, ctx, clock, token, intake, agents))
        await ctx.outbound.aclose()

    on_store(main)
