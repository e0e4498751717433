"""Access for a time: a membership with an end. Decisions count it until then and not a moment longer; the row
goes soon after, as any membership goes, and what IdPs know of it with it.

Who leaves the group and joins again has no end: it belongs to the membership, not to the pair.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.registry import outward
from scim_bridge.registry.groups import add_members, remove_members
from scim_bridge.registry.model import AGENT, GROUP_SPACE, fold

BATCH = 200
MAX_WHY = 500


@dataclass(frozen=True, slots=True)
class Grant:
    """A membership that ends. Instants in microseconds."""

    agent_id: str
    slug: str
    group_id: str
    group: str
    since: int
    until: int
    by: str
    why: str


_GRANTS = (
    "SELECT m.member_id, a.slug, m.group_id, g.name, m.since, m.until, m.added_by, m.why FROM sb_member m"
    " JOIN sb_agent a ON a.id = m.member_id JOIN sb_resource g ON g.id = m.group_id"
    " WHERE m.until IS NOT NULL AND g.deleted IS NULL"
)


async def grants(reader: Reader, agent_id: str | None = None, *, limit: int = 500) -> list[Grant]:
    """The memberships that end, the next one first; of one agent, or of all."""
    also, values = ("", []) if agent_id is None else (" AND m.member_id = ?", [agent_id])
    rows = await reader.all(f"{_GRANTS}{also} ORDER BY m.until, a.slug, g.name LIMIT ?", *values, limit)
    return [
        Grant(
            row["member_id"],
            row["slug"],
            row["group_id"],
            row["name"],
            row["since"],
            row["until"],
            row["added_by"],
            row["why"] or "",
        )
        for row in rows
    ]


async def group_named(reader: Reader, name: str) -> tuple[str, str]:
    """(id, displayName) of the live group with this id or name; NotFound."""
    row = await reader.one(
        "SELECT id, name FROM sb_resource WHERE space = ? AND (id = ? OR key = ?) AND deleted IS NULL"
        " ORDER BY CASE WHEN id = ? THEN 0 ELSE 1 END LIMIT 1",
        GROUP_SPACE,
        name,
        fold(name),
        name,
    )
    if row is None:
        fix = "Name it as the IdP does; see `scim-bridge groups list`."
        raise NotFound("group-unknown", f"There is no group {name[:80]!r}.", fix)
    return row["id"], row["name"]


async def grant(work: Work, agent_id: str, group_id: str, until: int, why: str) -> bool:
    """Put an agent into a group until an instant, or give its membership this end; True when it came in by it.

    Invalid for an instant that is past and without a reason.
    """
    said = _reason(why)
    if until <= work.now:
        raise Invalid("grant-past", f"{iso(until)} is past.", "Give an end in the future.")
    before = await _membership(work, agent_id, group_id)
    added = False
    if before is None:
        added = await add_members(work, group_id, [(agent_id, None)]) > 0
    await work.tx.run(
        "UPDATE sb_member SET until = ?, why = ? WHERE group_id = ? AND member_id = ?",
        until,
        said,
        group_id,
        agent_id,
    )
    detail = {
        "group": group_id,
        "until": iso(until),
        "before": None if before is None or before["until"] is None else iso(before["until"]),
        "added": added,
        "reason": said,
    }
    await record(work, "grant.given", AGENT, agent_id, detail)
    await outward.push_to_idps(work, agent_id, f"granted a group until {iso(until)}")
    return added


async def keep(work: Work, agent_id: str, group_id: str, why: str) -> None:
    """Take a membership's end away: it stays until somebody ends it. NotFound when it has none."""
    said = _reason(why)
    before = await _ending(work, agent_id, group_id)
    await work.tx.run(
        "UPDATE sb_member SET until = NULL, why = NULL WHERE group_id = ? AND member_id = ? AND until IS NOT NULL",
        group_id,
        agent_id,
    )
    detail = {"group": group_id, "before": iso(before["until"]), "reason": said}
    await record(work, "grant.kept", AGENT, agent_id, detail)


async def end(work: Work, agent_id: str, group_id: str, why: str) -> None:
    """End a grant now. NotFound when the membership has no end: what has none is for the IdP to take away."""
    said = _reason(why)
    await _ending(work, agent_id, group_id)
    await _ended(work, agent_id, group_id, said)


async def due(store: Store) -> int:
    """Take away the memberships whose time is over; how many. Every replica may ask: each is ended once."""
    rows = await store.reads.all(
        "SELECT group_id, member_id FROM sb_member WHERE until <= ? ORDER BY until LIMIT ?",
        store.clock.now(),
        BATCH,
    )
    count = 0
    for row in rows:
        count += await store.transact(SYSTEM, _over(row["group_id"], row["member_id"]))
    return count


def _over(group_id: str, agent_id: str) -> Callable[[Work], Awaitable[int]]:
    async def body(work: Work) -> int:
        found = await _membership(work, agent_id, group_id)
        if found is None or found["until"] is None or found["until"] > work.now:
            work.bookkeeping("somebody ended it or gave it more time")
            return 0
        await _ended(work, agent_id, group_id, f"its time was over on {iso(found['until'])}")
        return 1

    return body


async def _ended(work: Work, agent_id: str, group_id: str, why: str) -> None:
    await remove_members(work, group_id, [agent_id])
    await record(work, "grant.ended", AGENT, agent_id, {"group": group_id, "reason": why})
    await outward.push_to_idps(work, agent_id, f"a granted group ended: {why}")


async def _membership(work: Work, agent_id: str, group_id: str) -> Any:
    return await work.tx.one(
        f"SELECT until FROM sb_member WHERE group_id = ? AND member_id = ?{work.tx.for_update}",
        group_id,
        agent_id,
    )


async def _ending(work: Work, agent_id: str, group_id: str) -> Any:
    found = await _membership(work, agent_id, group_id)
    if found is None or found["until"] is None:
        raise NotFound("grant-unknown", "This membership has no end.", "See scim-bridge grants list.")
    return found


def _reason(why: str) -> str:
    said = " ".join(why.split())
    if not said or len(said) > MAX_WHY:
        raise Invalid("grant-reason", "A grant needs a reason.", f"Say why in {MAX_WHY} characters.")
    return said
