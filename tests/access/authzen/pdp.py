"""A decision point with people for subjects, as the working group's scenarios want it, and a client of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import yaml
from starlette.applications import Starlette

from scim_bridge.access.policy_file import packaged
from scim_bridge.access.routes import open_door
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import set_external_id
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.access import AccessSettings
from tests.access.gateway import OnStore
from tests.conftest import MASTER, TESTER

HERE = Path(__file__).parent
OURS = "// ---- Your vocabulary"


@dataclass(frozen=True)
class Person:
    """Somebody of a scenario: groups stand for roles; `external` is what their IdP's tokens call them."""

    name: str
    groups: Sequence[str] = ()
    external: str | None = None


@dataclass(frozen=True)
class Scenario:
    """The vocabulary and the policies by file, and who and what there is."""

    vocabulary: str
    policies: str
    people: Sequence[Person]
    resources: Sequence[Mapping[str, Any]] = field(default=())

    def settings(self, folder: Path) -> tuple[str, AccessSettings]:
        """Files an installation would have: the packaged schema's first part with this vocabulary behind it."""
        policies = folder / "access.cedar"
        policies.write_text((HERE / self.policies).read_text())
        told = packaged().schema.partition(OURS)[0] + (HERE / self.vocabulary).read_text()
        policies.with_suffix(".cedarschema").write_text(told)
        catalogue = folder / "resources.yaml"
        catalogue.write_text(yaml.safe_dump({"resources": [dict(one) for one in self.resources]}))
        return str(policies), AccessSettings(resources=str(catalogue), max_evaluations=10)


@dataclass
class Pdp:
    """A client with a token in front of a decision point."""

    http: httpx2.AsyncClient
    token: str
    store: Store

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **headers}
        return await self.http.post(path, content=content, headers=sent)

    async def ask(self, body: Any, path: str = "/access/v1/evaluation") -> Any:
        answer = await self.post(path, body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    async def found(self, kind: str, body: Any) -> list[str]:
        """What a search finds, over all its pages."""
        results: list[str] = []
        page: dict[str, Any] = {}
        while True:
            answer = await self.ask({**body, **page}, f"/access/v1/search/{kind}")
            results += [one.get("id") or one["name"] for one in answer["results"]]
            if not answer["page"]["next_token"]:
                return results
            page = {"page": {**body.get("page", {}), "token": answer["page"]["next_token"]}}


def with_pdp(
    on_store: OnStore, folder: Path, scenario: Scenario, body: Callable[[Pdp], Awaitable[None]]
) -> None:
    async def main(store: Store) -> None:
        await store.transact(TESTER, lambda work: _populate(work, scenario.people))
        token = await store.transact(
            TESTER, lambda work: create_token(work, MASTER, connection_id=None, scopes=("access",))
        )
        ctx = Context(store, MASTER, Outbound(), "https://bridge.example", folder)
        door = open_door(ctx, *scenario.settings(folder))
        web = Starlette(routes=door.routes(), exception_handlers={404: unrouted, Exception: unexpected})
        transport = httpx2.ASGITransport(app=Edge({}, web), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.example") as http:
            await body(Pdp(http, token, store))
        await door.log.drained()
        await ctx.outbound.aclose()

    on_store(main)


async def _populate(work: Work, people: Sequence[Person]) -> None:
    connection = await create_connection(work, MASTER, "idp", "okta")
    members: dict[str, list[str]] = {}
    for person in people:
        made = await create_person(work, {"userName": person.name}, origin="test")
        set_external_id(work, made, connection.id, None, person.external)
        for group in person.groups:
            members.setdefault(group, []).append(made.id)
    for group, ids in members.items():
        created = await create_group(work, {"displayName": group}, origin="test")
        await add_members(work, created.id, [(one, None) for one in ids])
