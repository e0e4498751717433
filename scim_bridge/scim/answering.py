"""Answers to single resources: projection, entity tags, and the statuses writes end with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scim_bridge.kernel.database import Later
from scim_bridge.registry.applications import Link, agents_of, applications_of
from scim_bridge.registry.standing import Standing
from scim_bridge.scim import roster, showing
from scim_bridge.scim.door import Call, check_if_match, matches
from scim_bridge.scim.endpoints import AGENTS, APPLICATIONS, FOREIGN, GROUPS, Endpoint
from scim_bridge.scim.exchange import Answered, Headers
from scim_bridge.scim.projection import Projection
from scim_bridge.scim.query import One, by_id, with_indirect
from scim_bridge.scim.render import Head
from scim_bridge.scim.roles import LISTS
from scim_bridge.scim.sight import veiled


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left: how the resource stands, and its version where only the database knows it."""

    standing: Standing
    version: Later | None = None


def projection_of(call: Call, endpoint: Endpoint | None = None) -> Projection:
    """What the call asks to see; Entra names attributes both ways at once, then what is to be shown counts."""
    attributes = call.asked.query.get("attributes")
    excluded = call.asked.query.get("excludedattributes")
    if attributes is not None and excluded is not None and call.tolerant:
        call.applied.add("both-projections")
        excluded = None
    resource = (endpoint or call.endpoint).resource
    return _projection(attributes, excluded, call.door.catalogue.types[resource])


# Clients that name attributes name the same ones every time.
_projection = lru_cache(maxsize=256)(Projection.of)


def tag(version: int) -> tuple[bytes, bytes]:
    """The ETag header of a version (RFC 7644 section 3.14)."""
    return b"etag", b'W/"%d"' % version


def location(call: Call, resource_id: str) -> str:
    """The canonical address of a resource, as in its meta.location."""
    return f"{call.caller.base_url}/{call.endpoint.name}/{resource_id}"


async def written(call: Call, made: Written, projection: Projection, status: int = 200) -> Answered:
    """The answer to a write, from what it knows itself; a group's members are read only to be shown."""
    standing, resource = made.standing, made.standing.resource
    version = resource.version if made.version is None else made.version.value
    headers: Headers = (tag(version),)
    if status == 201:
        headers = (*headers, (b"location", location(call, resource.id).encode()))
    if status == 204:
        return Answered(204, b"", headers)
    head = Head(
        resource.id, version, resource.created, resource.modified, standing.rendered, standing.external_id
    )
    return await _answer(call, One(head, list(standing.groups)), projection, status, headers)


async def read_one(call: Call) -> Answered:
    """GET of one resource: 304 when the caller has this version, 412 when it asks for another (RFC 7644 3.14)."""
    projection = projection_of(call)
    reads = call.door.ctx.store.reads
    # Roles and entitlements are groups, too.
    groups = projection.everything or any(projection.wants(name) for name in ("groups", *LISTS))
    found = await by_id(reads, call.endpoint, call.caller, call.resource_id, groups=groups)
    version = found.head.version
    check_if_match(call, version)
    if call.asked.if_none_match is not None and matches(call.asked.if_none_match, version):
        return Answered(304, b"", (tag(version),))
    return await _answer(call, found, projection, 200, (tag(version),))


async def _answer(call: Call, found: One, projection: Projection, status: int, headers: Headers) -> Answered:
    reads, caller = call.door.ctx.store.reads, call.caller
    if call.endpoint.name in FOREIGN:
        (shown,) = await showing.shown(reads, call.endpoint, [found.head], caller, projection)
        assert isinstance(shown, bytes)
        return Answered(status, shown, headers)
    if call.endpoint is APPLICATIONS:
        return Answered(status, await _application(call, found.head, projection), headers)
    if call.endpoint is not GROUPS:
        groups = await with_indirect(reads, found)
        (head,) = await veiled(reads, [found.head], caller.scope)
        links: Sequence[Link] = ()
        if call.endpoint is AGENTS and projection.wants("applications"):
            links = (await applications_of(reads, [head.id])).get(head.id, ())
        among = await call.roles(call.endpoint, projection) if groups else None
        user = showing.user(call.endpoint, head, groups, caller, projection, links, among)
        return Answered(status, user, headers)
    members = None
    if projection.wants("members"):
        members = await roster.piece(reads, found.head.id, caller.base_url, "", caller.scope)
    shown = showing.group(reads, found.head, members, caller, projection)
    if isinstance(shown, bytes):
        return Answered(status, shown, headers)
    return Answered(status, b"", headers, showing.joined([shown], b""))


async def _application(call: Call, head: Head, projection: Projection) -> bytes:
    agents: Sequence[Link] = ()
    if projection.wants("agents"):
        found = await agents_of(call.door.ctx.store.reads, [head.id], call.caller.scope)
        agents = found.get(head.id, ())
    return showing.application(head, agents, call.caller, projection)
