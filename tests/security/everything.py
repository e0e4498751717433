"""A whole server with two connections: one that sees everything, and one that must see nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson

from scim_bridge.app import open_bridge
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.tokens import CONNECTION_SCOPES, SIGNALS, SSF_SCOPES, create_token
from scim_bridge.server import Server
from scim_bridge.settings.model import Settings, TransmitterSettings
from tests.conftest import TESTER

BASE = "http://bridge.test"
KEY = "0123456789abcdef" * 4
HR = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
SCIM = f"{BASE}/scim/v2"
# What stands in answers about their things, and never in a question of ours.
MARK = "zz-of-theirs"
EVERYTHING = (*CONNECTION_SCOPES, SIGNALS, *SSF_SCOPES)


@dataclass
class World:
    """The server, a client without any credentials, both tokens, and the ids of what is theirs."""

    server: Server
    http: httpx2.AsyncClient
    ours: str
    theirs: str
    ids: dict[str, str]

    @property
    def store(self) -> Store:
        return self.server.bridge.ctx.store

    async def ask(self, method: str, path: str, token: str, **options: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}", **options.pop("headers", {})}
        return await self.http.request(method, f"{BASE}{path}", headers=headers, **options)

    async def rows(self) -> dict[str, set[bytes]]:
        """Every row of every table of ours."""
        found = {}
        for table in await self._tables():
            rows = await self.store.reads.all(f"SELECT * FROM {table}")
            found[table] = {_told(row) for row in rows}
        return found

    async def _tables(self) -> list[str]:
        sql = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if self.store.database.backend == "sqlite"
            else "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
        )
        return sorted(row["name"] for row in await self.store.reads.all(sql) if row["name"].startswith("sb_"))


# When it was used last is noted for whoever calls, and totals count what is new of ours.
NOTED = {"last_used", "last_call"}


def _told(row: Any) -> bytes:
    kept = {name: row[name] for name in row.keys() if name not in NOTED}  # noqa: SIM118
    return orjson.dumps(kept, default=lambda value: bytes(value).hex(), option=orjson.OPT_SORT_KEYS)


async def _made(http: httpx2.AsyncClient, token: str, path: str, body: dict[str, Any]) -> str:
    headers = {"authorization": f"Bearer {token}"}
    answer = await http.post(f"{BASE}{path}", json=body, headers=headers)
    assert answer.status_code == 201, answer.content
    found = answer.json()
    return str(found.get("id") or found["stream_id"])


async def _furnished(store: Store, master: Any, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, str]]:
    """Two connections with every scope there is, and what one of them keeps here."""

    async def tokens(work: Work) -> list[str]:
        made = []
        for name, settings in (("theirs", None), ("ours", {"scope": "environment=development"})):
            found = await create_connection(work, master, name, "generic", settings=settings)
            made.append(await create_token(work, master, connection_id=found.id, scopes=EVERYTHING))
        for kind in ("okta", "entra"):
            await create_connection(work, master, f"theirs-{kind}", kind)
        return made

    theirs, ours = await store.transact(TESTER, tokens)
    agent = {
        "userName": f"{MARK}@agents.test",
        "userType": "Agent",
        "displayName": f"Agent {MARK}",
        "title": f"Title {MARK}",
        "externalId": f"ext-{MARK}",
        AGENT_URN: {"environment": "production", "purpose": f"Purpose {MARK}"},
    }
    hidden = await _made(http, theirs, "/scim/v2/Users", agent)
    group = {"displayName": "Shared", "externalId": f"group-{MARK}", "members": [{"value": hidden}]}
    shared = await _made(http, theirs, "/scim/v2/Groups", group)
    stream = await _made(
        http,
        theirs,
        "/ssf/streams",
        {"description": f"Stream {MARK}", "delivery": {"method": "urn:ietf:rfc:8936"}},
    )
    return theirs, ours, {"agent": hidden, "group": shared, "stream": stream}


def everything(url: str, body: Callable[[World], Awaitable[None]]) -> None:
    """Run a body with the world on this database."""

    async def main() -> None:
        settings = Settings(
            database_url=url,
            public_url=BASE,
            secret_key=KEY,
            hr={"acme": HR},
            transmitter=TransmitterSettings(enabled=True),
        )
        bridge = await open_bridge(settings)
        server = Server(bridge)
        transport = httpx2.ASGITransport(app=server.app, raise_app_exceptions=False)
        try:
            async with httpx2.AsyncClient(transport=transport) as http:
                store, master = bridge.ctx.store, bridge.ctx.master
                theirs, ours, ids = await _furnished(store, master, http)
                await body(World(server, http, ours, theirs, ids))
        finally:
            await bridge.close()

    asyncio.run(main())
