"""Advice about groups that agents do not need: kept here, so that who decides about access can be shown it.

Nothing acts on it by itself: an owner may, when asked about the agent's facts, or an admin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.groups import add_members, remove_members
from scim_bridge.registry.model import AGENT

DROP, SWAP = "drop", "swap"
OPEN, APPLIED, DISMISSED, OUTDATED = "open", "applied", "dismissed", "outdated"
MAX_WHY = 500


@dataclass(frozen=True, slots=True)
class Advice:
    """What was found about one group of an agent; with SWAP, `instead_id` is the group that would do."""

    agent_id: str
    group_id: str
    kind: str
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    instead_id: str | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Advice as it is kept, with names. Instants in microseconds."""

    id: str
    advice: Advice
    slug: str
    group: str
    instead: str | None
    state: str
    found: int
    seen: int
    settled_by: str | None = None
    settled_why: str | None = None


_KEPT = (
    "SELECT r.*, a.slug, g.name AS group_name, i.name AS instead_name FROM sb_recommendation r"
    " JOIN sb_agent a ON a.id = r.agent_id JOIN sb_resource g ON g.id = r.group_id"
    " LEFT JOIN sb_resource i ON i.id = r.instead_id"
)
# What the agent is in no more, or an agent that is gone, needs no advice.
_STANDS = (
    " JOIN sb_resource l ON l.id = r.agent_id AND l.deleted IS NULL"
    " JOIN sb_member m ON m.group_id = r.group_id AND m.member_id = r.agent_id"
)


def _kept(row: Any) -> Recommendation:
    advice = Advice(
        row["agent_id"],
        row["group_id"],
        row["kind"],
        row["why"],
        orjson.loads(row["evidence"]),
        row["instead_id"],
    )
    return Recommendation(
        row["id"],
        advice,
        row["slug"],
        row["group_name"],
        row["instead_name"],
        row["state"],
        row["found"],
        row["seen"],
        row["settled_by"],
        row["settled_why"],
    )


async def recommended(
    reader: Reader, agent_id: str | None = None, *, limit: int = 1000
) -> list[Recommendation]:
    """The open advice that still stands; about one agent, or all, by agent and group."""
    also, values = ("", []) if agent_id is None else (" AND r.agent_id = ?", [agent_id])
    rows = await reader.all(
        f"{_KEPT}{_STANDS} WHERE r.state = '{OPEN}'{also} ORDER BY a.slug, g.name LIMIT ?", *values, limit
    )
    return [_kept(row) for row in rows]


async def recommendation(reader: Reader, recommendation_id: str, lock: str = "") -> Recommendation:
    """One piece of advice, whatever became of it; NotFound. `lock` is a transaction's `for_update`."""
    if lock:
        await reader.one(f"SELECT id FROM sb_recommendation WHERE id = ?{lock}", recommendation_id)
    row = await reader.one(f"{_KEPT} WHERE r.id = ?", recommendation_id)
    if row is None:
        raise NotFound(
            "recommendation-unknown",
            f"There is no recommendation {recommendation_id[:60]!r}.",
            "See scim-bridge recommendations list.",
        )
    return _kept(row)


async def keep(work: Work, found: Sequence[Advice], quiet: int) -> int:
    """Put what was found now in the place of what is open; how many are new.

    What somebody dismissed after the instant `quiet` is not brought up again.
    """
    open_ = {
        (row["agent_id"], row["group_id"]): row
        for row in await work.tx.all(
            f"SELECT id, agent_id, group_id, kind, instead_id FROM sb_recommendation WHERE state = '{OPEN}'"
        )
    }
    dismissed = {
        (row["agent_id"], row["group_id"], row["kind"])
        for row in await work.tx.all(
            "SELECT agent_id, group_id, kind FROM sb_recommendation WHERE state = ? AND settled > ?",
            DISMISSED,
            quiet,
        )
    }
    new: list[Advice] = []
    standing: set[str] = set()
    for each in found:
        known = open_.get((each.agent_id, each.group_id))
        if (each.agent_id, each.group_id, each.kind) in dismissed:
            continue
        if known is not None and (known["kind"], known["instead_id"]) == (each.kind, each.instead_id):
            standing.add(known["id"])
            await work.tx.run(
                "UPDATE sb_recommendation SET seen = ?, why = ?, evidence = ? WHERE id = ?",
                work.now,
                each.why,
                orjson.dumps(dict(each.evidence)).decode(),
                known["id"],
            )
        else:
            new.append(each)
    gone = [row["id"] for row in open_.values() if row["id"] not in standing]
    await work.tx.many(
        f"UPDATE sb_recommendation SET state = '{OUTDATED}', settled = ? WHERE id = ?",
        [(work.now, one) for one in gone],
    )
    await work.tx.many(
        "INSERT INTO sb_recommendation (id, agent_id, group_id, kind, instead_id, why, evidence, state, found,"
        " seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                work.ids.new(),
                each.agent_id,
                each.group_id,
                each.kind,
                each.instead_id,
                each.why,
                orjson.dumps(dict(each.evidence)).decode(),
                OPEN,
                work.now,
                work.now,
            )
            for each in new
        ],
    )
    if new or gone:
        detail = {"new": len(new), "outdated": len(gone), "open": len(new) + len(standing)}
        await record(work, "recommendations.reviewed", "recommendation", None, detail)
    else:
        work.bookkeeping("the advice is what it was")
    return len(new)


async def apply(work: Work, recommendation_id: str, why: str) -> Recommendation:
    """Do what is advised: the agent leaves the group, and joins the one that does instead."""
    found = await _open(work, recommendation_id)
    said = _reason(why)
    advice = found.advice
    await _still_stands(work, advice)
    if advice.instead_id is not None:
        await add_members(work, advice.instead_id, [(advice.agent_id, None)])
    await remove_members(work, advice.group_id, [advice.agent_id])
    await _settle(work, found, APPLIED, said)
    await outward.push_to_idps(work, advice.agent_id, f"recommendation applied: {said}")
    return found


async def dismiss(work: Work, recommendation_id: str, why: str) -> Recommendation:
    """Leave it as it is, and say why: it is not brought up again for a while."""
    found = await _open(work, recommendation_id)
    await _settle(work, found, DISMISSED, _reason(why))
    return found


async def _open(work: Work, recommendation_id: str) -> Recommendation:
    found = await recommendation(work.tx, recommendation_id, work.tx.for_update)
    if found.state != OPEN:
        raise Invalid("recommendation-settled", f"It is {found.state} already.", "See the list again.")
    return found


async def _still_stands(work: Work, advice: Advice) -> None:
    """Invalid when the agent is in the group no more, or either group or the agent is gone.

    Joining the smaller group in place of nothing would give what an IdP took away.
    """
    member = await work.tx.one(
        f"SELECT until FROM sb_member WHERE group_id = ? AND member_id = ?{work.tx.for_update}",
        advice.group_id,
        advice.agent_id,
    )
    wanted = [one for one in (advice.agent_id, advice.group_id, advice.instead_id) if one is not None]
    alive = await work.tx.all(
        f"SELECT id FROM sb_resource WHERE id IN ({marks(len(wanted))}) AND deleted IS NULL", *wanted
    )
    if member is None or len(alive) < len(wanted):
        raise Invalid(
            "recommendation-outdated",
            "The agent is not in this group any more, or what it should join is gone.",
            "Look anew: scim-bridge recommendations review.",
        )


async def _settle(work: Work, found: Recommendation, state: str, why: str) -> None:
    await work.tx.run(
        "UPDATE sb_recommendation SET state = ?, settled = ?, settled_by = ?, settled_why = ? WHERE id = ?",
        state,
        work.now,
        work.actor.name,
        why,
        found.id,
    )
    detail = {
        "recommendation": found.id,
        "kind": found.advice.kind,
        "group": found.group,
        "instead": found.instead,
        "why": found.advice.why,
        "reason": why,
    }
    await record(work, f"recommendation.{state}", AGENT, found.advice.agent_id, detail)


def _reason(why: str) -> str:
    said = " ".join(why.split())
    if not said or len(said) > MAX_WHY:
        raise Invalid("recommendation-reason", "It needs a reason.", f"Say why in {MAX_WHY} characters.")
    return said
