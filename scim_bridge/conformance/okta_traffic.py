"""What Okta's provisioning puts on the wire, as its documentation and captures show it, in both its ways.

`put`: app integrations made with Okta's wizard send everything by PUT, merged onto what GET returned.
`patch`: catalog apps send activation, passwords and groups by PATCH, profiles by PUT all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from scim_bridge.conformance.expect import (
    GROUP,
    LIST,
    PATCH_OP,
    USER,
    equals,
    filled_in,
    has,
    matches,
    number,
    status,
)
from scim_bridge.conformance.reply import Reply, at, one, shown
from scim_bridge.conformance.run import Run

PUT: Final = "put"
PATCH: Final = "patch"
WAYS: Final = (PUT, PATCH)
WORDS: Final = {PUT: "apps made with Okta's wizard: PUT", PATCH: "catalog apps: PATCH"}
PAGE: Final = {"startIndex": 1, "count": 100}
# What Okta needs in every user it is answered with; an empty answer to a create is a failure.
NEEDED: Final = ("id", "userName", "name.givenName", "name.familyName", "emails[0].value", "active")
HEADERS: Final = {
    "accept": "application/scim+json",
    "accept-charset": "utf-8",
    "user-agent": "Okta SCIM Client 1.0.0",
}
PLACEHOLDER: Final = "not a password"


def person(login: str, given: str, family: str, okta_id: str) -> dict[str, Any]:
    """A create as Okta writes it: empty groups and a placeholder password are always in it."""
    return {
        "schemas": [USER],
        "userName": login,
        "name": {"givenName": given, "familyName": family},
        "emails": [{"primary": True, "value": login, "type": "work"}],
        "displayName": f"{given} {family}",
        "locale": "en-US",
        "externalId": okta_id,
        "groups": [],
        "password": PLACEHOLDER,
        "active": True,
    }


@dataclass(frozen=True, slots=True)
class Okta:
    """Okta as the SCIM client of one run."""

    run: Run
    way: str

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Reply:
        """One request with Okta's headers; a content type only where there is a body."""
        return await self.run.ask(method, path, query=query, body=body, headers=HEADERS)

    async def look_up(self, login: str) -> str | None:
        """What Okta does before it assigns anybody: the id there is for a userName, None for nobody."""
        reply = await self.ask("GET", "/Users", filter=f'userName eq "{login}"', **PAGE)
        if reply.status == 404:
            return None
        self.run.demand(reply, status(200), has("schemas", LIST), number("totalResults"))
        found = reply.get("Resources[0].id")
        return found if isinstance(found, str) else None

    async def create(self, body: dict[str, Any]) -> str:
        """POST a user; its id, and the step ends without one."""
        reply = await self.ask("POST", "/Users", body)
        self.run.demand(reply, status(201), *map(filled_in, NEEDED), equals("userName", body["userName"]))
        return str(reply.get("id"))

    async def merged(self, identity: str, **changes: Any) -> None:
        """GET, then PUT of what came with Okta's own profile over it: read-only members come back, too."""
        there = await self.ask("GET", one("/Users", identity))
        self.run.demand(there, status(200), equals("id", identity))
        # The password is part of a profile only where password sync is on.
        body = {key: value for key, value in there.body.items() if key != "password"} | changes
        reply = await self.ask("PUT", one("/Users", identity), body)
        self.run.demand(reply, status(200), *map(filled_in, NEEDED), equals("id", identity))

    async def set_active(self, identity: str, active: bool) -> None:
        """Activate or deactivate."""
        if self.way == PUT:
            await self.merged(identity, active=active)
            return
        body = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "value": {"active": active}}]}
        reply = await self.ask("PATCH", one("/Users", identity), body)
        self.run.demand(
            reply, status(200, 204), matches("the answer is the user, or empty with 204", _user_or_204)
        )

    async def assign(self, body: dict[str, Any]) -> str:
        """Assign somebody to the app: link whom the lookup finds, active or not, else create; the id."""
        identity = await self.look_up(body["userName"])
        if identity is None:
            return await self.create(body)
        if self.way == PUT:
            await self.merged(identity, **{k: v for k, v in body.items() if k not in ("groups", "password")})
        else:
            await self.set_active(identity, True)
        return identity

    async def put_group(self, identity: str, name: str, members: list[dict[str, Any]]) -> None:
        """A whole group by PUT, after a GET: 200 with the group, or 204."""
        there = await self.ask("GET", one("/Groups", identity))
        self.run.demand(there, status(200))
        body = {"schemas": [GROUP], "id": identity, "displayName": name, "members": members}
        self.run.demand(await self.ask("PUT", one("/Groups", identity), body), status(200, 204))

    async def patch_group(self, identity: str, *operations: dict[str, Any]) -> None:
        """A change of a group by PATCH: 200 with the group, or 204."""
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        self.run.demand(await self.ask("PATCH", one("/Groups", identity), body), status(200, 204))


def _user_or_204(reply: Reply) -> str | None:
    if reply.status == 204 or isinstance(at(reply.body, "id"), str):
        return None
    return f"{reply.status} with id {shown(at(reply.body, 'id'))}"
