"""POST: a resource comes into being, or one that was deprovisioned comes back with its id (RFC 7644 section 3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.errors import Conflict, Forbidden
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import add_agent, slug_of
from scim_bridge.registry.graves import bring_back, buried, give_up_external_id, give_up_names
from scim_bridge.registry.groups import add_group, join
from scim_bridge.registry.model import AGENT, GROUP_SPACE, PERSON, USER_SPACE, Resource, fold
from scim_bridge.registry.people import add_person
from scim_bridge.registry.resources import (
    by_external_id,
    by_name,
    external_id_taken,
    external_ids,
    set_external_id,
    taken,
)
from scim_bridge.registry.standing import Standing, save, standing
from scim_bridge.scim import answering, entitlements, membership, state
from scim_bridge.scim.answering import Written
from scim_bridge.scim.door import Call, connection_words
from scim_bridge.scim.endpoints import GROUPS
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.incoming import Incoming, as_stored, completed, read
from scim_bridge.scim.replace import replaced
from scim_bridge.scim.sight import check_new, sees


async def create(call: Call) -> Answered:
    """Create a user, agent or group: 201 with the resource, or Conflict when it exists.

    A create that comes again finds what the first one made, and one that names somebody deprovisioned
    or deleted brings back the same id, with every hold that others have on it: all answer 201.
    """
    projection = answering.projection_of(call)
    incoming = read(call, call.body())
    stored = as_stored(call, incoming)
    try:
        made = await call.transact(lambda work: _new(work, call, stored, sure=False))
    except (Conflict, Forbidden):
        # Something of it is in use: that may be the same being, or only a slug. Or it would be outside the
        # scope, as somebody is who comes back to be in a group that the scope asks for.
        made = await call.transact(lambda work: _made(work, call, stored, incoming))
    return await answering.written(call, made, projection, 201)


async def _made(work: Work, call: Call, stored: Incoming, incoming: Incoming) -> Written:
    existing, known = await _existing(work, call, stored)
    if existing is None:
        return await _afresh(work, call, stored, incoming)
    if not await sees(work.tx, call.caller.scope, existing):
        raise _hidden(call, stored, existing)
    if call.dialect.revives:
        before = await standing(work, existing.id, connection_id=call.caller.connection.id)
        existing = before.resource
        doc, asked = await entitlements.apart(work, call, stored.doc, stored.said, before.groups)
        if known and not asked.add and _same(call, before, replace(stored, doc=doc)):
            work.bookkeeping("a create that came again")
            call.applied.add("create-again")
            return Written(before)
        if call.endpoint is not GROUPS and not existing.active:
            return await _revived(work, call, before, as_stored(call, incoming, existing.doc))
    if known and existing.name.casefold() != _name(stored).casefold():
        raise Conflict(
            "external-id-taken",
            f"externalId {stored.external_id!r} already names {existing.name!r}.",
            "Update that one, or send the externalId of this one.",
        )
    raise taken(_name(stored), _space(call))


async def _afresh(work: Work, call: Call, stored: Incoming, incoming: Incoming) -> Written:
    """Nobody who lives is meant: bring back who was deleted, whatever the dialect, or make somebody new."""
    connection, space = call.caller.connection.id, _space(call)
    if call.endpoint is GROUPS:
        return await _new(work, call, stored)
    name, external_id = _name(stored), stored.external_id
    grave = await buried(work.tx, AGENT if stored.agent else PERSON, name, connection, external_id)
    if grave is None:
        give_up_names(work, [fold(name)])
        if external_id is not None:
            give_up_external_id(work, connection, space, external_id)
        return await _new(work, call, stored)
    if not await sees(work.tx, call.caller.scope, grave):
        raise taken(name, space)
    reason = f"{connection_words(call.caller)} created it again"
    back = await bring_back(work, grave, name, reason, connection)
    return await _revived(work, call, back, as_stored(call, incoming, back.resource.doc))


def _hidden(call: Call, stored: Incoming, existing: Resource) -> Conflict:
    """The refusal of what an agent outside the scope has: it tells that it is taken, and nothing else."""
    if existing.name.casefold() == _name(stored).casefold():
        return taken(_name(stored), _space(call))
    return external_id_taken(str(stored.external_id))


def _space(call: Call) -> str:
    return GROUP_SPACE if call.endpoint is GROUPS else USER_SPACE


def _name(incoming: Incoming) -> str:
    return str(incoming.doc.get("userName") or incoming.doc.get("displayName") or "")


async def _existing(work: Work, call: Call, incoming: Incoming) -> tuple[Resource | None, bool]:
    """What the create would collide with, and whether this connection knows it by the same externalId.

    Conflict when it can only be somebody else.
    """
    connection, space = call.caller.connection.id, _space(call)
    named = await by_name(work.tx, space, _name(incoming))
    if incoming.external_id is None:
        return named, False
    known = await by_external_id(work.tx, connection, space, incoming.external_id)
    if named is not None and known is not None and named.id != known.id:
        raise taken(_name(incoming), space)
    if named is not None and known is None:
        other = (await external_ids(work.tx, connection, [named.id])).get(named.id)
        if other is not None:
            # The same name under another id of the same IdP is another being, whatever its state.
            raise taken(_name(incoming), space)
    return known or named, known is not None


async def _new(work: Work, call: Call, incoming: Incoming, *, sure: bool = True) -> Written:
    """Create it. Unless it is `sure` that its userName makes a free slug, Conflict when it does not."""
    origin = f"connection:{call.caller.connection.name}"
    doc, asked = await entitlements.apart(work, call, incoming.doc, incoming.said)
    if call.endpoint is GROUPS:
        members = incoming.members or ()
        # Read before anything is written; and nothing can contain a group that is not there yet.
        known = await membership.met(work, call, members) if members else None
        made = await add_group(work, incoming.doc, origin=origin)
        if known is not None:
            await join(work, made.resource.id, membership.named(call, members, known), known)
    elif incoming.agent:
        doc = completed(doc, call.door.settings.agent_mail_domain)
        check_new(call.caller, doc)
        slug = None if sure else slug_of(str(doc["userName"]))
        made = await add_agent(work, doc, origin=origin, slug=slug)
    else:
        made = await add_person(work, doc, active=incoming.active is not False, origin=origin)
    if incoming.external_id is not None:
        connection_id = call.caller.connection.id
        set_external_id(work, made.resource, connection_id, None, incoming.external_id)
        made = replace(made, external_id=incoming.external_id)
    if incoming.agent and incoming.active is False:
        made = save(work, made, await state.with_active(work, call, made, False))
    made = await state.tell_of_owner(work, call, made)
    return Written(await entitlements.assign(work, call, made, asked))


async def _revived(work: Work, call: Call, before: Standing, incoming: Incoming) -> Written:
    """Bring back somebody deprovisioned, as the create describes them; the id and the history stay."""
    existing = before.resource
    if incoming.agent and existing.kind != AGENT:
        raise Conflict(
            "name-taken",
            f"{existing.name!r} is a person who was deprovisioned, not an agent.",
            "Delete the person, or choose another userName.",
        )
    call.applied.add("revived")
    await record(
        work,
        f"{existing.kind}.revived",
        existing.kind,
        existing.id,
        {"userName": existing.name, "reason": f"{connection_words(call.caller)} created it again"},
    )
    active = incoming.active is not False
    return await replaced(work, call, before, replace(incoming, active=active))


def _same(call: Call, before: Standing, incoming: Incoming) -> bool:
    """True when a create says nothing but what is there already: it is the same create once more."""
    if incoming.members or not _covers(before.resource.doc, incoming.doc):
        return False
    return call.endpoint is GROUPS or state.said_active(call, before) is (incoming.active is not False)


def _covers(there: Any, said: Any) -> bool:
    if isinstance(said, dict):
        return isinstance(there, dict) and all(
            key in there and _covers(there[key], value) for key, value in said.items()
        )
    if isinstance(said, list):
        return (
            isinstance(there, list)
            and len(there) == len(said)
            and all(_covers(a, b) for a, b in zip(there, said, strict=True))
        )
    return bool(there == said)
