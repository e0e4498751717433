"""Roles and entitlements assigned on users: each is membership in its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import Work
from scim_bridge.registry.groups import Seen, join, leave
from scim_bridge.registry.memberships import Membership
from scim_bridge.registry.model import GROUP, fold
from scim_bridge.registry.resources import bump, keep
from scim_bridge.registry.standing import Standing
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import USERS
from scim_bridge.scim.errors import invalid_value
from scim_bridge.scim.operations import Operation
from scim_bridge.scim.roles import LISTS, MANAGED, mode, offered, role_ids

Doc = dict[str, Any]


def check_offered(call: Call) -> None:
    """NotFound for who does not see them."""
    if not offered(call.caller):
        raise NotFound(
            "address-unknown",
            "There is nothing at this address.",
            "Roles and entitlements are offered to Okta: connections configure NAME --set entitlements=on.",
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a user's roles and entitlements ask for: groups to be in, groups not to be in any more."""

    add: Mapping[str, Membership]
    remove: frozenset[str]


NOTHING = Assignment({}, frozenset())
BOTH = frozenset(LISTS)


def about(operations: Sequence[Operation]) -> bool:
    """True when a PATCH may be about roles or entitlements."""
    for operation in operations:
        named = operation.value if operation.path is None and isinstance(operation.value, dict) else ()
        if any(name in text.casefold() for text in (operation.path or "", *named) for name in LISTS):
            return True
    return False


async def apart(
    work: Work, call: Call, doc: Doc, said: frozenset[str], groups: Sequence[Membership] = ()
) -> tuple[Doc, Assignment]:
    """A user's document without the roles and entitlements that are groups, and what they ask for.

    `said` are the attributes that were spoken of (casefolded), `groups` those the user is in directly. What
    names no group stays in the document, as it does for everybody; but not a group's id in other letters,
    beside which the group itself could not be assigned.
    """
    if call.endpoint is not USERS or not offered(call.caller):
        return doc, NOTHING
    managed = mode(call.caller) == MANAGED
    spoken = {name for name in LISTS if name in said or managed}
    if not spoken:
        return doc, NOTHING
    known = await _groups(work, {item["value"] for name in LISTS for item in _items(doc, name)})
    kept = dict(doc)
    for name in LISTS:
        rest = [item for item in doc.get(name) or () if item.get("value") not in known]
        kept.pop(name, None)
        if rest:
            kept[name] = rest
    there = theirs = {group.id for group in groups}
    if there and len(spoken) == 1:
        roles = await role_ids(work.tx)
        theirs = there & roles if "roles" in spoken else there - roles
    add = {group_id: group for group_id, group in known.items() if group_id not in there}
    return kept, Assignment(add, frozenset(theirs - known.keys()))


def _items(doc: Doc, name: str) -> list[Doc]:
    return [item for item in doc.get(name) or () if isinstance(item.get("value"), str)]


async def _groups(work: Work, ids: set[str]) -> dict[str, Membership]:
    """Those of these ids that are live groups; refused when one is so in other letters (RFC 7643 section 3.1)."""
    if not ids:
        return {}
    rows = await work.tx.all(
        "SELECT g.id, g.name, g.key, EXISTS (SELECT 1 FROM sb_member p WHERE p.member_id = g.id) AS nested"
        f" FROM sb_resource g WHERE g.id {among(work.tx.backend)} AND g.kind = ? AND g.deleted IS NULL",
        listed(work.tx.backend, ids | {fold(value) for value in ids}),
        GROUP,
    )
    found = {row["id"]: Membership(row["id"], row["name"], row["key"], bool(row["nested"])) for row in rows}
    for value in sorted(ids - found.keys()):
        if fold(value) in found:
            raise invalid_value(
                f"{value} is the id of group {found[fold(value)].name!r} in other letters.",
                f"Ids are case-exact: send {fold(value)}.",
            )
    return {value: group for value, group in found.items() if value in ids}


async def assign(work: Work, call: Call, user: Standing, asked: Assignment) -> Standing:
    """Make the user a member of these groups and no longer of those; how they stand then.

    Forbidden unless the token may write groups: an entitlement grants what its group grants.
    """
    if not asked.add and not asked.remove:
        return user
    call.caller.need("groups")
    resource = user.resource
    if asked.add and work.tx.for_update:
        await keep(work, resource.id)
    # In one order, so that two of these never wait for each other.
    for group_id in sorted(asked.add.keys() | asked.remove):
        if group_id in asked.add:
            known = Seen({resource.id: resource.kind}, {resource.id: resource.name}, frozenset())
            await join(work, group_id, {resource.id: None}, known, kept=True)
        else:
            await leave(work, group_id, Seen({}, {}, frozenset((resource.id,))))
        bump(work, group_id, GROUP)
    left = [group for group in user.groups if group.id not in asked.remove]
    return replace(user, groups=tuple(sorted((*left, *asked.add.values()), key=lambda group: group.key)))
