"""A gateway as tests of the decision use it: a client with a token in front of the example's agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.access.log import DecisionLog
from scim_bridge.access.routes import open_door
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.tokens import create_token
from tests.conftest import MASTER, TESTER

OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]
EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "agents.yaml"
PATH = "/access/v1/evaluation"


def question(slug: str = "code-review", verb: str = "read", **more: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "agent", "id": slug},
        "action": {"name": verb},
        "resource": {"type": "repository", "id": "storefront"},
        "context": {},
        **more,
    }


@dataclass
class Gateway:
    """A client with a token, and the store behind the server it calls."""

    http: httpx2.AsyncClient
    store: Store
    token: str
    log: DecisionLog

    async def send(self, body: Any, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **headers}
        return await self.http.post(PATH, content=content, headers=sent)

    async def ask(self, *arguments: Any, **more: Any) -> dict[str, Any]:
        answer = await self.send(question(*arguments, **more))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def logged(self) -> list[Any]:
        return list(await self.store.reads.all("SELECT * FROM sb_decision ORDER BY id"))


def with_gateway(on_store: OnStore, body: Callable[[Gateway], Awaitable[None]]) -> None:
    async def main(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        token = await store.transact(
            TESTER, lambda work: create_token(work, MASTER, connection_id=None, scopes=("access",))
        )
        ctx = Context(store, MASTER, Outbound(), "https://bridge.example", Path())
        door = open_door(ctx, "")
        web = Starlette(routes=door.routes(), exception_handlers={404: unrouted, Exception: unexpected})
        transport = httpx2.ASGITransport(app=Edge({}, web), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.example") as http:
            await body(Gateway(http, store, token, door.log))
        await door.log.drained()
        await ctx.outbound.aclose()

    on_store(main)
