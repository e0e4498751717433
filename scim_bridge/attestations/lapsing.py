"""What happens when a statement runs out: its owner is warned before, then asked, and the agent held."""

from __future__ import annotations

from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaigns import single
from scim_bridge.attestations.model import first_answerable
from scim_bridge.attestations.service import LAPSED, SOURCE, VALID, ask_within, how_to_release
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.agents import set_attestation
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT, Attestation
from scim_bridge.registry.resources import find
from scim_bridge.settings.attestations import AttestationSettings

BATCH = 100


async def warn(ctx: Context, settings: AttestationSettings) -> int:
    """Ask the owners of statements that are about to run out to renew them; how many were asked.

    `warn_days` before the end, and never in the first half of a statement's life. Once each.
    """
    asked = 0
    while settings.warn_days:
        now = ctx.store.clock.now()
        rows = await ctx.store.reads.all(
            "SELECT id, agent_id FROM sb_attestation WHERE ended IS NULL AND warned IS NULL AND until > ?"
            " AND until <= ? AND until - at <= 2 * (? - at) ORDER BY until LIMIT ?",
            now,
            now + settings.warn_days * DAY,
            now,
            BATCH,
        )
        for row in rows:
            asked += await _warn_one(ctx, settings, row["id"], row["agent_id"])
        if len(rows) < BATCH:
            break
    return asked


async def _warn_one(ctx: Context, settings: AttestationSettings, statement_id: str, agent_id: str) -> bool:
    async def body(work: Work) -> bool:
        work.bookkeeping("a statement that is about to run out was looked at")
        alive = await find(work.tx, agent_id, lock=work.tx.for_update)
        first = await work.tx.run(
            "UPDATE sb_attestation SET warned = ? WHERE id = ? AND warned IS NULL", work.now, statement_id
        )
        if not first or alive is None:
            return False
        waiting = await work.tx.one(
            "SELECT 1 AS x FROM sb_campaign_item WHERE agent_id = ? AND state = 'waiting' LIMIT 1", agent_id
        )
        agent = (await facts_of(work.tx, [agent_id]))[agent_id]
        person = first_answerable(agent.owners)
        if waiting is not None or person is None or agent.attestation.id != statement_id:
            return False
        until = iso(agent.attestation.until or work.now)
        await ask_within(work, ctx, settings, agent, person, "attestation-expiring", {"until": until})
        return True

    return await ctx.store.transact(SYSTEM, body)


async def lapse(ctx: Context, settings: AttestationSettings) -> int:
    """End every attestation whose date has passed: hold the agent when so set, ask its owner anew.

    Safe on every replica and at any time: each statement lapses once. Returns how many agents lapsed.
    """
    lapsed = 0
    while True:
        rows = await ctx.store.reads.all(
            "SELECT id, agent_id FROM sb_attestation WHERE ended IS NULL AND until <= ? ORDER BY until LIMIT ?",
            ctx.store.clock.now(),
            BATCH,
        )
        for row in rows:
            lapsed += await _lapse_one(ctx, settings, row["id"], row["agent_id"])
        if len(rows) < BATCH:
            break
    return lapsed + await _take_up(ctx, settings)


# A campaign that was called off asked about these when their statement ended; nothing else does or stops them.
LEFT = (
    "SELECT i.agent_id FROM sb_campaign c JOIN sb_campaign_item i ON i.campaign_id = c.id"
    " JOIN sb_agent a ON a.id = i.agent_id JOIN sb_resource r ON r.id = a.id"
    " WHERE c.state = 'cancelled' AND i.state = 'cancelled' AND i.settled >= a.attested_until"
    " AND a.attestation_state = 'lapsed' AND r.deleted IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM sb_campaign_item w WHERE w.agent_id = a.id AND w.state = 'waiting')"
    " AND NOT EXISTS (SELECT 1 FROM sb_hold h WHERE h.agent_id = a.id AND h.source = ? AND h.released IS NULL)"
)


async def _take_up(ctx: Context, settings: AttestationSettings) -> int:
    """Nothing expires silently: what a cancelled campaign gave time to is held or asked about after all."""
    if not settings.hold_on_lapse:
        return 0
    rows = await ctx.store.reads.all(f"{LEFT} ORDER BY i.agent_id LIMIT ?", SOURCE, BATCH)
    return sum([await _take_up_one(ctx, settings, row["agent_id"]) for row in rows])


async def _take_up_one(ctx: Context, settings: AttestationSettings, agent_id: str) -> bool:
    async def body(work: Work) -> bool:
        work.bookkeeping("another process took it up, or it was answered")
        await find(work.tx, agent_id, lock=work.tx.for_update)
        if await work.tx.one(f"{LEFT} AND a.id = ? LIMIT 1", SOURCE, agent_id) is None:
            return False
        agent = (await facts_of(work.tx, [agent_id]))[agent_id]
        if not await _given_time(work, settings, agent):
            await _hold(work, agent)
            await _tell(work, ctx, settings, agent)
            await outward.push_to_idps(work, agent_id, "attestation lapsed")
        return True

    return await ctx.store.transact(SYSTEM, body)


async def _hold(work: Work, agent: AgentFacts) -> None:
    known = agent.attestation
    day = iso(known.until or work.now)[:10]
    reason = f"The attestation by {known.by} ended on {day} and nobody renewed it."
    release = how_to_release(agent.slug)
    await place_hold(work, agent.resource.id, SOURCE, "attestation-lapsed", reason, release)


async def _lapse_one(ctx: Context, settings: AttestationSettings, statement_id: str, agent_id: str) -> bool:
    async def body(work: Work) -> bool:
        work.bookkeeping("the statement of an agent that is gone, or has a newer one, ends unnoticed")
        alive = await find(work.tx, agent_id, lock=work.tx.for_update)
        ended = await work.tx.run(
            "UPDATE sb_attestation SET ended = ? WHERE id = ? AND ended IS NULL AND until <= ?",
            work.now,
            statement_id,
            work.now,
        )
        if not ended or alive is None:
            return False
        agent = (await facts_of(work.tx, [agent_id]))[agent_id]
        known = agent.attestation
        if known.id != statement_id or known.state != VALID:
            return False
        await set_attestation(work, agent_id, Attestation(LAPSED, known.id, known.by, known.at, known.until))
        await _lapsed(work, ctx, settings, agent)
        return True

    return await ctx.store.transact(SYSTEM, body)


async def _lapsed(work: Work, ctx: Context, settings: AttestationSettings, agent: AgentFacts) -> None:
    """What follows from a lapse: the agent is held if so set, and somebody is asked."""
    agent_id, known = agent.resource.id, agent.attestation
    later = await _given_time(work, settings, agent)
    held = settings.hold_on_lapse and not later
    detail = {"statement": known.id, "by": known.by, "held": held}
    await record(work, "attestation.lapsed", AGENT, agent_id, detail)
    if held:
        await _hold(work, agent)
    await outward.push_to_idps(work, agent_id, "attestation lapsed")
    if not later:
        await _tell(work, ctx, settings, agent)


async def came_back(work: Work, ctx: Context, settings: AttestationSettings, agent_id: str) -> None:
    """See to an agent that was made again after its statement had run out, unless somebody answered meanwhile."""
    work.bookkeeping("it was answered or deleted again")
    if await find(work.tx, agent_id, lock=work.tx.for_update) is None:
        return
    agent = (await facts_of(work.tx, [agent_id]))[agent_id]
    if agent.attestation.state != LAPSED:
        return
    await work.tx.run(
        "UPDATE sb_attestation SET ended = ? WHERE id = ? AND ended IS NULL", work.now, agent.attestation.id
    )
    await _lapsed(work, ctx, settings, agent)


async def _tell(work: Work, ctx: Context, settings: AttestationSettings, agent: AgentFacts) -> None:
    person = first_answerable(agent.owners)
    if person is not None:
        await ask_within(work, ctx, settings, agent, person, "attestation-lapsed")
        return
    data = {"agent": agent.slug, "reason": "Its attestation ended and nobody active answers for it."}
    await outward.notify(work, "attestation-unanswerable", None, data, subject_id=agent.resource.id)


async def _given_time(work: Work, settings: AttestationSettings, agent: AgentFacts) -> bool:
    """True when the agent may go on for a while: by a campaign that asks about it, or the grace of the settings."""
    waiting = await work.tx.one(
        "SELECT 1 AS x FROM sb_campaign_item WHERE agent_id = ? AND state = 'waiting' LIMIT 1",
        agent.resource.id,
    )
    if waiting is not None:
        return True
    if not settings.grace_days:
        return False
    reason = f"the confirmation by {agent.attestation.by} ran out"
    chased = Policy(due_days=settings.grace_days, remind_days=(2,), grace_days=0, hold=settings.hold_on_lapse)
    await single(work, agent.resource.id, agent.slug, f"Ran out: {agent.slug}"[:80], chased, reason)
    return True
