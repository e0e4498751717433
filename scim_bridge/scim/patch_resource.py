"""PATCH: bytes, dialect, ordered changes on a document, one transaction (RFC 7644 section 3.5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Work
from scim_bridge.registry import agents, groups, people
from scim_bridge.registry.model import AGENT
from scim_bridge.registry.standing import Standing
from scim_bridge.scim import answering, entitlements, state
from scim_bridge.scim.agent_view import WZDK, as_agent, as_user
from scim_bridge.scim.answering import Written
from scim_bridge.scim.dialects import rewrite
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import AGENTS, GROUPS, USERS
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.incoming import checked, fitting, named
from scim_bridge.scim.naming import refuse_two_names_in_patch
from scim_bridge.scim.operations import refuse_too_many
from scim_bridge.scim.patch import Operation, apply, read_operations
from scim_bridge.scim.replace import check_kind, deactivate, find, finished, may_deactivate
from scim_bridge.scim.roles import offered, role_ids, with_lists

Doc = dict[str, Any]


async def patch(call: Call) -> Answered:
    """Change a user, agent or group; all operations or none, except as `keeps_deactivation` says."""
    projection = answering.projection_of(call)
    resource_type = call.resource
    raw = call.body(refuse_too_many)
    # Not even a deactivation is taken from what says two things of one attribute.
    refuse_two_names_in_patch(raw, resource_type)
    message = rewrite.message(call.dialect, raw, resource_type, call.applied)
    off = state.deactivating(message.get("Operations"))
    status = _status(call)

    async def body(work: Work) -> tuple[Written, tuple[str, ...]]:
        return await _patched(work, call, await find(work, call), operations, off)

    operations: tuple[Operation, ...]
    try:
        # What a dialect reads as "nothing to do" is done; a message that came empty is refused.
        idle = message.get("Operations") == [] != raw.get("Operations")
        operations = () if idle else read_operations(message, tolerant=call.tolerant)
        made, ignored = await call.transact(body)
    except BridgeError as error:
        if not off or not may_deactivate(call, error):
            raise
        return await deactivate(call, error)
    call.ignored.extend(ignored)
    return await answering.written(call, made, projection, status)


def _status(call: Call) -> int:
    """204 where the dialect asks for it, unless the caller says what it wants to see (RFC 7644 section 3.5.2)."""
    if call.endpoint is not GROUPS or "attributes" in call.asked.query:
        return 200
    return call.dialect.group_patch


async def _patched(
    work: Work, call: Call, before: Standing, operations: Sequence[Operation], off: bool
) -> tuple[Written, tuple[str, ...]]:
    """What became of the resource, and what of the operations a tolerant reading left out."""
    entitled = call.endpoint is USERS and offered(call.caller) and entitlements.about(operations)
    document = _document(call, before)
    if entitled:
        document = with_lists(document, before.groups, await role_ids(work.tx))
    result = apply(document, operations, call.resource, tolerant=call.tolerant)
    if off and result.ignored:
        call.applied.add("kept-deactivation")
    after, external_id, asked = before, before.external_id, entitlements.NOTHING
    if result.changed:
        doc = dict(result.doc)
        if entitled:
            doc, asked = await entitlements.apart(work, call, doc, entitlements.BOTH, before.groups)
        after, external_id = await _changed(work, call, before, document, doc)
    made = await finished(work, call, before, after, external_id, result.member_changes)
    made = replace(made, standing=await entitlements.assign(work, call, made.standing, asked))
    return made, result.ignored


def _document(call: Call, before: Standing) -> Doc:
    """The document as this connection may change it: what was written, and what it said last itself."""
    doc = dict(before.resource.doc)
    if before.external_id is not None:
        doc["externalId"] = before.external_id
    if call.endpoint is not GROUPS:
        doc["active"] = state.said_active(call, before)
    return as_agent(doc, WZDK) if call.endpoint is AGENTS else doc


async def _changed(
    work: Work, call: Call, before: Standing, document: Doc, doc: Doc
) -> tuple[Standing, str | None]:
    """Bring a changed document into the registry, each part where it is kept; it and its externalId."""
    external_id, active = doc.pop("externalId", None), doc.pop("active", None)
    checked(doc, external_id)
    named(doc, document)
    resource = before.resource
    if call.endpoint is AGENTS:
        doc = as_user(doc, resource.doc)
    was = document.get("active")
    active = was if active is None else active
    if call.endpoint is GROUPS:
        return await groups.described(work, before, doc), external_id
    if resource.kind == AGENT:
        after = await agents.described(work, before, doc)
        return (
            after if active == was else await state.with_active(work, call, after, bool(active))
        ), external_id
    check_kind(call, resource, doc)
    fitting(call, doc, agent=False)
    return await people.described(work, before, doc, bool(active)), external_id
