"""PUT: a document takes the place of another (RFC 7644 section 3.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scim_bridge.audit.record import record
from scim_bridge.kernel.errors import BridgeError, NotFound, Stale
from scim_bridge.kernel.work import Work
from scim_bridge.registry import agents, groups, people
from scim_bridge.registry.graves import check_rename, give_up_external_id
from scim_bridge.registry.model import AGENT, GROUP, PERSON, Resource
from scim_bridge.registry.resources import bump, set_external_id, space_of
from scim_bridge.registry.standing import Standing, save, standing
from scim_bridge.scim import answering, entitlements, membership, state
from scim_bridge.scim.answering import Written
from scim_bridge.scim.door import Call, check_version
from scim_bridge.scim.endpoints import GROUPS
from scim_bridge.scim.errors import mutability
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.filler import unfilled
from scim_bridge.scim.incoming import (
    Incoming,
    as_stored,
    carried_over,
    completed,
    fitting,
    in_order,
    kept_custom,
    read,
)
from scim_bridge.scim.members import MemberChange, ReplaceMembers
from scim_bridge.scim.naming import refuse_two_names
from scim_bridge.scim.replayed import set_aside, with_stored
from scim_bridge.scim.sight import check_groups, check_stays


async def put(call: Call) -> Answered:
    """Replace a user, agent or group; NotFound when there is none, for PUT creates nothing.

    `active` and, from tolerant clients, `externalId` and `members` stay as they are when they are not said.
    """
    projection = answering.projection_of(call)
    raw = call.body()
    # Not even a deactivation is taken from what says two things of one attribute.
    refuse_two_names(raw, call.resource)
    try:
        sent, odd = set_aside(call, raw)
        incoming = read(call, sent)

        async def body(work: Work) -> Written:
            before = await find(work, call)
            document = before.resource.doc
            asked = with_stored(call, incoming, odd, document)
            return await replaced(work, call, before, as_stored(call, asked, document))

        return await answering.written(call, await call.transact(body), projection)
    except BridgeError as error:
        if not may_deactivate(call, error) or not state.deactivates(raw):
            raise
        return await deactivate(call, error)


async def find(work: Work, call: Call) -> Standing:
    """How the resource a write addresses stands; of the version the caller knows."""
    kinds = (call.endpoint.kind,) if call.endpoint.kind else ()
    caller = call.caller
    found = await standing(
        work, call.resource_id, *kinds, connection_id=caller.connection.id, scope=caller.scope
    )
    if space_of(found.resource.kind) != call.endpoint.space:
        raise NotFound(
            "resource-unknown", f"There is no {call.endpoint.resource} with id {call.resource_id[:200]!r}."
        )
    check_version(call, found.resource)
    return found


async def replaced(work: Work, call: Call, before: Standing, incoming: Incoming) -> Written:
    """Make a resource what an incoming document says."""
    external_id = incoming.external_id
    if external_id is None and call.tolerant:
        external_id = before.external_id
    said = kept_custom(call, incoming, before.resource.doc)
    if call.endpoint is GROUPS:
        after = await groups.described(work, before, in_order(said, before.resource.doc))
        members = incoming.members
        if members is None and not call.tolerant:
            members = ()
        changes = () if members is None else (ReplaceMembers(members),)
        return await finished(work, call, before, after, external_id, changes)
    active, resource = incoming.active, before.resource
    said, asked = await entitlements.apart(work, call, said, incoming.said, before.groups)
    if resource.kind == AGENT:
        doc = carried_over(incoming, said, resource.doc) if call.tolerant else said
        doc = in_order(completed(doc, call.door.settings.agent_mail_domain), resource.doc)
        after = await agents.described(work, before, doc)
        if active is not None:
            after = await state.with_active(work, call, after, active)
    else:
        check_kind(call, resource, said)
        fitting(call, said, agent=False)
        said = unfilled(said, resource.doc, call.caller.mail_domain)
        now_active = resource.active if active is None else active
        doc = in_order(said, resource.doc)
        after = await people.described(work, before, doc, now_active)
    made = await finished(work, call, before, after, external_id)
    return replace(made, standing=await entitlements.assign(work, call, made.standing, asked))


async def finished(
    work: Work,
    call: Call,
    before: Standing,
    after: Standing,
    external_id: str | None,
    changes: Sequence[MemberChange] = (),
) -> Written:
    """Write what became of a resource: its version rises once, whatever changed, and not for nothing.

    Forbidden when it would move an agent out of the caller's scope, or rename what agents outside are in.
    """
    check_stays(call.caller, after)
    if before.resource.kind == GROUP and before.resource.name != after.resource.name:
        await check_groups(work, call.caller, [before.resource.id], "Renaming this group")
    if before.resource.kind == AGENT and before.resource.name != after.resource.name:
        await check_rename(work, before.resource, after.resource.name)
    after = await renamed(work, call, after, external_id)
    moved = await membership.apply(work, call, before, changes) if changes else 0
    resource = after.resource
    if after is before:
        if not moved:
            return Written(before)
        version = bump(work, resource.id, resource.kind)
        return Written(replace(after, resource=replace(resource, modified=work.now)), version)
    if resource.kind != PERSON:
        return Written(await state.tell_of_owner(work, call, save(work, before, after)))
    saved = await people.save_person(work, before, after)
    if before.resource.active != resource.active:
        await state.tell_of_person(work, call, before.resource, resource.active)
    return Written(saved)


async def renamed(work: Work, call: Call, before: Standing, external_id: str | None) -> Standing:
    """The resource under what this connection calls it now, to be saved; the same one when it does already."""
    resource = before.resource
    connection_id = call.caller.connection.id
    if external_id is not None and external_id != before.external_id:
        give_up_external_id(work, connection_id, space_of(resource.kind), external_id)
    if not set_external_id(work, resource, connection_id, before.external_id, external_id):
        work.bookkeeping("the externalId is already as asked")
        return before
    detail = {"attributes": ["externalId"]}
    await record(work, f"{resource.kind}.updated", resource.kind, resource.id, detail)
    return replace(before, external_id=external_id)


def check_kind(call: Call, person: Resource, doc: dict[str, object]) -> None:
    """Refuse to turn a person into an agent: what somebody is, is decided when they are created."""
    marker = str(call.caller.connection.settings.get("agent_marker") or "userType=Agent")
    attribute, _, value = marker.partition("=")
    said = str(doc.get(attribute, "")).casefold()
    if said == value.casefold() and said != str(person.doc.get(attribute, "")).casefold():
        raise mutability(
            f"{person.name!r} is a person and cannot become an agent ({attribute} {value}).",
            "Delete it and create the agent.",
        )


def may_deactivate(call: Call, error: BridgeError) -> bool:
    """True when a refusal is about the rest of the request, which must not keep a deactivation from being done."""
    if call.endpoint is GROUPS or not call.dialect.keeps_deactivation:
        return False
    return 400 <= error.status < 500 and not isinstance(error, NotFound | Stale)


async def deactivate(call: Call, error: BridgeError) -> Answered:
    """Do the deactivation a refused request also asked for, and nothing else of it."""
    call.applied.add("kept-deactivation")
    call.ignored.append(error.message)
    projection = answering.projection_of(call)

    async def body(work: Work) -> Written:
        before = await find(work, call)
        resource = before.resource
        if resource.kind == AGENT:
            after = await state.with_active(work, call, before, False)
        else:
            after = await people.described(work, before, resource.doc, False)
        return await finished(work, call, before, after, before.external_id)

    return await answering.written(call, await call.transact(body), projection)
