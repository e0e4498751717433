"""Groups as roles and entitlements, which Okta discovers and shows on users (Okta, entitlement discovery).

Every group is an entitlement, unless its extension says that it is a role. Only connections that speak
Okta's dialects see any of this, or others that ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.connection_settings import ENTITLEMENT_MODES
from scim_bridge.registry.memberships import Membership
from scim_bridge.registry.model import GROUP, GROUP_EXTENSION_URN, ROLE_ENTRY
from scim_bridge.scim import render
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.endpoints import ENTITLEMENTS, Endpoint
from scim_bridge.scim.render import Head

Doc = dict[str, Any]

# The setting of a connection: on for Okta's dialects unless it says otherwise.
OFF, ON, MANAGED = ENTITLEMENT_MODES
# What Okta takes of a description.
LONGEST = 1000
LISTS = ("roles", "entitlements")


def mode(caller: Caller) -> str:
    """How a connection has to do with roles and entitlements.

    `managed`: a user sent without them is to have none, as Okta's governance means it.
    """
    said = caller.connection.settings.get("entitlements")
    if said in ENTITLEMENT_MODES:
        return str(said)
    return ON if caller.connection.dialect.startswith("okta") else OFF


def offered(caller: Caller) -> bool:
    """True when a connection sees roles and entitlements."""
    return mode(caller) != OFF


async def any_of(reader: Reader, endpoint: Endpoint) -> bool:
    """True when there is a group of this kind: an empty endpoint would fail Okta's tests, and is not named."""
    sql = f"SELECT 1 AS x FROM sb_resource r WHERE {endpoint.scope_sql} AND r.deleted IS NULL LIMIT 1"
    return await reader.one(sql) is not None


def group_as(endpoint: Endpoint, head: Head, base_url: str) -> bytes:
    """A group as a role or an entitlement."""
    group = orjson.loads(head.rendered)
    urn = f"urn:okta:scim:schemas:core:1.0:{endpoint.resource}"
    shown: Doc = {"schemas": [urn], "id": head.id, "displayName": group["displayName"]}
    if endpoint is ENTITLEMENTS:
        shown["type"] = endpoint.resource
    description = (group.get(GROUP_EXTENSION_URN) or {}).get("description")
    if description:
        shown["description"] = description[:LONGEST]
    kept = head._replace(rendered=orjson.dumps(shown), external_id=None)
    return render.document(kept, base_url, endpoint.name)


class Roles:
    """The ids of the groups that are roles: few, and known for a second. Changes of this process are seen at once."""

    def __init__(self) -> None:
        self._ids: frozenset[str] = frozenset()
        self._until = 0
        self._changes = 0

    def changed(self, what: list[tuple[str, str]]) -> None:
        """Forget them after a change of a group."""
        if any(kind == GROUP for kind, _ in what):
            self._until = 0
            self._changes += 1

    async def ids(self, reader: Reader, now: int) -> frozenset[str]:
        """The ids."""
        if self._until - SECOND <= now < self._until:
            return self._ids
        changes = self._changes
        found = await role_ids(reader)
        # What changed while they were read is read again by the next.
        if changes == self._changes:
            self._ids, self._until = found, now + SECOND
        return found


async def role_ids(reader: Reader) -> frozenset[str]:
    """The ids of the groups that are roles now."""
    rows = await reader.all("SELECT resource_id FROM sb_attr WHERE name = ? AND key = ?", *ROLE_ENTRY)
    return frozenset(row["resource_id"] for row in rows)


def with_lists(user: Doc, groups: Sequence[Membership], roles: frozenset[str]) -> Doc:
    """A user's document with the groups they are in directly as roles and entitlements, behind those written in it."""
    shown = dict(user)
    for name in LISTS:
        found = _elements(name, groups, roles)
        if found:
            shown[name] = [*(user.get(name) or ()), *found]
    return shown


def _elements(name: str, groups: Sequence[Membership], roles: frozenset[str]) -> list[Doc]:
    are_roles = name == "roles"
    return [_element(g.id, g.name, are_roles) for g in groups if g.direct and (g.id in roles) == are_roles]


def user(head: Head, base_url: str, groups: Sequence[Membership], roles: frozenset[str]) -> bytes:
    """One user as served, with the groups they are in, and those as roles and entitlements."""
    if b'"roles":' in head.rendered or b'"entitlements":' in head.rendered:
        shown = orjson.loads(render.user(head, base_url, groups))
        return orjson.dumps(with_lists(shown, groups, roles))
    found: tuple[list[bytes], list[bytes]] = ([], [])
    for group in groups:
        if group.direct:
            is_role = group.id in roles
            found[is_role].append(_written(group.id, group.name, is_role))
    entitlements, held = found
    more = b',"entitlements":[' + b",".join(entitlements) + b"]" if entitlements else b""
    if held:
        more += b',"roles":[' + b",".join(held) + b"]"
    return render.user(head, base_url, groups, more)


# Many users of a page are in the same few groups.
@lru_cache(maxsize=4096)
def _written(group_id: str, name: str, is_role: bool) -> bytes:
    return orjson.dumps(_element(group_id, name, is_role))


def _element(group_id: str, name: str, is_role: bool) -> Doc:
    """A group among a user's roles or entitlements."""
    shown = {"value": group_id, "display": name}
    return shown if is_role else {**shown, "type": ENTITLEMENTS.resource}
