"""Asking for attestations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.attestations.link import token_for
from scim_bridge.attestations.model import first_answerable, role_of
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts, facts_of, find_agent
from scim_bridge.registry.bulk import Asking
from scim_bridge.registry.model import AGENT, PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import load
from scim_bridge.settings.attestations import AttestationSettings

SOURCE = "attestation"
LAPSED = "lapsed"
VALID = "valid"


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
    return await ctx.store.transact(actor, lambda work: ask_about(work, ctx, settings, agent, to))


async def ask_about(
    work: Work, ctx: Context, settings: AttestationSettings, agent: str, to: str | None = None
) -> Asked:
    """The same, inside a transaction."""
    facts = await find_agent(work.tx, agent)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {agent!r}.", "See `scim-bridge agents list`.")
    agent_id = facts.resource.id
    await load(work, agent_id, AGENT)
    current = (await facts_of(work.tx, [agent_id]))[agent_id]
    person = await _chosen(work, current, to)
    return await ask_within(work, ctx, settings, current, person, "attestation-request")


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
    more: Mapping[str, Any] | None = None,
) -> Asked:
    """Make the request inside a transaction that holds the agent, and send it. An open one is replaced."""
    made = await make_request(work, ctx, agent, person, work.now + settings.link_days * DAY)
    data = {
        "agent": agent.slug,
        "name": str(agent.resource.doc.get("displayName") or agent.slug),
        "purpose": str(agent.extension.get("purpose") or ""),
        "expires": iso(made.expires),
        "by": work.actor.name,
        **(more or {}),
    }
    private = outward.sealed_for(ctx.master, person, {"link": made.link})
    await outward.notify(work, template, person, data, subject_id=made.agent_id, private=private)
    return made


async def make_request(
    work: Work,
    ctx: Context,
    agent: AgentFacts,
    person: PersonRef,
    expires: int,
    *,
    passed_by: str | None = None,
    transfer: bool = False,
) -> Asked:
    """The request alone, inside a transaction that holds the agent. An open one to the same person is replaced.

    `passed_by` is who handed the question on; with `transfer` the agent goes along once it is confirmed.
    """
    agent_id = agent.resource.id
    await work.tx.run(
        "UPDATE sb_attestation_request SET closed = ?, closed_why = 'replaced'"
        " WHERE agent_id = ? AND person_id = ? AND closed IS NULL",
        work.now,
        agent_id,
        person.id,
    )
    request_id = work.ids.new()
    await work.tx.run(
        "INSERT INTO sb_attestation_request (id, agent_id, person_id, created, created_by, expires, passed_by,"
        " transfer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        request_id,
        agent_id,
        person.id,
        work.now,
        work.actor.name,
        expires,
        passed_by,
        1 if transfer else None,
    )
    detail = {"request": request_id, "to": person.user_name, "expires": iso(expires)}
    await record(work, "attestation.requested", AGENT, agent_id, detail)
    link = link_to(ctx, request_id, agent_id, person.id, expires)
    return Asked(request_id, agent_id, agent.slug, person, link, expires)


def link_to(ctx: Context, request_id: str, agent_id: str, person_id: str, expires: int) -> str:
    """The address at which a person answers a request; the same each time it is told."""
    return f"{ctx.public_url}/attest/{token_for(ctx.master, request_id, agent_id, person_id, expires)}"


def asking_of(ctx: Context, settings: AttestationSettings) -> Asking:
    """How many agents at once are asked about: whom, and how each question is made."""

    async def about(work: Work, agent_id: str) -> object:
        return await ask_about(work, ctx, settings, agent_id)

    return Asking(first_answerable, about)


def how_to_release(slug: str) -> str:
    """What releases a hold of this room, in plain words."""
    return f"its owner, co-owner or sponsor confirms the facts (scim-bridge attest request {slug})"
