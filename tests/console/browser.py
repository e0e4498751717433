"""A browser in front of the console: a real application, cookies kept, forms filled from the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from scim_bridge.console.known import Known
from scim_bridge.console.routes import UNKNOWN, routes
from scim_bridge.console.sso.provider import Provider
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.tokens import create_token
from tests.conftest import MASTER, TESTER, run_with_store

BASE = "https://bridge.test"


@dataclass
class Browser:
    """One browser with its cookies."""

    client: httpx2.AsyncClient
    store: Store
    tokens: dict[str, str]

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.get(path, **options)

    async def sign_in(self, which: str = "admin", then: str = "") -> httpx2.Response:
        return await self.post("/console/sign-in", token=self.tokens[which], next=then)

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        return await self.client.post(path, data=fields, headers=headers or {})

    async def form_key(self) -> str:
        found = re.search(r'name="form_key" value="([0-9a-f]+)"', (await self.get("/console")).text)
        assert found is not None
        return found.group(1)

    async def send(self, path: str, **fields: Any) -> httpx2.Response:
        """A form of this session, and the page it leads to."""
        fields["form_key"] = await self.form_key()
        answer = await self.client.post(path, data=fields)
        while answer.status_code == 303:
            answer = await self.get(answer.headers["location"])
        return answer


def context(store: Store, public_url: str = BASE) -> Context:
    return Context(store, MASTER, Outbound(), public_url, Path("/nonexistent"))


def application(
    ctx: Context, rules: Rules = RULES, provider: Provider | None = None, known: Known = UNKNOWN
) -> Any:
    web = Starlette(
        routes=routes(ctx, rules, known=known, provider=provider),
        exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
    )
    return Edge({}, web)


@asynccontextmanager
async def open_browser(
    store: Store, base: str = BASE, rules: Rules = RULES, known: Known = UNKNOWN
) -> AsyncIterator[Browser]:
    """A browser before a console on this store, with tokens of each kind at hand."""

    async def make(work: Work) -> dict[str, str]:
        return {
            "admin": await create_token(work, MASTER, connection_id=None, scopes=("admin",), label="Ada"),
            "access": await create_token(work, MASTER, connection_id=None, scopes=("access",), label="gate"),
            "idp": await create_token(work, MASTER, connection_id="c-1", scopes=("users",), label="idp"),
            "day": await create_token(work, MASTER, connection_id=None, scopes=("admin",), label="D", days=1),
        }

    tokens = await store.transact(TESTER, make)
    app = application(context(store, base), rules, known=known)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
        yield Browser(client, store, tokens)


Body = Callable[[Browser], Awaitable[None]]


def browsing(url: str, clock: Any, body: Body, base: str = BASE, known: Known = UNKNOWN) -> None:
    """Run a body with a browser before a console on this database."""

    async def main(store: Store) -> None:
        async with open_browser(store, base, known=known) as browser:
            await body(browser)

    run_with_store(url, clock, main)


async def company(store: Store, agents: int = 3) -> dict[str, str]:
    """Two people, a group, and agents a-000, a-001, … of alternating platforms; ids by slug or name."""

    async def body(work: Work) -> dict[str, str]:
        ids = {}
        for name in ("olga", "carl"):
            doc = {
                "userName": f"{name}@corp.test",
                "displayName": f"{name.title()} Tester",
                "emails": [{"value": f"{name}@corp.test", "primary": True}],
            }
            ids[name] = (await create_person(work, doc, origin="test")).id
        for number in range(agents):
            slug = f"a-{number:03d}"
            extension = {
                "platform": ("LangGraph", "in-house")[number % 2],
                "environment": ("production", "dev")[number % 2],
                "riskTier": ("high", "low")[number % 2],
                "purpose": f"Purpose of {slug}",
                "workloadId": f"spiffe://corp.test/{slug}",
                "owner": {"value": ids[("olga", "carl")[number % 2]]},
            }
            doc = {"userName": f"{slug}@agents.test", AGENT_URN: extension}
            if number != 1:
                doc["displayName"] = f"Agent {number}"
            ids[slug] = (await create_agent(work, doc, origin="test", slug=slug)).id
        group = await create_group(work, {"displayName": "Support Tools"}, origin="test")
        ids["group"] = group.id
        await add_members(work, group.id, [(ids["a-000"], None)])
        return ids

    return await store.transact(TESTER, body)
