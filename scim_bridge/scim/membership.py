"""Who is in a group: changes as rows, checked before they are written (DESIGN rule 3)."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.kernel.work import Work
from scim_bridge.registry.groups import Seen, join, leave, members_of, only, seen
from scim_bridge.registry.model import GROUP
from scim_bridge.registry.standing import Standing
from scim_bridge.scim import render, schema
from scim_bridge.scim.door import Call
from scim_bridge.scim.errors import invalid_value
from scim_bridge.scim.incoming import short
from scim_bridge.scim.match import element_predicate
from scim_bridge.scim.members import (
    AddMembers,
    Member,
    MemberChange,
    RemoveMatching,
    RemoveMembers,
    ReplaceMembers,
)
from scim_bridge.scim.mentions import named_values

NAMED = 20


async def apply(work: Work, call: Call, group: Standing, changes: Sequence[MemberChange]) -> int:
    """Make the changes in order; how many memberships came or went. The version is the caller's to raise."""
    count, group_id = 0, group.resource.id
    for change in changes:
        if isinstance(change, AddMembers):
            known = await checked(work, call, group_id, change.members)
            count += len(await join(work, group_id, named(change.members), known))
        elif isinstance(change, ReplaceMembers):
            known = await checked(work, call, group_id, change.members)
            count += await only(work, group_id, named(change.members), known)
        else:
            ids = (
                change.ids
                if isinstance(change, RemoveMembers)
                else await _matching(work, call, group_id, change)
            )
            count += len(await leave(work, group_id, await seen(work, group_id, ids)))
    if not count:
        work.bookkeeping("the members are already as asked")
    return count


def named(members: Sequence[Member]) -> dict[str, str | None]:
    return {member.value: member.display for member in members}


async def _matching(work: Work, call: Call, group_id: str, change: RemoveMatching) -> Sequence[str]:
    ids = named_values(change.filter)
    if ids is not None:
        return sorted(ids)
    attribute = schema.of("Group").attributes["members"]
    test = element_predicate(change.filter, attribute, strict=not call.tolerant)
    found: list[str] = []
    after = ""
    while page := await members_of(work.tx, group_id, after=after):
        found += [row[0] for row in page if test(render.member(call.caller.base_url, *row))]
        after = page[-1][0]
    return found


async def checked(work: Work, call: Call, group_id: str, members: Sequence[Member]) -> Seen:
    """What is known of these members. Refused when they would make a circle of groups, and, to strict
    clients, when nobody knows them."""
    known = await met(work, call, members, group_id)
    for member, kind in known.kinds.items():
        if kind == GROUP and (member == group_id or await _within(work, member, group_id)):
            raise invalid_value(
                f"Group {member} contains this group already, so it cannot become its member.",
                "Groups may be nested, not in a circle.",
            )
    return known


async def met(work: Work, call: Call, members: Sequence[Member], group_id: str = "") -> Seen:
    """What is known of these members; refused to strict clients when nobody knows one of them."""
    known = await seen(work, group_id, [short("members.value", member.value) for member in members])
    unknown = [member.value for member in members if member.value not in known.kinds]
    if unknown and not call.tolerant:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise invalid_value(
            f"No resource has these ids: {', '.join(unknown[:NAMED])}{more}.", "Create the members first."
        )
    return known


async def _within(work: Work, outer: str, inner: str) -> bool:
    """True when one group is a member of the other, directly or through groups."""
    row = await work.tx.one(
        "WITH RECURSIVE down (id) AS (SELECT member_id FROM sb_member WHERE group_id = ? AND kind = 'group'"
        " UNION SELECT m.member_id FROM sb_member m JOIN down d ON m.group_id = d.id WHERE m.kind = 'group')"
        " SELECT 1 AS x FROM down WHERE id = ?",
        outer,
        inner,
    )
    return row is not None
