"""Campaigns as people look at them: how far each is, who has not answered, what happens next."""

from __future__ import annotations

from typing import Any

from scim_bridge.attestations.campaign_model import CANCELLED, Campaign, ItemState, Step
from scim_bridge.attestations.campaigns import COLUMNS, campaign_of, counts, plan_of
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader

WORDS = {
    Step.ASK: "owners are asked",
    Step.REMIND: "owners are reminded",
    Step.SPONSOR: "sponsors and co-owners are asked as well",
    Step.MANAGER: "managers are told",
    Step.OVERDUE: "it is due",
    Step.LAPSE: "what is not answered lapses",
}


async def campaigns(
    reader: Reader,
    *,
    events: bool = False,
    changes: bool = False,
    limit: int = 50,
    before: str | None = None,
) -> list[dict[str, Any]]:
    """The newest campaigns with their progress; those about one agent only with `events`.

    `changes`: only these, and only while they are open. `before`: opened earlier than the one with this id.
    """
    tests = ["kind = 'event' AND state = 'open'"] if changes else [] if events else ["kind <> 'event'"]
    if before is not None:
        tests.append("(opened, id) < (SELECT c.opened, c.id FROM sb_campaign c WHERE c.id = ?)")
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_campaign{where} ORDER BY opened DESC, id DESC LIMIT ?",
        *(() if before is None else (before,)),
        limit,
    )
    return [summary(found, await counts(reader, found.id)) for found in map(campaign_of, rows)]


def summary(found: Campaign, counted: dict[str, int]) -> dict[str, Any]:
    """One campaign in a line."""
    waiting = counted[ItemState.WAITING]
    return {
        "id": found.id,
        "name": found.name,
        "kind": found.kind,
        "state": found.state,
        "opened": iso(found.opened),
        "due": iso(found.due),
        "agents": found.total,
        "answered": found.total - waiting - counted[ItemState.LAPSED] - counted[ItemState.CANCELLED],
        "waiting": waiting,
        "lapsed": counted[ItemState.LAPSED],
    }


async def details(reader: Reader, found: Campaign, now: int) -> dict[str, Any]:
    """One campaign with its counts, its dates and what comes next."""
    following = next(((at, step) for at, step in plan_of(found) if at > now), None)
    over = found.state == CANCELLED or found.closed is not None
    counted = await counts(reader, found.id)
    return {
        **summary(found, counted),
        "by": found.opened_by,
        "scope": found.scope or "every agent",
        "reason": found.reason,
        "ends": iso(found.ends),
        "closed": None if found.closed is None else iso(found.closed),
        "counts": counted,
        "next": None if over or following is None else f"{iso(following[0])}: {WORDS[following[1]]}",
    }


async def agents(
    reader: Reader,
    found: Campaign,
    *,
    state: str | None = None,
    limit: int = 1000,
    after: tuple[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The agents of a campaign: who is waited for, how it was answered, the last step.

    `after`: behind the agent of this slug and id.
    """
    where, values = (" AND i.state = ?", [state]) if state is not None else ("", [])
    if after is not None:
        where, values = f"{where} AND (i.slug, i.agent_id) > (?, ?)", [*values, *after]
    rows = await reader.all(
        "SELECT i.agent_id, i.slug, i.state, i.note, i.next_at, i.settled, p.name AS person FROM sb_campaign_item i"
        f" LEFT JOIN sb_resource p ON p.id = i.person_id WHERE i.campaign_id = ?{where}"
        " ORDER BY i.slug, i.agent_id LIMIT ?",
        found.id,
        *values,
        limit,
    )
    return [
        {
            "id": row["agent_id"],
            "agent": row["slug"],
            "state": row["state"],
            "of": row["person"] or "nobody",
            "note": row["note"],
            "next": iso(row["next_at"]) if row["state"] == ItemState.WAITING else None,
            "settled": None if row["settled"] is None else iso(row["settled"]),
        }
        for row in rows
    ]


async def most_waited_for(reader: Reader, campaign_id: str, limit: int = 20) -> list[dict[str, Any]]:
    """Who has the most left to answer in a campaign."""
    rows = await reader.all(
        "SELECT p.name AS person, i.person_id, COUNT(*) AS n FROM sb_campaign_item i"
        " LEFT JOIN sb_resource p ON p.id = i.person_id"
        " WHERE i.campaign_id = ? AND i.state = 'waiting' GROUP BY p.name, i.person_id ORDER BY n DESC, p.name"
        " LIMIT ?",
        campaign_id,
        limit,
    )
    return [{"person": row["person"] or "nobody", "waiting": int(row["n"])} for row in rows]
