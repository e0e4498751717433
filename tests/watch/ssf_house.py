"""A transmitter over a real store, and what happens in it: for the tests of what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from scim_bridge.audit.record import effect_settled
from scim_bridge.audit.seal import seal
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.resources import INSERT_EXTERNAL
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.model import TransmitterSettings
from scim_bridge.watch import ssf_push
from scim_bridge.watch.ssf_fill import fill
from scim_bridge.watch.ssf_routes import routes
from tests.conftest import MASTER, TESTER
from tests.watch.ssf_client import Client

URL = "https://bridge.test"


@dataclass
class House:
    """A transmitter: its store, its doors, and who performs its effects."""

    store: Store
    ctx: Context
    app: Starlette
    http: httpx2.AsyncClient

    async def token(self, *scopes: str, connection: str | None = None) -> str:
        async def body(work: Work) -> str:
            found = await self.connection(connection) if connection else None
            return await create_token(work, MASTER, connection_id=found, scopes=scopes)

        return await self.store.transact(TESTER, body)

    async def connection(self, name: str) -> str:
        row = await self.store.reads.one("SELECT id FROM sb_connection WHERE name = ?", name)
        assert row is not None
        return str(row["id"])

    async def client(self, *scopes: str, connection: str | None = None) -> Client:
        made = Client(self.http, await self.token(*(scopes or ("ssf.manage",)), connection=connection))
        await made.discover()
        return made

    async def listener(self, connection: str | None = None, **said: Any) -> Client:
        """A receiver with a stream that it polls."""
        made = await self.client(connection=connection)
        await made.create(**said)
        await made.fetch_keys()
        return made

    async def agent(self, name: str, environment: str = "production") -> str:
        doc = {
            "userName": f"{name}@agents.test",
            "emails": [{"value": f"{name}@mail.test", "primary": True}],
            AGENT_URN: {"environment": environment},
        }
        made = await self.store.transact(
            TESTER, lambda work: create_agent(work, doc, origin="test", slug=name)
        )
        await self.sealed()
        return made.id

    async def link(self, name: str, settings: dict[str, Any] | None = None) -> str:
        async def body(work: Work) -> str:
            return (await create_connection(work, MASTER, name, "generic", settings=settings)).id

        return await self.store.transact(TESTER, body)

    async def known_as(self, connection: str, agent_id: str, external: str) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run(INSERT_EXTERNAL, agent_id, connection, "user", external, work.now)

        await self.store.transact(TESTER, body)

    async def hold(self, agent_id: str, source: str = "admin") -> None:
        await self.store.transact(
            TESTER,
            lambda work: place_hold(work, agent_id, source, source, "Olga said so", "an admin releases it"),
        )
        await self.sealed()

    async def release(self, agent_id: str, source: str = "admin") -> None:
        await self.store.transact(TESTER, lambda work: release_hold(work, agent_id, source, "all is well"))
        await self.sealed()

    async def sealed(self) -> None:
        await seal(self.store, MASTER)

    async def perform(self) -> list[float | None]:
        """The worker, until nothing of ours is left that is due: the waits it was told."""
        effects = Effects(self.store, ssf_push.handlers(self.ctx), [effect_settled, ssf_push.settled])
        waits: list[float | None] = []
        while rows := await self.store.reads.all(
            "SELECT id FROM sb_effect WHERE kind = 'ssf.push' AND state = 'pending' AND next_at <= ? ORDER BY id",
            self.store.clock.now(),
        ):
            waits += [await effects.attempt(row["id"]) for row in rows]
        return waits

    async def told(self) -> list[float | None]:
        """What the duties do: make SETs of what happened, then push them."""
        await self.sealed()
        await fill(self.ctx)
        return await self.perform()


@asynccontextmanager
async def house(
    store: Store, *, url: str = URL, ca_file: Path | None = None, **settings: Any
) -> AsyncIterator[House]:
    outbound = Outbound(allow=["127.0.0.0/8"], ca_file=ca_file)
    ctx = Context(store, MASTER, outbound, url, Path())
    app = Starlette(routes=list(routes(ctx, TransmitterSettings(enabled=True, **settings))))
    try:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=url) as http:
            yield House(store, ctx, app, http)
    finally:
        await outbound.aclose()
