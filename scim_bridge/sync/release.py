"""Letting a plan go that the brake holds: by a named person with a reason, by two for a mass stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connection_settings import FOUR_EYES
from scim_bridge.sync.plan import Plan

# A word lasts so long: whoever comes second decides about the same day's facts.
LASTS = DAY


@dataclass(frozen=True, slots=True)
class Release:
    """One person's word. `account` is what they acted from: two persons may share one."""

    person: str
    account: str
    reason: str
    released: int


def persons_needed(settings: Mapping[str, Any], plan: Plan) -> int:
    """How many persons must let a held plan go: two when it switches off more agents than `four_eyes`."""
    return 2 if plan.stops > int(settings.get("four_eyes", FOUR_EYES)) else 1


async def releases_of(reader: Reader, plan: Plan, now: int) -> list[Release]:
    """Who let go this plan, or one of the same connection that would do exactly the same, in the last day."""
    rows = await reader.all(
        "SELECT r.person, r.account, r.reason, r.released FROM sb_release r JOIN sb_plan p ON p.id = r.plan_id"
        " WHERE p.connection_id = ? AND p.digest = ? AND p.state <> 'applied' AND r.released > ?"
        " ORDER BY r.released, r.person",
        plan.connection_id,
        plan.digest,
        now - LASTS,
    )
    found: dict[str, Release] = {}
    for row in rows:
        one = Release(row["person"], row["account"], row["reason"], row["released"])
        found.setdefault(one.person.casefold(), one)
    return list(found.values())


async def release_plan(work: Work, plan: Plan, reason: str, needed: int) -> list[Release]:
    """Note the actor's word for a held plan; everybody's so far. The same person twice is one."""
    await work.tx.one(f"SELECT 1 AS x FROM sb_plan WHERE id = ?{work.tx.for_update}", plan.id)
    await work.tx.run(
        "INSERT INTO sb_release (plan_id, person, account, reason, released) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (plan_id, person) DO UPDATE SET reason = excluded.reason, released = excluded.released",
        plan.id,
        work.actor.name,
        work.actor.id,
        reason,
        work.now,
    )
    words = await releases_of(work.tx, plan, work.now)
    detail = {
        "digest": plan.digest,
        "held": plan.reason,
        "reason": reason,
        "stops": plan.stops,
        "account": work.actor.id,
        "persons": [word.person for word in words],
        "needed": needed,
    }
    await record(work, "sync.released", "plan", plan.id, detail, connection_id=plan.connection_id)
    return words


def still_held(plan: Plan, words: list[Release], needed: int) -> str:
    """Why a plan stays held although somebody let it go; empty when enough did."""
    if len(words) >= needed:
        return ""
    first = words[0]
    return (
        f"{plan.reason} {plan.stops} agents would be switched off: that takes two persons."
        f" {first.person} let it go ({first.reason}); another one must do so too, within a day."
    )
