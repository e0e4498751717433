"""DELETE (RFC 7644 section 3.6): gone for every request, its names free, until it is created again."""

from __future__ import annotations

from scim_bridge.kernel.work import Work
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.groups import delete_group
from scim_bridge.registry.holds import let_go
from scim_bridge.registry.model import AGENT, GROUP, Resource
from scim_bridge.registry.people import delete_person
from scim_bridge.registry.resources import bump, lock
from scim_bridge.scim import state
from scim_bridge.scim.door import Call, connection_words
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.replace import find
from scim_bridge.scim.sight import check_groups


async def delete(call: Call) -> Answered:
    """Remove a user, agent or group; 204. What follows for a person's agents is decided before they are gone."""

    async def body(work: Work) -> None:
        await lock(work, call.resource_id)
        before = await find(work, call)
        resource = before.resource
        reason = f"{connection_words(call.caller)} deleted it"
        if resource.kind == GROUP:
            await check_groups(work, call.caller, [resource.id], "Deleting this group")
            await delete_group(work, resource.id, reason)
            return
        groups = await _groups_with(work, resource)
        if resource.kind == AGENT:
            # Who deletes it has nothing more to say of it. What others hold stays held, should it come back.
            await let_go(work, before, call.caller.actor_hold, reason)
            await delete_agent(work, resource.id, reason)
        else:
            await state.tell_of_deletion(work, call, resource)
            await delete_person(work, resource.id, reason)
        for group in groups:
            bump(work, group, GROUP)

    await call.transact(body)
    return Answered(204)


async def _groups_with(work: Work, resource: Resource) -> list[str]:
    """The groups that lose a member: their versions rise."""
    rows = await work.tx.all(
        "SELECT group_id FROM sb_member WHERE member_id = ? ORDER BY group_id", resource.id
    )
    return [row["group_id"] for row in rows]
