"""Asking for attestations, and what happens when one runs out."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.attestations.link import token_for
from scim_bridge.attestations.model import first_answerable, role_of
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import SYSTEM, Actor, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import AgentFacts, facts_of, find_agent, set_attestation
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT, Attestation, PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import find, load
from scim_bridge.settings import AttestationSettings

SOURCE = "attestation"
LAPSED = "lapsed"
VALID = "valid"
BATCH = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as made: who was asked about which agent, with the link that was sent."""

    request_id: str
    agent_id: str
    slug: str
    person: PersonRef
    link: str
    expires: int


async def ask(
    ctx: Context, settings: AttestationSettings, actor: Actor, agent: str, to: str | None = None
) -> Asked:
    """Ask a person to attest an agent (slug, id, userName or workload id); they are sent the link.

    Without `to` the first active of owner, co-owners and sponsors is asked. NotFound for an unknown
    agent or person; Refused when that person does not answer for the agent, or nobody does.
    """
    facts = await find_agent(ctx.store.reads, agent)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {agent!r}.", "See `scim-bridge agents list`.")
    agent_id = facts.resource.id

    async def body(work: Work) -> Asked:
        await load(work, agent_id, AGENT)
        current = (await facts_of(work.tx, [agent_id]))[agent_id]
        person = await _chosen(work, current, to)
        return await ask_within(work, ctx, settings, current, person, "attestation-request")

    return await ctx.store.transact(actor, body)


async def _chosen(work: Work, agent: AgentFacts, to: str | None) -> PersonRef:
    if to is None:
        person = first_answerable(agent.owners)
        if person is None:
            raise Refused(
                "nobody-answers", f"Nobody active answers for {agent.slug}.", "Give it an owner first."
            )
        return person
    person = await find_person(work.tx, to)
    if person is None:
        raise NotFound(
            "person-unknown", f"No person is known as {to!r}.", "Use a userName or e-mail address."
        )
    if role_of(agent.owners, person.id) is None:
        raise Refused(
            "person-not-answerable",
            f"{person.user_name} is not an active owner, co-owner or sponsor of {agent.slug}.",
            "Ask one who is, or make this person one.",
        )
    return person


async def ask_within(
    work: Work,
    ctx: Context,
    settings: AttestationSettings,
    agent: AgentFacts,
    person: PersonRef,
    template: str,
) -> Asked:
    """Make the request inside a transaction that holds the agent. An open one to the same person is replaced."""
    agent_id = agent.resource.id
    await work.tx.run(
        "UPDATE sb_attestation_request SET closed = ?, closed_why = 'replaced'"
        " WHERE agent_id = ? AND person_id = ? AND closed IS NULL",
        work.now,
        agent_id,
        person.id,
    )
    request_id = work.ids.new()
    expires = work.now + settings.link_days * DAY
    await work.tx.run(
        "INSERT INTO sb_attestation_request (id, agent_id, person_id, created, created_by, expires)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        request_id,
        agent_id,
        person.id,
        work.now,
        work.actor.name,
        expires,
    )
    link = f"{ctx.public_url}/attest/{token_for(ctx.master, request_id, agent_id, person.id, expires)}"
    detail = {"request": request_id, "to": person.user_name, "expires": iso(expires)}
    await record(work, "attestation.requested", AGENT, agent_id, detail)
    data = {
        "agent": agent.slug,
        "name": str(agent.resource.doc.get("displayName") or agent.slug),
        "purpose": str(agent.extension.get("purpose") or ""),
        "expires": iso(expires),
        "by": work.actor.name,
    }
    private = outward.sealed_for(ctx.master, person, {"link": link})
    await outward.notify(work, template, person, data, subject_id=agent_id, private=private)
    return Asked(request_id, agent_id, agent.slug, person, link, expires)


def how_to_release(slug: str) -> str:
    """What releases a hold of this room, in plain words."""
    return f"its owner, co-owner or sponsor confirms the facts (scim-bridge attest request {slug})"


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
            return lapsed


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
        detail = {"statement": statement_id, "by": known.by, "held": settings.hold_on_lapse}
        await record(work, "attestation.lapsed", AGENT, agent_id, detail)
        if settings.hold_on_lapse:
            day = iso(known.until or work.now)[:10]
            reason = f"The attestation by {known.by} ended on {day} and nobody renewed it."
            await place_hold(work, agent_id, SOURCE, "attestation-lapsed", reason, how_to_release(agent.slug))
        await outward.push_to_idps(work, agent_id, "attestation lapsed")
        await _tell(work, ctx, settings, agent)
        return True

    return await ctx.store.transact(SYSTEM, body)


async def _tell(work: Work, ctx: Context, settings: AttestationSettings, agent: AgentFacts) -> None:
    person = first_answerable(agent.owners)
    if person is not None:
        await ask_within(work, ctx, settings, agent, person, "attestation-lapsed")
        return
    data = {"agent": agent.slug, "reason": "Its attestation ended and nobody active answers for it."}
    await outward.notify(work, "attestation-unanswerable", None, data, subject_id=agent.resource.id)
