"""Agents past their time: expired, used by nobody for long, owned by nobody. Held by policy until it is not so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from scim_bridge.audit.record import record
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.kernel import counters
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import facts_of, find_agent
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT
from scim_bridge.registry.resources import find

EXPIRY, UNUSED, OWNERLESS = "expiry", "unused", "ownerless"
AT_ONCE = 500
# No more than so many, or such a share of all agents, are held as unused at once: that is no agent's fault.
MANY, SHARE = 10, 20
PATIENCE = 30.0

EXPIRED = (
    "SELECT a.id FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE a.expires_at IS NOT NULL"
    " AND a.expires_at <= ? AND r.deleted IS NULL AND NOT EXISTS (SELECT 1 FROM sb_hold h"
    " WHERE h.agent_id = a.id AND h.source = 'expiry' AND h.released IS NULL) ORDER BY a.expires_at LIMIT ?"
)
EXTENDED = (
    "SELECT h.agent_id AS id FROM sb_hold h JOIN sb_agent a ON a.id = h.agent_id WHERE h.released IS NULL"
    " AND h.source = 'expiry' AND (a.expires_at IS NULL OR a.expires_at > ?) LIMIT ?"
)
WITHOUT_OWNER = (
    "SELECT r.id FROM sb_resource r WHERE r.kind = 'agent' AND r.deleted IS NULL AND r.active = 1"
    " AND NOT EXISTS (SELECT 1 FROM sb_owner o JOIN sb_resource p ON p.id = o.person_id"
    " WHERE o.agent_id = r.id AND o.role = 'owner' AND p.deleted IS NULL) ORDER BY r.id LIMIT ?"
)
OWNED_AGAIN = (
    "SELECT h.agent_id AS id FROM sb_hold h WHERE h.released IS NULL AND h.source = 'ownerless'"
    " AND EXISTS (SELECT 1 FROM sb_owner o JOIN sb_resource p ON p.id = o.person_id"
    " WHERE o.agent_id = h.agent_id AND o.role = 'owner' AND p.deleted IS NULL AND p.active = 1) LIMIT ?"
)
# Asked for by nobody since, not new, and not kept on by somebody's word since.
IDLE = (
    "SELECT r.id FROM sb_resource r JOIN sb_agent a ON a.id = r.id WHERE r.kind = 'agent'"
    " AND r.deleted IS NULL AND r.active = 1 AND r.created <= ? AND COALESCE(a.last_activity, 0) <= ?"
    " AND NOT EXISTS (SELECT 1 FROM sb_decision d WHERE d.agent_id = r.id AND d.at > ?)"
    " AND NOT EXISTS (SELECT 1 FROM sb_hold h WHERE h.agent_id = r.id AND h.source = 'unused'"
    " AND h.released > ?) ORDER BY r.id LIMIT ?"
)
SEEN_AT_ALL = "SELECT 1 AS x FROM sb_decision WHERE at > ? AND at < ? LIMIT 1"

Change = Callable[[Work, str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class _Found:
    """Agents by what is to be done about them."""

    expired: Sequence[str] = ()
    extended: Sequence[str] = ()
    ownerless: Sequence[str] = ()
    owned: Sequence[str] = ()
    idle: Sequence[str] = ()


async def upkeep(ctx: Context, rules: Rules = RULES) -> int:
    """Hold what the policies say is past its time, and let go what is not any more; how many agents.

    Each agent in a transaction of its own, at most a few hundred of each sort in one call.
    """
    now = ctx.store.clock.now()
    found = await ctx.store.database.aside(partial(_look, rules=rules, now=now), seconds=PATIENCE)
    unused = rules.policies.agents.unused
    jobs: list[tuple[Sequence[str], Change]] = [
        (found.extended, partial(_release, source=EXPIRY, reason="its expiry was moved")),
        (found.owned, partial(_release, source=OWNERLESS, reason="somebody owns it again")),
        (found.expired, _expire),
        (found.ownerless, _without_owner),
    ]
    if not await _too_many(ctx, found.idle):
        jobs.append((found.idle, partial(_idle, unused=unused)))
    changed = 0
    for agents, change in jobs:
        for agent_id in agents:
            changed += await ctx.store.transact(SYSTEM, partial(_one, agent_id=agent_id, change=change))
    return changed


async def _look(reader: Reader, rules: Rules, now: int) -> _Found:
    wanted = rules.policies.agents

    async def ids(sql: str, *values: int) -> list[str]:
        return [row["id"] for row in await reader.all(sql, *values, AT_ONCE)]

    idle: list[str] = []
    if wanted.unused:
        since = now - wanted.unused
        # Where nobody asks for decisions, or began to only lately, silence says nothing about an agent.
        before = await reader.one("SELECT 1 AS x FROM sb_decision WHERE at <= ? LIMIT 1", since)
        after = await reader.one(SEEN_AT_ALL, since, now + DAY)
        if before is not None and after is not None:
            idle = await ids(IDLE, since, since, since, since)
    return _Found(
        await ids(EXPIRED, now) if wanted.expired else (),
        await ids(EXTENDED, now),
        await ids(WITHOUT_OWNER) if wanted.ownerless else (),
        await ids(OWNED_AGAIN),
        idle,
    )


async def _one(work: Work, agent_id: str, change: Change) -> bool:
    work.bookkeeping("another process did it, or it is not so any more")
    found = await find(work.tx, agent_id, lock=work.tx.for_update)
    return found is not None and await change(work, agent_id)


async def _release(work: Work, agent_id: str, source: str, reason: str) -> bool:
    return await release_hold(work, agent_id, source, reason)


async def _expire(work: Work, agent_id: str) -> bool:
    agent = (await facts_of(work.tx, [agent_id]))[agent_id]
    if agent.expires_at is None or agent.expires_at > work.now:
        return False
    reason = f"It expired on {iso(agent.expires_at)}"
    return await place_hold(work, agent_id, EXPIRY, "expired", reason, "a later expiresAt, or none")


async def _without_owner(work: Work, agent_id: str) -> bool:
    agent = (await facts_of(work.tx, [agent_id]))[agent_id]
    if agent.owners.owner is not None:
        return False
    return await place_hold(work, agent_id, OWNERLESS, "ownerless", "Nobody owns it", "an owner who is here")


async def _idle(work: Work, agent_id: str, unused: int) -> bool:
    days = unused // DAY
    asked = await work.tx.one(
        "SELECT 1 AS x FROM sb_decision WHERE agent_id = ? AND at > ? LIMIT 1", agent_id, work.now - unused
    )
    if asked is not None:
        return False
    agent = (await facts_of(work.tx, [agent_id]))[agent_id]
    return await place_hold(
        work,
        agent_id,
        UNUSED,
        "unused",
        f"Nobody asked anything for it in {days} days",
        f"somebody who needs it: scim-bridge departures keep {agent.slug} --reason WHY",
    )


async def _too_many(ctx: Context, idle: Sequence[str]) -> bool:
    """Whether so many are idle that something else is wrong; security is told once a day, nothing is held."""
    total = await counters.total(ctx.store.reads, "live:agent")
    if len(idle) <= MANY or len(idle) * 100 <= SHARE * total:
        return False

    async def tell(work: Work) -> None:
        day = work.now // DAY
        data = {"count": len(idle), "total": total}
        await outward.notify(work, "agents-unused", None, data, key=f"agents-unused:{day}")
        work.bookkeeping("a notice of today")

    await ctx.store.transact(SYSTEM, tell)
    return True


async def keep(work: Work, name: str, reason: str) -> str:
    """Release the hold of an unused agent: it counts as used from now on. Its slug.

    NotFound for an unknown agent; Refused when it is not held as unused.
    """
    agent = await find_agent(work.tx, name)
    if agent is None:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    if not await release_hold(work, agent.resource.id, UNUSED, reason):
        raise Refused(
            "not-unused",
            f"{agent.slug} is not held as unused.",
            f"See why it is held: scim-bridge agents show {agent.slug}",
        )
    await record(work, "agent.kept", AGENT, agent.resource.id, {"reason": reason})
    return agent.slug
