"""Who is in a group: changes as rows, checked before they are written (architecture, rule 3)."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.kernel.work import Work
from scim_bridge.registry.groups import Seen, inside, join, leave, members_of, nest, only, seen
from scim_bridge.registry.model import AGENT, GROUP, PERSON
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
from scim_bridge.scim.sight import check_groups

NAMED = 20
REMOVING = "Removing a group"
# What a member may be called, by its kind; an agent is a user, too.
_TYPES = {PERSON: ("user",), AGENT: ("user", "agent"), GROUP: ("group",)}


async def apply(work: Work, call: Call, group: Standing, changes: Sequence[MemberChange]) -> int:
    """Make the changes in order; how many memberships came or went. The version is the caller's to raise.

    Members the caller does not see stay as they are, whatever is asked for.
    """
    count, group_id, caller = 0, group.resource.id, call.caller
    for change in changes:
        if isinstance(change, AddMembers):
            known = await checked(work, call, group_id, change.members)
            count += len(await join(work, group_id, named(call, change.members, known), known))
        elif isinstance(change, ReplaceMembers):
            known = await checked(work, call, group_id, change.members)
            wanted = named(call, change.members, known)
            current = await inside(work, group_id, caller.scope)
            await check_groups(work, caller, current - wanted.keys(), REMOVING)
            count += await only(work, group_id, wanted, known, current)
        else:
            ids = (
                change.ids
                if isinstance(change, RemoveMembers)
                else await _matching(work, call, group_id, change)
            )
            known = await seen(work, group_id, ids, caller.scope)
            await check_groups(work, caller, _groups(known) & known.inside, REMOVING)
            count += len(await leave(work, group_id, known))
    if not count:
        work.bookkeeping("the members are already as asked")
    return count


def named(call: Call, members: Sequence[Member], known: Seen) -> dict[str, str | None]:
    """Display by id of those who are to be members.

    Where a scope hides agents, ids nobody knows are left out like the ids of those: kept as unresolved, the
    id of a hidden agent would grant it what the group grants, and left out alone it would give it away.
    """
    if not call.caller.scope:
        return {member.value: member.display for member in members}
    found = {m.value: m.display for m in members if m.value in known.kinds or m.value in known.inside}
    if len(found) < len(members):
        call.applied.add("unknown-members")
    return found


def _groups(known: Seen) -> set[str]:
    return {member for member, kind in known.kinds.items() if kind == GROUP}


async def _matching(work: Work, call: Call, group_id: str, change: RemoveMatching) -> Sequence[str]:
    ids = named_values(change.filter)
    if ids is not None:
        return sorted(ids)
    attribute = schema.of("Group").attributes["members"]
    test = element_predicate(change.filter, attribute, strict=not call.tolerant)
    found: list[str] = []
    after = ""
    while page := await members_of(work.tx, group_id, after=after, scope=call.caller.scope):
        found += [row[0] for row in page if test(render.member(call.caller.base_url, *row))]
        after = page[-1][0]
    return found


async def checked(work: Work, call: Call, group_id: str, members: Sequence[Member]) -> Seen:
    """What is known of these members. Refused when they would make a circle of groups, and, to strict
    clients, when nobody knows them."""
    known = await met(work, call, members, group_id)
    nesting = _groups(known)
    if nesting:
        await nest(work)
    for member in sorted(nesting):
        if member == group_id or await _within(work, member, group_id):
            raise invalid_value(
                f"Group {member} contains this group already, so it cannot become its member.",
                "Groups may be nested, not in a circle.",
            )
    return known


async def met(work: Work, call: Call, members: Sequence[Member], group_id: str = "") -> Seen:
    """What is known of these members; refused to strict clients when nobody knows one of them, or when it is
    something else than they say."""
    ids = [short("members.value", member.value) for member in members]
    known = await seen(work, group_id, ids, call.caller.scope)
    unknown = [member.value for member in members if member.value not in known.kinds]
    if unknown and not call.tolerant:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise invalid_value(
            f"No resource has these ids: {', '.join(unknown[:NAMED])}{more}.", "Create the members first."
        )
    if not call.tolerant:
        _check_types(members, known)
    await check_groups(work, call.caller, _groups(known) - known.inside, "Adding a group")
    return known


def _check_types(members: Sequence[Member], known: Seen) -> None:
    """Refuse a member that is said to be of another type (RFC 7643 section 4.2)."""
    for member in members:
        if member.type is not None and member.type.casefold() not in _TYPES.get(
            known.kinds[member.value], ()
        ):
            raise invalid_value(
                f"members.type says {member.type[:40]!r} of {member.value}, which is none.",
                "Send the type it has, User or Group, or leave it out.",
            )


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
