"""Handing a question on: to somebody who answers in one's place, or who takes the agent over."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.attestations import refusals
from scim_bridge.attestations.answering import actor_of, checked_comment, unmoved
from scim_bridge.attestations.campaigns import campaign
from scim_bridge.attestations.model import TRANSFER, role_of
from scim_bridge.attestations.opening import (
    Invitation,
    Look,
    invitation,
    keep_refusal,
    presented,
    seen,
    still_open,
)
from scim_bridge.attestations.refusals import LinkRefused
from scim_bridge.attestations.service import Asked, make_request
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.throttle import Throttle
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.model import AGENT, OWNER, PersonRef
from scim_bridge.registry.people_refs import find_person, people
from scim_bridge.registry.resources import find
from scim_bridge.settings.attestations import AttestationSettings


@dataclass(frozen=True, slots=True)
class Passed:
    """A question as it was handed on."""

    slug: str
    to: PersonRef
    transfer: bool
    expires: int


async def pass_on(
    ctx: Context,
    settings: AttestationSettings,
    visitor: Actor,
    refused: Throttle,
    token: str,
    how: str,
    to: str,
    comment: str,
    digest: str,
) -> Passed:
    """Hand the question of a link to another active person, who is sent a link of their own.

    `how` is delegate (they answer in one's place) or transfer (owners only: the agent is theirs once they
    confirm). NotFound for an unknown person; Refused for somebody inactive, oneself, or a second handing on.
    """
    request: Invitation | None = None
    try:
        request = await presented(ctx, token)
        known = request
        said = checked_comment(comment)
        actor = await actor_of(ctx, visitor, request)

        async def body(work: Work) -> Passed:
            await find(work.tx, known.agent_id, lock=work.tx.for_update)
            current = await invitation(work.tx, known.id, work.tx.for_update)
            if current is None:
                raise refusals.unknown()
            still_open(current, work.now)
            shown = await seen(work.tx, current)
            unmoved(shown, digest)
            person = await _receiver(work, current, shown, how, to)
            return await _passed(work, ctx, settings, current, shown, person, how, said)

        return await ctx.store.transact(actor, body)
    except LinkRefused as error:
        await keep_refusal(ctx, visitor, refused, request, error)
        raise


async def _receiver(work: Work, request: Invitation, shown: Look, how: str, to: str) -> PersonRef:
    if request.passed_by is not None:
        raise Refused(
            "passed-on-before",
            "This question was handed to you; it is not handed on again.",
            "Answer it, or tell whoever asked you.",
        )
    if how == TRANSFER and role_of(shown.agent.owners, request.person_id) != OWNER:
        raise Refused("transfer-owner", "Only the owner hands an agent over.", "Ask its owner, or an admin.")
    person = await find_person(work.tx, to.strip()) if to.strip() else None
    if person is None or not person.active:
        raise NotFound(
            "person-unknown",
            f"No active person is known as {to.strip()[:80]!r}.",
            "Use the user name or e-mail address they sign in with.",
        )
    if person.id == request.person_id:
        raise Refused("passed-to-self", "That is you.", "Name somebody else, or answer.")
    return person


async def _passed(
    work: Work,
    ctx: Context,
    settings: AttestationSettings,
    request: Invitation,
    shown: Look,
    person: PersonRef,
    how: str,
    comment: str,
) -> Passed:
    agent, transfer = shown.agent, how == TRANSFER
    await work.tx.run(
        "UPDATE sb_attestation_request SET closed = ?, closed_why = 'passed on' WHERE id = ?",
        work.now,
        request.id,
    )
    expires = max(request.expires, work.now + settings.link_days * DAY)
    made = await make_request(
        work, ctx, agent, person, expires, passed_by=request.person_id, transfer=transfer
    )
    await _wait_for(
        work, agent.resource.id, request.person_id, person, f"{shown.person.user_name} handed it on"
    )
    await _tell(work, ctx, agent, made, shown.person.display_name, comment, transfer)
    detail = {"to": person.user_name, "how": how, "comment": comment, "request": made.request_id}
    await record(work, "attestation.passed_on", AGENT, agent.resource.id, detail)
    return Passed(agent.slug, person, transfer, expires)


async def _wait_for(work: Work, agent_id: str, was: str, person: PersonRef, note: str) -> None:
    """Campaigns that waited for one person's answer wait for the other's."""
    await work.tx.run(
        "UPDATE sb_campaign_item SET person_id = ?, note = ? WHERE agent_id = ? AND person_id = ?"
        " AND state = 'waiting'",
        person.id,
        f"{note} to {person.user_name}",
        agent_id,
        was,
    )


async def _tell(
    work: Work, ctx: Context, agent: AgentFacts, made: Asked, by: str, comment: str, transfer: bool
) -> None:
    data = {
        "agent": agent.slug,
        "name": str(agent.resource.doc.get("displayName") or agent.slug),
        "purpose": str(agent.extension.get("purpose") or ""),
        "expires": iso(made.expires),
        "by": by,
        "comment": comment,
        "transfer": transfer,
    }
    private = outward.sealed_for(ctx.master, made.person, {"link": made.link})
    await outward.notify(
        work, "attestation-passed-on", made.person, data, subject_id=agent.resource.id, private=private
    )


async def reassign(
    ctx: Context,
    settings: AttestationSettings,
    actor: Actor,
    name: str,
    agent_name: str,
    to: str,
    reason: str,
) -> Passed:
    """An admin has another person asked about an agent of a campaign, whoever was asked before.

    NotFound for an unknown campaign, agent or person; Refused when it is answered or nobody may delegate.
    """
    found = await campaign(ctx.store.reads, name)
    row = await ctx.store.reads.one(
        "SELECT agent_id FROM sb_campaign_item WHERE campaign_id = ? AND (slug = ? OR agent_id = ?)",
        found.id,
        agent_name,
        agent_name,
    )
    if row is None:
        raise NotFound("campaign-agent", f"{agent_name!r} is not in {found.name}.", "See `campaigns show`.")
    agent_id = str(row["agent_id"])

    async def body(work: Work) -> Passed:
        await find(work.tx, agent_id, lock=work.tx.for_update)
        agent = (await facts_of(work.tx, [agent_id])).get(agent_id)
        item = await work.tx.one(
            "SELECT person_id FROM sb_campaign_item WHERE campaign_id = ? AND agent_id = ? AND state = 'waiting'",
            found.id,
            agent_id,
        )
        if agent is None or item is None:
            raise Refused(
                "campaign-answered", f"{agent_name} is not waited for any more.", "See `campaigns show`."
            )
        person = await find_person(work.tx, to)
        if person is None or not person.active:
            raise NotFound(
                "person-unknown", f"No active person is known as {to!r}.", "Use a userName or e-mail."
            )
        return await _reassigned(work, ctx, settings, agent, item["person_id"], person, reason)

    return await ctx.store.transact(actor, body)


async def _reassigned(
    work: Work,
    ctx: Context,
    settings: AttestationSettings,
    agent: AgentFacts,
    was: str,
    person: PersonRef,
    reason: str,
) -> Passed:
    agent_id = agent.resource.id
    own = role_of(agent.owners, person.id)
    # Who has no role of their own answers in the owner's place, so there must be one.
    owner = agent.owners.owner
    if own is None and (owner is None or not owner.active):
        raise Refused(
            "nobody-answers", f"{agent.slug} has no active owner to answer for.", "Give it an owner first."
        )
    before = (await people(work.tx, [was])).get(was) if was else None
    await work.tx.run(
        "UPDATE sb_attestation_request SET closed = ?, closed_why = 'passed on'"
        " WHERE agent_id = ? AND person_id = ? AND closed IS NULL",
        work.now,
        agent_id,
        was,
    )
    expires = work.now + settings.link_days * DAY
    passed_by = None if own is not None or owner is None else owner.id
    made = await make_request(work, ctx, agent, person, expires, passed_by=passed_by)
    await _wait_for(work, agent_id, was, person, f"{work.actor.name} reassigned it")
    await _tell(work, ctx, agent, made, work.actor.name, reason, False)
    detail = {
        "from": None if before is None else before.user_name,
        "to": person.user_name,
        "reason": reason,
        "request": made.request_id,
    }
    await record(work, "attestation.reassigned", AGENT, agent_id, detail)
    return Passed(agent.slug, person, False, expires)
