"""One resource by its id, in one statement: its row, what the caller calls it, and the groups it is in."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.memberships import Membership, all_groups, gathered_groups, groups_in
from scim_bridge.registry.model import USER_SPACE
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.endpoints import GROUPS, Endpoint
from scim_bridge.scim.render import Head


class One(NamedTuple):
    """A resource, and the groups it is in directly."""

    head: Head
    groups: list[Membership]


async def by_id(reader: Reader, endpoint: Endpoint, caller: Caller, resource_id: str, *, groups: bool) -> One:
    """The live resource with this id in this collection; NotFound when there is none the caller may see."""
    scope, values = caller.scope.also("r") if endpoint.space == USER_SPACE else ("", [])
    sql = _sql(reader.backend, endpoint.scope_sql, groups and endpoint is not GROUPS, scope)
    row = await reader.one(sql, caller.connection.id, resource_id, *values)
    if row is None:
        raise NotFound(
            "resource-unknown",
            f"There is no {endpoint.resource} with id {resource_id[:200]!r}.",
            "Look it up with a filter.",
        )
    found_id, version, created, modified, rendered, external_id, gathered = row
    return One(Head(found_id, version, created, modified, rendered, external_id), groups_in(gathered))


async def with_indirect(reader: Reader, found: One) -> list[Membership]:
    """The groups a resource is in directly or through groups; read only when there are such."""
    if not any(group.nested for group in found.groups):
        return found.groups
    return (await all_groups(reader, {found.head.id: found.groups}))[found.head.id]


@lru_cache(maxsize=64)
def _sql(backend: str, within: str, groups: bool, scope: str) -> str:
    external = "sb_external e WHERE e.resource_id = r.id AND e.connection_id = ?"
    return (
        f"SELECT r.id, r.version, r.created, r.modified, r.rendered, (SELECT e.external_id FROM {external}),"
        f" {gathered_groups(backend, 'r.id') if groups else 'NULL'} FROM sb_resource r"
        f" WHERE r.id = ? AND r.deleted IS NULL AND {within}{scope}"
    )
