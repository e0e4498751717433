"""One agent inside the scope of a connection and one outside, in the groups where they could meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.model import AGENT_URN
from tests.scim.bridge import Bridge, Client, Reply

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
DEV, PROD = "dev", "production"
GHOST = "01890000-0000-7000-8000-000000000000"


def agent(name: str, environment: str | None, **more: Any) -> dict[str, Any]:
    """An agent as an IdP sends one."""
    extension = {} if environment is None else {AGENT_URN: {"environment": environment}}
    return {
        "userName": name,
        "userType": "Agent",
        "displayName": f"Agent {name}",
        "title": f"The {name}",
        "emails": [{"value": f"{name}@corp.test", "primary": True}],
        **extension,
        **more,
    }


def members(*ids: str) -> list[dict[str, str]]:
    return [{"value": one} for one in ids]


def op(verb: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": verb, "path": path, **({} if value is None else {"value": value})}


@dataclass
class Scene:
    """One agent inside the scope and one outside, in the groups where they could meet."""

    every: Client
    dev: Client
    seen: str
    hidden: str
    person: str
    mixed: str
    secret: str
    open: str

    async def told(self, group: str, client: Client | None = None) -> set[str]:
        """The members of a group as a connection is shown them; the one that sees all, unless said."""
        found = await (client or self.every).get(f"/Groups/{group}")
        assert found.status == 200
        return {one["value"] for one in found.body.get("members", ())}

    async def state(self) -> list[Any]:
        """All that must stay as it is: the hidden agent, and who is in which group."""
        found = [(await self.every.get(f"/Users/{self.hidden}")).content]
        return [*found, *[sorted(await self.told(group)) for group in (self.mixed, self.secret, self.open)]]


async def made(client: Client, path: str, body: dict[str, Any]) -> str:
    answer = await client.post(path, body)
    assert answer.status == 201, answer.content
    return str(answer["id"])


async def scene(bridge: Bridge, dialect: str | None = None, scope: str = f"environment={DEV}") -> Scene:
    every = await bridge.client("every")
    dev = await bridge.client("dev", dialect, scope=scope)
    seen = await made(every, "/Users", agent("sandy", DEV))
    hidden = await made(every, "/Users", agent("hidden", PROD, externalId="x-hidden"))
    person = await made(every, "/Users", {"userName": "maria"})
    secret = await made(every, "/Groups", {"displayName": "Secret", "members": members(hidden)})
    mixed = await made(
        every, "/Groups", {"displayName": "Mixed", "members": members(seen, hidden, person, secret)}
    )
    opened = await made(every, "/Groups", {"displayName": "Open", "members": members(seen, person)})
    return Scene(every, dev, seen, hidden, person, mixed, secret, opened)


def alike(answer: Reply, target: str) -> tuple[int, bytes]:
    """An answer without the id it was asked for."""
    return answer.status, answer.content.replace(target.encode(), b"ID")
