"""A bridge as an IdP meets it: token endpoint and front door behind the real edge, over one database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.departures import service as departures
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.oauth import clients, keys, trusts
from scim_bridge.oauth.model import CLIENT_CREDENTIALS, JWT_BEARER
from scim_bridge.oauth.routes import routes
from scim_bridge.registry.connections import connection, create_connection
from scim_bridge.registry.tokens import CONNECTION_SCOPES
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.model import OauthSettings
from scim_bridge.settings.scim import ScimSettings
from tests.conftest import MASTER, TESTER
from tests.oauth.issuer import AUDIENCE, SUBJECT, TENANT, Issuer

BASE = "https://bridge.test"


@dataclass(frozen=True)
class Registered:
    """A client as its admin knows it. `secret` is empty for one that has none."""

    id: str
    secret: str
    secret_id: str

    def form(self, **more: str) -> dict[str, str]:
        """The form Entra sends with its secret."""
        made = {"grant_type": CLIENT_CREDENTIALS, "client_id": self.id, "client_secret": self.secret}
        return {**made, **more}

    def asserting(self, assertion: str, **more: str) -> dict[str, str]:
        """The form Entra sends with its assertion."""
        made = {"grant_type": CLIENT_CREDENTIALS, "client_id": self.id}
        return {**made, "client_assertion_type": JWT_BEARER, "client_assertion": assertion, **more}


@dataclass
class House:
    """One running bridge with the issuer it may trust."""

    store: Store
    ctx: Context
    clock: ManualClock
    http: httpx2.AsyncClient
    issuer: Issuer
    settings: OauthSettings

    async def client(
        self, name: str = "entra", *, secret: bool = True, scopes: tuple[str, ...] = CONNECTION_SCOPES
    ) -> Registered:
        """A client of a connection, which is made if there is none."""

        async def body(work: Work) -> Registered:
            row = await work.tx.one("SELECT id FROM sb_connection WHERE name = ?", name)
            if row is None:
                await create_connection(work, MASTER, name, "entra")
            made = await clients.create_client(work, await connection(work.tx, name), scopes=scopes)
            if not secret:
                return Registered(made.id, "", "")
            first = await clients.add_secret(work, MASTER, made.id)
            return Registered(made.id, first.secret, first.id)

        return await self.store.transact(TESTER, body)

    async def trust(self, client: Registered, **more: Any) -> str:
        """Trust the issuer for a client, with its keys fetched; the trust's id."""
        given = {"tenant": TENANT, "subject": SUBJECT, "audience": AUDIENCE, "keys_url": self.issuer.keys_url}
        hosts = self.settings.keys_hosts
        made = await self.store.transact(
            TESTER, lambda work: trusts.add_trust(work, client.id, **{**given, "hosts": hosts, **more})
        )
        await self.fetch_keys()
        return made.id

    async def fetch_keys(self) -> int:
        """What the worker does every second or two."""
        return await keys.refresh(self.ctx, self.settings.keys_hosts)

    async def ask(self, form: Any, **headers: str) -> httpx2.Response:
        """POST /oauth/token with a form, or with a body as it stands."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(form, str | bytes):
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
            body = form.encode() if isinstance(form, str) else form
            return await self.http.post(f"{BASE}/oauth/token", content=body, headers=sent)
        return await self.http.post(f"{BASE}/oauth/token", data=form, headers=sent)

    async def token(self, form: Any) -> str:
        """An access token; the exchange must succeed."""
        answer = await self.ask(form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def users(self, token: str) -> httpx2.Response:
        """The call Entra's Test Connection makes with a token."""
        headers = {"authorization": f"Bearer {token}"}
        return await self.http.get(f"{BASE}/scim/v2/Users?startIndex=1&count=1", headers=headers)

    async def audit(self, action: str) -> list[dict[str, Any]]:
        """The audit rows with this action, oldest first, `detail` parsed."""
        rows = await self.store.reads.all("SELECT * FROM sb_audit WHERE action = ? ORDER BY at, id", action)
        return [{**dict(row), "detail": orjson.loads(row["detail"])} for row in rows]

    async def refusal(self) -> dict[str, Any]:
        """The detail of the newest refusal."""
        return (await self.audit("oauth.token_refused"))[-1]["detail"]

    async def everything(self) -> str:
        """Every text the database holds, for looking that no secret is in it."""
        found = []
        for table in ("audit", "token", "oauth_client", "oauth_secret", "oauth_trust", "oauth_assertion"):
            rows = await self.store.reads.all(f"SELECT * FROM sb_{table}")
            found += [str(list(dict(row).values())) for row in rows]
        return "\n".join(found)


Test = Callable[[House], Awaitable[None]]


def live(url: str, clock: ManualClock, issuer: Issuer, test: Test, **settings: Any) -> None:
    """Open a bridge on a database, run the test, close everything."""

    async def main() -> None:
        database = await open_database(url, pool_size=4)
        outbound = Outbound(allow=("127.0.0.1",), ca_file=issuer.ca_file)
        store = Store(database, clock, UuidV7(clock))
        ctx = Context(store, MASTER, outbound, BASE, Path())
        oauth = OauthSettings(**{"keys_hosts": (issuer.host, "login.microsoftonline.com"), **settings})
        errors = {404: unrouted, 405: unrouted, Exception: unexpected}
        web = Starlette(routes=routes(ctx, oauth), exception_handlers=errors)
        edge = Edge({"/scim/v2": ScimApp(ctx, ScimSettings(), departures.react)}, web)
        try:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(edge)) as http:
                await test(House(store, ctx, clock, http, issuer, oauth))
        finally:
            await outbound.aclose()
            await database.close()

    asyncio.run(main())
