"""The front door as its tests meet it: the real ASGI application, and clients that speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson

from scim_bridge.departures import service as departures
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.document_index import Indexes
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry import indexing
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.signal import Signal
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.attributes import indexes_of
from scim_bridge.settings.scim import ScimSettings
from tests.conftest import MASTER, TESTER

BASE = "http://bridge.test/scim/v2"
KIND = {"okta-put": "okta", "okta-patch": "okta", "entra": "entra", "entra-062020": "entra"}


@dataclass
class Client:
    """One IdP connection talking to the door: bytes out, status, headers and parsed body back."""

    http: httpx2.AsyncClient
    token: str | None
    name: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request as it stands: text and bytes byte for byte, anything else as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        content = None
        if body is not None:
            raw = isinstance(body, str | bytes)
            content = (body.encode() if isinstance(body, str) else body) if raw else orjson.dumps(body)
            sent.setdefault("content-type", "application/scim+json; charset=utf-8")
        answer = await self.http.request(method, BASE + path, content=content, headers=sent)
        return Reply(answer.status_code, answer.content, answer.headers)

    async def get(self, path: str, **headers: str) -> Reply:
        """GET."""
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any, **headers: str) -> Reply:
        """POST."""
        return await self.call("POST", path, body, **headers)

    async def put(self, path: str, body: Any, **headers: str) -> Reply:
        """PUT."""
        return await self.call("PUT", path, body, **headers)

    async def patch(self, path: str, *operations: Any, **headers: str) -> Reply:
        """PATCH with these operations."""
        urn = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        return await self.call("PATCH", path, {"schemas": [urn], "Operations": list(operations)}, **headers)

    async def delete(self, path: str, **headers: str) -> Reply:
        """DELETE."""
        return await self.call("DELETE", path, **headers)


@dataclass
class Reply:
    """An answer."""

    status: int
    content: bytes
    headers: Any

    @property
    def body(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.content)

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


@dataclass
class Bridge:
    """The door of one test with its store, its signals, and clients as they are needed."""

    store: Store
    ctx: Context
    clock: ManualClock
    app: ScimApp
    http: httpx2.AsyncClient
    signals: list[Signal] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the signals that were acted on."""
        return [signal.kind for signal in self.signals]

    async def client(
        self,
        name: str = "okta",
        dialect: str | None = None,
        scopes: tuple[str, ...] = CONNECTION_SCOPES,
        days: int | None = None,
        **settings: Any,
    ) -> Client:
        """A connection of this name (made if there is none) and a fresh token for it."""
        dialect = dialect or {"okta": "okta-put", "entra": "entra"}.get(name, "generic")

        async def body(work: Work) -> str:
            row = await work.tx.one("SELECT id FROM sb_connection WHERE name = ?", name)
            if row is None:
                kind = KIND.get(dialect, "generic")
                found = await create_connection(work, MASTER, name, kind, dialect=dialect, settings=settings)
                connection_id = found.id
            else:
                connection_id = row["id"]
            return await create_token(
                work, MASTER, connection_id=connection_id, scopes=scopes, label=name, days=days
            )

        return Client(self.http, await self.store.transact(TESTER, body), name)

    async def audit(self, action: str) -> list[Any]:
        """The audit rows with this action, oldest first."""
        rows = await self.store.reads.all(
            "SELECT subject_id, detail, outcome, actor_name FROM sb_audit WHERE action = ? ORDER BY at, id",
            action,
        )
        return [(row["subject_id"], orjson.loads(row["detail"])) for row in rows]

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        row = await self.store.reads.one(f"SELECT COUNT(*) AS n FROM {table}")
        return int(row["n"])


def serve(
    url: str, clock: ManualClock, body: Callable[[Bridge], Awaitable[None]], settings: ScimSettings
) -> None:
    """Open the door on a database, run the test, close everything."""

    async def main() -> None:
        database = await open_database(url, pool_size=4)
        outbound = Outbound()
        store = Store(database, clock, UuidV7(clock), Indexes(indexes_of(settings.attributes)))
        await indexing.begin(store)
        ctx = Context(store, MASTER, outbound, "http://bridge.test", Path())
        heard: list[Signal] = []

        async def react(work: Work, signal: Signal) -> None:
            heard.append(signal)
            await departures.react(work, signal)

        app = ScimApp(ctx, settings, react)

        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "root_path": "/scim/v2"}, receive, send)

        transport = httpx2.ASGITransport(mounted)
        try:
            async with httpx2.AsyncClient(transport=transport) as http:
                await body(Bridge(store, ctx, clock, app, http, heard))
        finally:
            await outbound.aclose()
            await database.close()

    asyncio.run(main())
