"""Agentic applications at the door: created, replaced, changed, deleted; their agents are links, kept as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Work
from scim_bridge.registry.applications import (
    add_application,
    agents_of,
    delete_application,
    described,
    known_agents,
    link,
)
from scim_bridge.registry.resources import bump, by_external_id, set_external_id
from scim_bridge.registry.standing import Standing, save, standing
from scim_bridge.scim import answering
from scim_bridge.scim.answering import Written
from scim_bridge.scim.dialects import rewrite
from scim_bridge.scim.door import Call, connection_words
from scim_bridge.scim.errors import invalid_value
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.incoming import Incoming, checked, in_order, read
from scim_bridge.scim.naming import refuse_two_names_in_patch
from scim_bridge.scim.operations import refuse_too_many
from scim_bridge.scim.patch import Operation, apply, read_operations
from scim_bridge.scim.replace import find, renamed
from scim_bridge.scim.sight import check_application

Doc = dict[str, Any]
# Kind of link by the agent's id; "" when nobody said.
Agents = Mapping[str, str]

NAMED = 20


async def create(call: Call) -> Answered:
    """POST: 201 with the application; Conflict when its name is taken.

    A create that comes again under the same externalId finds what the first one made.
    """
    projection = answering.projection_of(call)
    incoming = read(call, call.body())
    doc, agents = _apart(incoming.doc)

    async def body(work: Work) -> Written:
        wanted = await _known(work, call, agents or {}, {})
        origin = f"connection:{call.caller.connection.name}"
        made = await add_application(work, doc, incoming.active is not False, wanted, origin=origin)
        if incoming.external_id is not None:
            set_external_id(work, made.resource, call.caller.connection.id, None, incoming.external_id)
            made = replace(made, external_id=incoming.external_id)
        return Written(made)

    try:
        made = await call.transact(body)
    except Conflict:
        again = await call.transact(lambda work: _again(work, call, incoming))
        if again is None:
            raise
        made = again
    return await answering.written(call, made, projection, 201)


async def _again(work: Work, call: Call, incoming: Incoming) -> Written | None:
    """What the same create made before; None when it was another one."""
    work.bookkeeping("a create that came again")
    connection_id = call.caller.connection.id
    if incoming.external_id is None or not call.dialect.revives:
        return None
    known = await by_external_id(work.tx, connection_id, call.endpoint.space, incoming.external_id)
    if known is None:
        return None
    doc, agents = _apart(incoming.doc)
    before = await standing(work, known.id, connection_id=connection_id)
    there = await _links(work, call, known.id)
    if (doc, agents or {}, incoming.active is not False) != (known.doc, there, known.active):
        return None
    call.applied.add("create-again")
    return Written(before)


async def put(call: Call) -> Answered:
    """PUT: the document takes the place of another. `active` stays when it is not said, and for tolerant
    connections so do `externalId` and `agents`."""
    projection = answering.projection_of(call)
    incoming = read(call, call.body())
    doc, agents = _apart(incoming.doc)
    if agents is None and ("agents" in incoming.said or not call.tolerant):
        agents = {}

    async def body(work: Work) -> Written:
        before = await find(work, call)
        external_id = incoming.external_id
        if external_id is None and call.tolerant:
            external_id = before.external_id
        active = before.resource.active if incoming.active is None else incoming.active
        after = await described(work, before, in_order(doc, before.resource.doc), active)
        there = await _links(work, call, before.resource.id)
        return await _finished(work, call, (before, after), external_id, (there, agents))

    return await answering.written(call, await call.transact(body), projection)


async def patch(call: Call) -> Answered:
    """PATCH: all operations or none."""
    projection = answering.projection_of(call)
    raw = call.body(refuse_too_many)
    refuse_two_names_in_patch(raw, call.resource)
    message = rewrite.message(call.dialect, raw, call.resource, call.applied)
    # What a dialect reads as "nothing to do" is done; a message that came empty is refused.
    idle = message.get("Operations") == [] != raw.get("Operations")
    operations = () if idle else read_operations(message, tolerant=call.tolerant)

    async def body(work: Work) -> tuple[Written, tuple[str, ...]]:
        return await _patched(work, call, operations)

    made, ignored = await call.transact(body)
    call.ignored.extend(ignored)
    return await answering.written(call, made, projection)


async def _patched(
    work: Work, call: Call, operations: tuple[Operation, ...]
) -> tuple[Written, tuple[str, ...]]:
    before = await find(work, call)
    resource = before.resource
    there = await _links(work, call, resource.id)
    document: Doc = {**resource.doc, "active": resource.active}
    if before.external_id is not None:
        document["externalId"] = before.external_id
    if there:
        document["agents"] = [{"value": agent, **_typed(kind)} for agent, kind in there.items()]
    result = apply(document, operations, call.resource, tolerant=call.tolerant)
    after, external_id, agents = before, before.external_id, None
    if result.changed:
        changed = dict(result.doc)
        external_id, active = changed.pop("externalId", None), changed.pop("active", None)
        checked(changed, external_id)
        doc, agents = _apart(changed)
        after = await described(work, before, doc, resource.active if active is None else bool(active))
        agents = agents or {}
    return await _finished(work, call, (before, after), external_id, (there, agents)), result.ignored


def _typed(kind: str) -> Doc:
    return {"type": kind} if kind else {}


async def delete(call: Call) -> Answered:
    """DELETE: 204. Its agents stay as they are, and are no longer in it."""

    async def body(work: Work) -> None:
        resource = (await find(work, call)).resource
        await check_application(work, call.caller, resource.id)
        await delete_application(work, resource, f"{connection_words(call.caller)} deleted it")

    await call.transact(body)
    return Answered(204)


async def _finished(
    work: Work,
    call: Call,
    states: tuple[Standing, Standing],
    external_id: str | None,
    agents: tuple[Agents, Agents | None],
) -> Written:
    """Write what became of an application: its version rises once, whatever changed, and not for nothing.

    `states` and `agents` are before and after; agents stay when nothing is said of them.
    """
    before, after = states
    there, wanted = agents
    after = await renamed(work, call, after, external_id)
    moved = 0
    if wanted is not None:
        moved = await link(work, before.resource.id, there, await _known(work, call, wanted, there))
    if after is not before:
        return Written(save(work, before, after))
    if not moved:
        return Written(before)
    version = bump(work, before.resource.id, before.resource.kind)
    return Written(replace(after, resource=replace(after.resource, modified=work.now)), version)


async def _links(work: Work, call: Call, application_id: str) -> dict[str, str]:
    """The application's agents, as far as the caller sees them: no others are touched by what it says."""
    found = await agents_of(work.tx, [application_id], call.caller.scope)
    return {one.id: one.type for one in found.get(application_id, ())}


async def _known(work: Work, call: Call, wanted: Agents, there: Agents) -> Agents:
    """The same agents; refused when the caller sees no agent with one of these ids."""
    new = sorted(wanted.keys() - there.keys())
    unknown = sorted(set(new) - await known_agents(work.tx, new, call.caller.scope)) if new else []
    if unknown:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise invalid_value(
            f"No agent has these ids: {', '.join(name[:80] for name in unknown[:NAMED])}{more}.",
            "Create the agents first.",
        )
    return wanted


def _apart(doc: Doc) -> tuple[Doc, dict[str, str] | None]:
    """An application's own document, and its agents; None when nothing is said of them."""
    rest = {name: value for name, value in doc.items() if name != "agents"}
    agents = doc.get("agents")
    if agents is None:
        return rest, None
    return rest, {item["value"]: str(item.get("type") or "") for item in agents}
