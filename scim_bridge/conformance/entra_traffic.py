"""What Entra's provisioning service puts on the wire, as Microsoft documents it, in both its PATCH dialects.

`legacy`: what it sends today. `flagged`: with `aadOptscim062020` in the tenant URL, nearer to the RFC. A server
meets both, since provisioning on demand always speaks the older one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scim_bridge.conformance.expect import (
    ENTERPRISE,
    GROUP,
    LIST,
    PATCH_OP,
    USER,
    Check,
    empty_listing,
    equals,
    filled_in,
    has,
    status,
)
from scim_bridge.conformance.reply import Reply, at, one
from scim_bridge.conformance.run import Run

LEGACY: Final = "legacy"
FLAGGED: Final = "062020"
DIALECTS: Final = (LEGACY, FLAGGED)
WORDS: Final = {LEGACY: "PATCH as sent by default", FLAGGED: "PATCH with aadOptscim062020"}
FLAG: Final = {"aadOptscim062020": ""}
OLD_GROUP: Final = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
OPTIONAL: Final = "optional at Microsoft, where a failure is a warning"


def person(login: str, object_id: str) -> dict[str, Any]:
    """A create as Entra writes it."""
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": object_id,
        "userName": login,
        "active": True,
        "displayName": "Given Family",
        "emails": [{"primary": True, "type": "work", "value": login}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Given Family", "familyName": "Family", "givenName": "Given"},
        "roles": [],
    }


def group(name: str, object_id: str, *, old: bool = True) -> dict[str, Any]:
    """A group as Entra writes it: with Microsoft's old schema beside the real one, and no members."""
    return {
        "schemas": [GROUP, OLD_GROUP] if old else [GROUP],
        "externalId": object_id,
        "displayName": name,
        "meta": {"resourceType": "Group"},
    }


@dataclass(frozen=True, slots=True)
class Entra:
    """Entra as the SCIM client of one run, in one PATCH dialect."""

    run: Run
    dialect: str = LEGACY

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Reply:
        """One request; with the flag in the tenant URL every one carries it."""
        more = FLAG if self.dialect == FLAGGED else {}
        return await self.run.ask(method, path, query={**query, **more}, body=body)

    async def test_connection(self) -> None:
        """The portal's Test Connection: a match for somebody who cannot exist gives an empty list."""
        reply = await self.ask("GET", "/Users", filter=f'userName eq "{uuid.uuid4()}"')
        self.run.demand(reply, *empty_listing())

    async def match(self, attribute: str, value: str) -> str | None:
        """The id of the one user with this value; None for nobody, which is 200 with an empty list."""
        reply = await self.ask("GET", "/Users", filter=f'{attribute} eq "{value}"')
        self.run.demand(reply, status(200), has("schemas", LIST))
        found = reply.get("Resources[0].id")
        return found if isinstance(found, str) else None

    async def provision(self, login: str, **more: Any) -> str:
        """Match by externalId and userName, then create; the id."""
        body = person(login, f"0a-{login}") | more
        for attribute in ("externalId", "userName"):
            there = await self.match(attribute, body[attribute])
            self.run.expect(f"nobody has this {attribute} yet", there is None, f"id {there}")
        reply = await self.ask("POST", "/Users", body)
        self.run.demand(reply, status(201), filled_in("id"), equals("userName", login))
        return str(reply.get("id"))

    async def provision_group(self, name: str) -> str:
        """Match a group by its name without members, then create; the id."""
        query = {"excludedAttributes": "members", "filter": f'displayName eq "{name}"'}
        self.run.demand(await self.ask("GET", "/Groups", **query), *empty_listing())
        reply = await self.ask("POST", "/Groups", group(name, f"0b-{name}"))
        self.run.demand(reply, status(201), filled_in("id"), equals("displayName", name))
        return str(reply.get("id"))

    async def patch(self, path: str, *operations: Mapping[str, Any]) -> Reply:
        """A PATCH: 200 with the resource, or 204."""
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        reply = await self.ask("PATCH", path, body)
        self.run.demand(reply, status(200, 204))
        return reply

    async def set_active(self, identity: str, active: bool) -> None:
        """Enable or disable: by default the boolean comes as text."""
        value: Any = str(active) if self.dialect == LEGACY else active
        op = "Replace" if self.dialect == LEGACY else "replace"
        await self.patch(one("/Users", identity), {"op": op, "path": "active", "value": value})

    async def update(self, identity: str, values: Mapping[str, str]) -> None:
        """Change attributes, given by PATCH path: one operation each, or merged into one without a path."""
        if self.dialect == LEGACY:
            operations = [{"op": "Replace", "path": path, "value": value} for path, value in values.items()]
        else:
            chosen = {path: value for path, value in values.items() if "[" in path}
            merged = {path: value for path, value in values.items() if "[" not in path}
            operations = [{"op": "replace", "path": path, "value": v} for path, v in chosen.items()]
            operations.append({"op": "replace", "value": merged})  # type: ignore[dict-item]
        await self.patch(one("/Users", identity), *operations)

    async def add_members(self, identity: str, users: list[str]) -> None:
        """Members in."""
        op = "Add" if self.dialect == LEGACY else "add"
        value = [{"$ref": None, "value": user} for user in users]
        await self.patch(one("/Groups", identity), {"op": op, "path": "members", "value": value})

    async def remove_members(self, identity: str, users: list[str]) -> None:
        """Members out: by default as a list of values, which read by the letter would remove everybody."""
        path = one("/Groups", identity)
        if self.dialect == LEGACY:
            value = [{"$ref": None, "value": user} for user in users]
            await self.patch(path, {"op": "Remove", "path": "members", "value": value})
        else:
            await self.patch(
                path, *({"op": "remove", "path": f'members[value eq "{user}"]'} for user in users)
            )

    async def read(self, path: str, *checks: Check) -> Reply:
        """GET a resource that has to be there and meet these expectations."""
        reply = await self.ask("GET", path)
        self.run.demand(reply, status(200), *checks)
        return reply

    async def members(self, identity: str) -> list[str]:
        """The ids of a group's members, in order."""
        reply = await self.read(one("/Groups", identity))
        found = reply.get("members")
        return sorted(str(at(item, "value")) for item in found) if isinstance(found, list) else []
