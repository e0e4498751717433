"""Changes of many agents at once: planned and shown first, then carried out agent by agent, each with its own end.

A plan says what would happen to each agent, in words. It is carried out where that is still true; an agent that
moved meanwhile is left alone and told of. What fails, fails for that agent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.bulk_model import (
    ACTIONS,
    ATTEST,
    MOST,
    NOTHING,
    PLANNED,
    Reach,
    Step,
    Target,
    persons_needed,
    reach_of,
    step_of,
)
from scim_bridge.registry.connection_settings import FOUR_EYES
from scim_bridge.registry.grants import group_named
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.model import Owners, PersonRef
from scim_bridge.registry.people_refs import find_person

RUNNING, CANCELLED = "running", "cancelled"
# A plan of yesterday says nothing of today.
LASTS = DAY
COLUMNS = (
    "id, action, target_id, target, query, state, reason, made_by, created, ended, needed, approvals, reach"
)


@dataclass(frozen=True, slots=True)
class Asking:
    """What only the room of attestations knows: whom it would ask about an agent, and how it asks."""

    whom: Callable[[Owners], PersonRef | None]
    ask: Callable[[Work, str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Item:
    """One agent of a change: what was foreseen, and what became of it (`state`, `told`)."""

    agent_id: str
    slug: str
    says: str
    state: str
    told: str


@dataclass(frozen=True, slots=True)
class Bulk:
    """One change of many agents. `needed` different people have to say so; `approvals` are their words so far."""

    id: str
    action: str
    target: Target
    query: str
    state: str
    reason: str
    by: str
    created: int
    ended: int | None
    needed: int
    approvals: tuple[Mapping[str, Any], ...]
    reach: Mapping[str, Any]
    items: tuple[Item, ...] = ()

    @property
    def label(self) -> str:
        """What it does, in words."""
        return f"{ACTIONS[self.action][0]}{f': {self.target.name}' if self.target.name else ''}"

    def count(self, state: str) -> int:
        """How many of its agents stand so."""
        return sum(item.state == state for item in self.items)


async def target_of(reader: Reader, action: str, name: str) -> Target:
    """The group or person a change is about; Invalid for an action that is none, or without what it needs."""
    if action not in ACTIONS:
        names = ", ".join(ACTIONS)
        raise Invalid("bulk-action", f"{action[:40]!r} is nothing done to many agents.", f"Use {names}.")
    kind = ACTIONS[action][1]
    if not kind:
        return Target()
    if not name:
        raise Invalid("bulk-target", f"It needs a {kind}.", f"Name the {kind}.")
    if kind == "group":
        return Target(*await group_named(reader, name))
    person = await find_person(reader, name)
    if person is None:
        raise NotFound("person-unknown", f"No person is known as {name[:80]!r}.", "Use a userName.")
    if not person.active:
        raise Refused("person-left", f"{person.display_name} has left.", "Choose somebody who is here.")
    return Target(person.id, person.display_name, person)


async def steps_of(
    reader: Reader, action: str, ids: Sequence[str], target: Target, asking: Asking
) -> tuple[dict[str, AgentFacts], list[Step]]:
    """What would happen to each of these agents, by slug; those that are gone are left out."""
    agents: dict[str, AgentFacts] = {}
    groups: dict[str, list[tuple[str, str]]] = {}
    for start in range(0, len(ids), 200):
        part = ids[start : start + 200]
        agents |= await facts_of(reader, part)
        groups |= await groups_of(reader, part)
    ordered = sorted(agents.values(), key=lambda one: one.slug)
    return agents, [
        step_of(
            action,
            one,
            {group for group, _ in groups[one.resource.id]},
            target,
            asking.whom(one.owners) if action == ATTEST else None,
        )
        for one in ordered
    ]


async def four_eyes(reader: Reader) -> int:
    """Above how many agents stopped at once two persons are needed: the strictest of all connections."""
    rows = await reader.all("SELECT settings FROM sb_connection")
    told = [orjson.loads(row["settings"]).get("four_eyes", FOUR_EYES) for row in rows]
    return min((int(one) for one in told), default=FOUR_EYES)


async def plan(
    work: Work, action: str, ids: Sequence[str], target: Target, asking: Asking, query: str = ""
) -> str:
    """Keep what would happen to each of these agents; the id of the plan. Nothing is done.

    Invalid for no agent, or more than can be read.
    """
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST:
        raise Invalid(
            "bulk-many",
            f"{len(wanted)} agents are more than the {MOST} that are changed at once.",
            "Narrow the search.",
        )
    agents, steps = await steps_of(work.tx, action, wanted, target, asking)
    if not steps:
        raise Invalid("bulk-none", "No agent was chosen.", "Tick some, or search for those you mean.")
    reach = reach_of(agents, steps)
    bulk_id = work.ids.new()
    work.bookkeeping("a plan changes no agent")
    await work.tx.run(
        f"INSERT INTO sb_bulk ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, NULL, ?, '[]', ?)",
        bulk_id,
        action,
        target.id,
        target.name,
        query,
        PLANNED,
        work.actor.name,
        work.now,
        persons_needed(reach, await four_eyes(work.tx)),
        orjson.dumps(_told(reach)).decode(),
    )
    await work.tx.many(
        "INSERT INTO sb_bulk_item (bulk_id, agent_id, slug, says, state, told) VALUES (?, ?, ?, ?, ?, '')",
        [(bulk_id, step.agent_id, step.slug, step.says, PLANNED if step.will else NOTHING) for step in steps],
    )
    return bulk_id


def _told(reach: Reach) -> dict[str, Any]:
    return {name: getattr(reach, name) for name in Reach.__slots__}


async def bulks(reader: Reader, limit: int, before: str = "") -> list[Any]:
    """The newest changes of many agents; `before`: earlier than the one with this id."""
    return list(
        await reader.all(
            "SELECT id, action, target, state, made_by, created, reason FROM sb_bulk"
            f"{' WHERE id < ?' if before else ''} ORDER BY id DESC LIMIT ?",
            *((before,) if before else ()),
            limit,
        )
    )


async def bulk(reader: Reader, bulk_id: str, *, items: bool = True) -> Bulk:
    """One change of many agents, with each agent; NotFound."""
    row = await reader.one(f"SELECT {COLUMNS} FROM sb_bulk WHERE id = ?", bulk_id)
    if row is None:
        raise NotFound("bulk-unknown", "There is no such change.", "Begin one in the list of agents.")
    rows = []
    if items:
        rows = list(
            await reader.all(
                "SELECT agent_id, slug, says, state, told FROM sb_bulk_item WHERE bulk_id = ? ORDER BY slug",
                bulk_id,
            )
        )
    return Bulk(
        row["id"],
        row["action"],
        Target(row["target_id"], row["target"]),
        row["query"],
        row["state"],
        row["reason"],
        row["made_by"],
        row["created"],
        row["ended"],
        row["needed"],
        tuple(orjson.loads(row["approvals"])),
        orjson.loads(row["reach"]),
        tuple(Item(*(each[name] for name in Item.__slots__)) for each in rows),
    )


async def approve(work: Work, bulk_id: str, action: str, reason: str) -> Bulk:
    """Note the actor's word for a plan; the plan, which runs from now on once enough different people said so.

    Refused for one that is over or a day old, for another `action` than was shown, and for the same person twice.
    """
    await work.tx.one(f"SELECT 1 AS x FROM sb_bulk WHERE id = ?{work.tx.for_update}", bulk_id)
    found = await bulk(work.tx, bulk_id, items=False)
    if found.action != action:
        raise Refused("bulk-other", f"It is to {found.label.lower()}.", "Load the page again.")
    if found.state == RUNNING:
        work.bookkeeping("it goes on where it stopped")
        return found
    if found.state != PLANNED:
        raise Refused("bulk-over", f"It is {found.state} already.", "Begin another one in the list.")
    if work.now - found.created > LASTS:
        raise Refused("bulk-old", "It was planned more than a day ago.", "Choose the agents again.")
    key = work.actor.name.casefold()
    if any(one["key"] == key for one in found.approvals):
        raise Refused(
            "bulk-same-person",
            f"{work.actor.name} said so already; another person is needed.",
            "Send them the address of this page.",
        )
    who = work.actor
    word = {"key": key, "name": who.name, "reason": reason, "at": work.now, "kind": who.kind, "id": who.id}
    approvals = [*found.approvals, word]
    state = RUNNING if len(approvals) >= found.needed else PLANNED
    await work.tx.run(
        "UPDATE sb_bulk SET state = ?, reason = ?, approvals = ? WHERE id = ?",
        state,
        found.reason or reason,
        orjson.dumps(approvals).decode(),
        bulk_id,
    )
    detail = {
        "action": action,
        "target": found.target.name,
        "query": found.query,
        "reason": reason,
        "reach": dict(found.reach),
        "persons": [one["name"] for one in approvals],
        "needed": found.needed,
    }
    await record(work, "bulk.approved" if state == PLANNED else "bulk.begun", "bulk", bulk_id, detail)
    return await bulk(work.tx, bulk_id, items=False)


async def cancel(work: Work, bulk_id: str) -> None:
    """Give up a plan, or what is left of one; what was done stays. Refused for one that is over."""
    found = await bulk(work.tx, bulk_id, items=False)
    done = await work.tx.run(
        "UPDATE sb_bulk SET state = ?, ended = ? WHERE id = ? AND state IN (?, ?)",
        CANCELLED,
        work.now,
        bulk_id,
        PLANNED,
        RUNNING,
    )
    if not done:
        raise Refused("bulk-over", f"It is {found.state} already.", "Nothing is left to give up.")
    await record(work, "bulk.cancelled", "bulk", bulk_id, {"action": found.action})
