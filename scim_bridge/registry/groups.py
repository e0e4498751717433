"""Groups: bundles of access. Membership is rows: adding one member costs the same in any group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Moved
from scim_bridge.kernel.rows import Insert, among, by_column, listed
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import AGENT, APPLICATION, GROUP, Doc, Resource, rendered
from scim_bridge.registry.resources import bump, bury, insert, load
from scim_bridge.registry.scope import EVERYTHING, Scope
from scim_bridge.registry.standing import Standing, changed, save, standing

UNRESOLVED = "unresolved"
# How many of the members that came or went are named in the audit.
SHOWN = 100
MEMBERS = Insert(
    "sb_member", "group_id text, member_id text, kind text, display text, since bigint, added_by text"
)
# On PostgreSQL the members are kept from being deleted until the membership is committed: who deletes one
# locks it first, so that either the membership is there to be ended, or the member is seen to be gone. In one
# order, so that two who add the same never wait for each other. Changes of members wait for nobody here.
KEEPING = (
    "INSERT INTO sb_member (group_id, member_id, kind, display, since, added_by)"
    " SELECT m.group_id, m.member_id, m.kind, r.name, m.since, m.added_by FROM unnest(?::text[], ?::text[],"
    " ?::text[], ?::text[], ?::bigint[], ?::text[])"
    " AS m (group_id, member_id, kind, display, since, added_by) JOIN sb_resource r ON r.id = m.member_id"
    " WHERE r.deleted IS NULL ORDER BY m.member_id FOR KEY SHARE OF r"
)


async def create_group(work: Work, doc: Doc, *, origin: str) -> Resource:
    """Add a group; Conflict when its displayName is taken (Entra demands unique names)."""
    return (await add_group(work, doc, origin=origin)).resource


async def add_group(work: Work, doc: Doc, *, origin: str) -> Standing:
    """The same, answered with how the group stands."""
    group_id, name = work.ids.new(), str(doc["displayName"])
    resource = Resource(group_id, GROUP, name, True, 1, work.now, work.now, doc)
    made = Standing(resource, rendered(group_id, doc, None))
    insert(work, resource, made.rendered)
    await record(work, "group.created", GROUP, group_id, {"displayName": name, "origin": origin})
    return made


async def update_group(work: Work, group_id: str, doc: Doc) -> bool:
    """Replace a group's own attributes (not its members); False when nothing changed."""
    before = await standing(work, group_id, GROUP)
    after = await described(work, before, doc)
    if after is not before:
        save(work, before, after)
    return after is not before


async def described(work: Work, before: Standing, doc: Doc) -> Standing:
    """The group with another document, to be saved; the same one when nothing changes."""
    if doc == before.resource.doc:
        work.bookkeeping("the group is already as asked")
        return before
    after = changed(before, doc=doc)
    detail = {"before": before.resource.name, "displayName": after.resource.name}
    await record(work, "group.updated", GROUP, after.resource.id, detail)
    return after


@dataclass(frozen=True, slots=True)
class Seen:
    """Ids that somebody wants in a group or out of it: kind and name of those that exist, and who is in it now."""

    kinds: Mapping[str, str]
    names: Mapping[str, str]
    inside: frozenset[str]


async def seen(work: Work, group_id: str, ids: Collection[str], scope: Scope = EVERYTHING) -> Seen:
    """Look up what a change of members has to know, in one read, however large the group is.

    Agents outside the scope are neither known nor inside.
    """
    backend = work.tx.backend
    wanted = listed(backend, ids)
    (known_too, known_values), (inside_too, inside_values) = (
        scope.also("sb_resource"),
        scope.also("sb_member", "member_id"),
    )
    rows = await work.tx.all(
        "SELECT id, kind, name, 0 AS inside FROM sb_resource"
        f" WHERE id {among(backend)} AND kind <> '{APPLICATION}' AND deleted IS NULL{known_too}"
        " UNION ALL SELECT member_id, kind, '', 1 FROM sb_member"
        f" WHERE group_id = ? AND member_id {among(backend)}{inside_too}",
        wanted,
        *known_values,
        group_id,
        wanted,
        *inside_values,
    )
    known = [row for row in rows if not row["inside"]]
    kinds, names = ({row["id"]: row[column] for row in known} for column in ("kind", "name"))
    return Seen(kinds, names, frozenset(row["id"] for row in rows if row["inside"]))


async def add_members(work: Work, group_id: str, members: Iterable[tuple[str, str | None]]) -> int:
    """Add (id, display) members; how many were new. Unknown ids are kept as unresolved and grant nothing."""
    wanted = dict(members)
    added = await join(work, group_id, wanted, await seen(work, group_id, wanted))
    if added:
        bump(work, group_id, GROUP)
    return len(added)


async def join(
    work: Work, group_id: str, members: Mapping[str, str | None], known: Seen, *, kept: bool = False
) -> list[str]:
    """Add those of (display by id) who are not in the group; their ids. The version is the caller's to raise.

    `kept`: nobody can delete them now. Else they are kept, and the body runs again when somebody has.
    """
    added = sorted(members.keys() - known.inside)
    rows = [
        (
            group_id,
            member,
            known.kinds.get(member, UNRESOLVED),
            known.names.get(member, members[member]),
            work.now,
            work.actor.name,
        )
        for member in added
    ]
    # Somebody adding one of them at the same time makes the body run again, and see that.
    alive = [row for row in rows if row[2] != UNRESOLVED]
    if alive and work.tx.for_update and not kept:
        work.tx.later(KEEPING, *by_column(alive), must=len(alive), taken=Moved)
        rows = [row for row in rows if row[2] == UNRESOLVED]
    work.tx.add_all(MEMBERS, rows, taken=Moved)
    await _tell(work, group_id, "group.members_added", added)
    return added


# Of PostgreSQL's advisory locks, the one for groups in groups; any number that nobody else uses.
NESTING = 7_643_004


async def nest(work: Work) -> None:
    """Until this transaction ends nobody else puts a group into a group: what is read now of groups holds.

    Two who each put one into the other see no circle, and make one. It is rare, so all wait for one lock.
    """
    if work.tx.for_update:
        await work.tx.one("SELECT pg_advisory_xact_lock(?::bigint)", NESTING)


async def remove_members(work: Work, group_id: str, members: Iterable[str]) -> int:
    """Remove members by id; how many were there. An id that is no member changes nothing."""
    wanted = list(dict.fromkeys(members))
    removed = await leave(work, group_id, await seen(work, group_id, wanted))
    if removed:
        bump(work, group_id, GROUP)
    return len(removed)


async def leave(work: Work, group_id: str, known: Seen) -> list[str]:
    """Remove everybody of whom it is known that they are in; their ids. The version is the caller's to raise."""
    removed = sorted(known.inside)
    if removed:
        backend = work.tx.backend
        work.tx.later(
            f"DELETE FROM sb_member WHERE group_id = ? AND member_id {among(backend)}",
            group_id,
            listed(backend, removed),
            must=len(removed),
        )
    await _tell(work, group_id, "group.members_removed", removed)
    return removed


async def replace_members(work: Work, group_id: str, members: Iterable[tuple[str, str | None]]) -> int:
    """Make these the only members; how many rows changed."""
    wanted = dict(members)
    known = await seen(work, group_id, wanted)
    count = await only(work, group_id, wanted, known)
    if count:
        bump(work, group_id, GROUP)
    return count


async def only(
    work: Work,
    group_id: str,
    members: Mapping[str, str | None],
    known: Seen,
    current: frozenset[str] | None = None,
) -> int:
    """Make these the only members; how many rows changed. The version is the caller's to raise.

    `current` are the members this is about, where it is not about all of them: the others stay.
    """
    if current is None:
        current = await inside(work, group_id)
    gone = await leave(work, group_id, Seen({}, {}, current - members.keys()))
    added = await join(work, group_id, members, Seen(known.kinds, known.names, current))
    return len(gone) + len(added)


async def inside(work: Work, group_id: str, scope: Scope = EVERYTHING) -> frozenset[str]:
    """The ids of a group's members, without agents outside the scope."""
    too, values = scope.also("sb_member", "member_id")
    rows = await work.tx.all(f"SELECT member_id FROM sb_member WHERE group_id = ?{too}", group_id, *values)
    return frozenset(row["member_id"] for row in rows)


async def _tell(work: Work, group_id: str, action: str, members: Sequence[str]) -> None:
    if members:
        detail = {"count": len(members), "members": list(members[:SHOWN])}
        await record(work, action, GROUP, group_id, detail)
    for member in members:
        work.touched(AGENT, member)


async def delete_group(work: Work, group_id: str, reason: str) -> None:
    """Remove a group; everybody in it loses what it grants."""
    group = await load(work, group_id, GROUP)
    rows = await work.tx.all("DELETE FROM sb_member WHERE group_id = ? RETURNING member_id", group_id)
    work.tx.later("DELETE FROM sb_member WHERE member_id = ?", group_id)
    bury(work, group)
    detail = {"displayName": group.name, "members": len(rows), "reason": reason}
    await record(work, "group.deleted", GROUP, group_id, detail)
    for row in rows:
        work.touched(AGENT, row["member_id"])


async def groups_of(reader: Reader, member_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """(group id, displayName) of the groups each member is in directly, by member id."""
    found: dict[str, list[tuple[str, str]]] = {member: [] for member in member_ids}
    if found:
        rows = await reader.all(
            "SELECT m.member_id, g.id, g.name FROM sb_member m JOIN sb_resource g ON g.id = m.group_id"
            f" WHERE m.member_id IN ({marks(len(found))}) AND g.deleted IS NULL ORDER BY m.member_id, g.key",
            *found,
        )
        for row in rows:
            found[row["member_id"]].append((row["id"], row["name"]))
    return found


async def members_of(
    reader: Reader, group_id: str, *, after: str = "", limit: int = 1000, scope: Scope = EVERYTHING
) -> list[tuple[str, str, str]]:
    """A page of (member id, kind, name) in id order, without agents outside the scope.

    Unresolved members show the name they came with.
    """
    too, values = scope.also("sb_member", "member_id")
    rows = await reader.all(
        "SELECT member_id, kind, COALESCE(display, '') AS name FROM sb_member"
        f" WHERE group_id = ? AND member_id > ?{too} ORDER BY member_id LIMIT ?",
        group_id,
        after,
        *values,
        limit,
    )
    return [(row["member_id"], row["kind"], row["name"]) for row in rows]
