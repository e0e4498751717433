"""Two processes on one database, callers that never pause, and what is sealed and signed before a rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey, signing_key
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.ownership import claim
from scim_bridge.kernel.webhook import signed
from scim_bridge.kernel.work import Store, Work
from scim_bridge.oauth import clients as oauth
from scim_bridge.oauth.routes import routes as oauth_routes
from scim_bridge.registry.connections import connection, create_connection
from scim_bridge.registry.tokens import create_token
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.model import OauthSettings
from scim_bridge.settings.scim import ScimSettings
from scim_bridge.signals.routes import routes as signal_routes
from tests.conftest import TESTER

OLD, NEW = b"the old master key, thirty-two bytes", b"the new master key, thirty-two bytes"
HR = "whsec_b3VyIHNlY3JldCB3aXRoIHRoZSBIUiBzeXN0ZW0h"
BASE = "https://bridge.test"


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class Replica:
    """One process of an installation: its own keys, its own door, the one database."""

    def __init__(self, store: Store, master: MasterKey) -> None:
        self.ctx = Context(store, master, Outbound(), BASE, Path())

        async def nothing(_work: Work, _signal: object) -> None:
            return

        web = Starlette(
            routes=[
                *oauth_routes(self.ctx, OauthSettings()),
                *signal_routes(self.ctx, {"workday": HR}, nothing),
            ],
            exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
        )
        app = Edge({"/scim/v2": ScimApp(self.ctx, ScimSettings(), nothing)}, web)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE)


class Load:
    """Clients that call both replicas without a pause while something rotates."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.replicas = replicas
        self.answers: list[tuple[str, int]] = []
        self.tokens: list[str] = []
        self.secret = ("", "")
        self.hr = [HR]
        self._on = True
        self._sent = 0

    async def once(self, replica: Replica) -> None:
        # The token endpoint counts by the second.
        cast("ManualClock", replica.ctx.store.clock).advance(seconds=1)
        now = replica.ctx.store.clock.now()
        for token in self.tokens:
            answer = await replica.http.get("/scim/v2/Users", headers={"authorization": f"Bearer {token}"})
            self.answers.append(("scim", answer.status_code))
        client_id, secret = self.secret
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        answer = await replica.http.post("/oauth/token", data=form)
        self.answers.append(("oauth", answer.status_code))
        self._sent += 1
        body = orjson.dumps({"type": "ping", "number": self._sent})
        headers = signed(" ".join(self.hr), f"msg_{self._sent}", now, body)
        answer = await replica.http.post("/signals/hr/workday", content=body, headers=headers)
        # Signed as agreed: what the message says is another matter.
        self.answers.append(("hr", 200 if answer.status_code in (200, 202, 400) else answer.status_code))

    async def run(self) -> None:
        while self._on:
            for replica in self.replicas:
                await self.once(replica)
                await asyncio.sleep(0)

    async def during(self, change: Awaitable[Any]) -> Any:
        """Make a change while everybody calls; the calls before, in and after it."""
        task = asyncio.ensure_future(self.run())
        before = len(self.answers)
        await asyncio.sleep(0.01)
        try:
            result = await change
            while len(self.answers) < before + 40:
                await self.once(self.replicas[0])
        finally:
            self._on = False
            await task
            self._on = True
        failed = [each for each in self.answers if each[1] >= 400]
        assert not failed, failed[:5]
        return result


def both(url: str, clock: ManualClock, body: Callable[[Replica, Replica], Awaitable[None]]) -> None:
    """Two replicas over one database, both with the old key as the database's."""

    async def main() -> None:
        database = await open_database(url, pool_size=4)
        try:
            store = Store(database, clock, UuidV7(clock))
            await claim(database, MasterKey(OLD), "test", clock)
            # Restarted with both keys, whichever is written first: the database says which counts.
            first, second = MasterKey(NEW, [OLD]), MasterKey(OLD, [NEW])
            for master in (first, second):
                await claim(database, master, "test", clock)
            await body(Replica(store, first), Replica(store, second))
        finally:
            await database.close()

    asyncio.run(main())


async def populated(replica: Replica) -> tuple[str, tuple[str, str]]:
    """A token, and a client with its secret."""
    ctx = replica.ctx

    async def body(work: Work) -> tuple[str, tuple[str, str]]:
        made = await create_connection(work, ctx.master, "okta", "okta", secrets={"client_id": "planted"})
        await create_connection(work, ctx.master, "entra", "entra")
        token = await create_token(work, ctx.master, connection_id=made.id, scopes=("read", "users"))
        client = await oauth.create_client(work, await connection(work.tx, "entra"))
        secret = await oauth.add_secret(work, ctx.master, client.id)
        await signing_key(work, ctx.master, "audit")
        return token, (client.id, secret.secret)

    return await ctx.store.transact(TESTER, body)
