"""Resources in their final form: as this caller sees them, in the collection's view, with what was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.registry.applications import Link, agents_of, applications_of
from scim_bridge.registry.memberships import Membership, all_groups, direct_groups
from scim_bridge.scim import render, roles, roster
from scim_bridge.scim.agent_view import as_agent, shape_of
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.endpoints import AGENTS, APPLICATIONS, FOREIGN, GROUPS, USERS, Endpoint
from scim_bridge.scim.filler import filled
from scim_bridge.scim.projection import Projection
from scim_bridge.scim.render import Head
from scim_bridge.scim.roster import Piece
from scim_bridge.scim.sight import veiled


class Long(NamedTuple):
    """A group with so many members that it is sent in pieces."""

    begin: bytes
    pieces: AsyncIterator[bytes]
    end: bytes


Shown: TypeAlias = "bytes | Long"
Shape = Callable[[bytes], bytes]


async def shown(
    reader: Reader,
    endpoint: Endpoint,
    heads: Sequence[Head],
    caller: Caller,
    projection: Projection,
    among: frozenset[str] | None = None,
    direct: Mapping[str, list[Membership]] | None = None,
) -> list[Shown]:
    """Rows as answers, in their order, with a fixed number of statements however many they are.

    `among`: users are shown with their groups as roles (these) and entitlements (the others), too.
    `direct`: the groups users are in directly, where they are known already.
    """
    if endpoint.name in FOREIGN:
        documents = [roles.group_as(endpoint, head, caller.base_url) for head in heads]
        return [finished(endpoint, document, caller, projection) for document in documents]
    if endpoint is GROUPS:
        found: dict[str, Piece] = {}
        if heads and projection.wants("members"):
            ids = [head.id for head in heads]
            found = await roster.pieces(reader, ids, caller.base_url, caller.scope)
        return [group(reader, head, found.get(head.id), caller, projection) for head in heads]
    ids = [head.id for head in heads]
    if endpoint is APPLICATIONS:
        agents = await agents_of(reader, ids, caller.scope) if projection.wants("agents") else {}
        return [application(head, agents.get(head.id, ()), caller, projection) for head in heads]
    heads = await veiled(reader, heads, caller.scope)
    links: Mapping[str, Sequence[Link]] = {}
    if endpoint is AGENTS and projection.wants("applications"):
        links = await applications_of(reader, ids)
    groups: Mapping[str, list[Membership]] = {}
    if projection.wants("groups") or among is not None:
        groups = await all_groups(reader, await direct_groups(reader, ids) if direct is None else direct)
    return [
        user(endpoint, head, groups.get(head.id, ()), caller, projection, links.get(head.id, ()), among)
        for head in heads
    ]


def user(
    endpoint: Endpoint,
    head: Head,
    groups: Sequence[Membership],
    caller: Caller,
    projection: Projection,
    applications: Sequence[Link] = (),
    among: frozenset[str] | None = None,
) -> bytes:
    """One user as the answer, a member of these groups; as an agent, also in these applications."""
    if among is None or not groups:
        document = render.user(head, caller.base_url, groups)
    else:
        document = roles.user(head, caller.base_url, groups, among)
    return finished(endpoint, document, caller, projection, applications)


def application(head: Head, agents: Sequence[Link], caller: Caller, projection: Projection) -> bytes:
    """One application as the answer, with these agents."""
    return finished(APPLICATIONS, render.application(head, caller.base_url, agents), caller, projection)


def group(reader: Reader, head: Head, members: Piece | None, caller: Caller, projection: Projection) -> Shown:
    """One group as the answer, beginning with these members."""
    if members is None or not members.full:
        document = render.group(head, caller.base_url, b"" if members is None else members.text.encode())
        return finished(GROUPS, document, caller, projection)
    begin = finished(GROUPS, render.group(head, caller.base_url), caller, projection)
    shape = bytes if projection.everything else partial(_members, projection)
    return Long(begin[:-1] + b',"members":[', _pieces(reader, head.id, caller, members, shape), b"]}")


async def _pieces(
    reader: Reader, group_id: str, caller: Caller, first: Piece, shape: Shape
) -> AsyncIterator[bytes]:
    begun = shape(first.text.encode())
    yield begun
    async for text in roster.rest(reader, group_id, caller.base_url, first, caller.scope):
        more = shape(text.encode())
        yield b"," + more if begun and more else more
        begun = begun or more


def _members(projection: Projection, joined: bytes) -> bytes:
    """Members, joined by commas, with what was asked for."""
    kept = projection.apply({"members": orjson.loads(b"[" + joined + b"]")})
    return orjson.dumps(kept.get("members", []))[1:-1]


def finished(
    endpoint: Endpoint,
    document: bytes,
    caller: Caller,
    projection: Projection,
    applications: Sequence[Link] = (),
) -> bytes:
    """A rendered document in the collection's view, with what was asked for."""
    if endpoint is AGENTS:
        document = _as_agent(document, caller, applications)
    elif endpoint is USERS:
        document = filled(document, caller.mail_domain)
    if projection.everything:
        return document
    return orjson.dumps(projection.apply(orjson.loads(document)))


def _as_agent(document: bytes, caller: Caller, applications: Sequence[Link]) -> bytes:
    """A user as this connection wants agents under /Agents: the wzdk draft, or the older abbey draft."""
    agent = as_agent(orjson.loads(document), shape_of(caller.connection.settings))
    if applications:
        linked = [render.linked(caller.base_url, APPLICATIONS.name, link) for link in applications]
        agent["applications"] = linked
    location = f"{caller.base_url}/Agents/{agent['id']}"
    agent["meta"] = {**agent["meta"], "resourceType": "Agent", "location": location}
    return orjson.dumps(agent)


async def joined(items: Sequence[Shown], tail: bytes) -> AsyncIterator[bytes]:
    """Answers with commas between them and something behind, piece by piece."""
    for number, item in enumerate(items):
        comma = b"," if number else b""
        if isinstance(item, bytes):
            yield comma + item
        else:
            yield comma + item.begin
            async for piece in item.pieces:
                yield piece
            yield item.end
    yield tail
