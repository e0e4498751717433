"""Decisions of an IdP's own access reviews as statements here: who said what of which agent, signed like every other.

The review asked about one access, on the IdP's pages. So a decision is less than an answer of ours, and is
signed as what it is: with the method `okta-certification`, the review, and the facts as they were when it came.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.attestations import choices
from scim_bridge.attestations.answering import act_on, checked_comment, keep_statement
from scim_bridge.attestations.facts import facts_now
from scim_bridge.attestations.model import (
    CONFIRM,
    REDUCE,
    REFUSE,
    STATEMENT_TYPE,
    Facts,
    Statement,
    digest_of,
    role_of,
)
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, MINUTE, iso, parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import signing_key
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.certification import APPROVE, Certification, Certified
from scim_bridge.registry.model import AGENT, PersonRef
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.resources import find
from scim_bridge.settings.attestations import AttestationSettings

METHOD = "okta-certification"
REVIEWER = "reviewer"
# So old a consent is none any more: whoever gave it did not mean the agent of today.
FRESH = DAY
MOST_SAID = 1000
# How far an IdP's clock may be ahead of ours.
CLOCKS = 5 * MINUTE
# Of what somebody said no to here, a yes elsewhere does not let go.
FINAL = ("attestation-refused", "attestation-retired")


def taking(ctx: Context, settings: AttestationSettings) -> Certified:
    """Takes decisions by these settings."""

    async def certified(work: Work, told: Certification) -> str:
        return await take(work, ctx, settings, told)

    return certified


async def take(work: Work, ctx: Context, settings: AttestationSettings, told: Certification) -> str:
    """Act on one decision, once; what came of it. Denying counts whoever decided, consenting only of those who
    answer for the agent, within a day, and never against a refusal that stands.
    """
    review = told.review
    await find(work.tx, told.agent_id, lock=work.tx.for_update)
    found = await facts_now(work.tx, told.agent_id)
    person = (await people(work.tx, [told.person_id])).get(told.person_id)
    if found is None or person is None:
        return "agent or person is gone"
    agent, facts = found
    decided = work.now if review.decided is None else review.decided
    if await _known(work, told, decided):
        return "known"
    role = role_of(agent.owners, person.id)
    row = await work.tx.one("SELECT MAX(at) AS at FROM sb_attestation WHERE agent_id = ?", told.agent_id)
    since = row is not None and row["at"] is not None and row["at"] > decided
    why = "somebody answered here since" if since else ""
    group = None if review.decision == APPROVE else await _group(work, told, facts)
    if not why and (review.decision == APPROVE or group is not None):
        why = _no_consent(work.now, decided, role, [hold.code for hold in agent.holds])
    if group is not None and not since:
        left = await choices.leave(work, told.agent_id, facts, [group])
        if why:
            # The access goes whoever says so; the rest is confirmed by nobody.
            detail = {**_told(told), "by": person.user_name, "left_groups": left}
            await record(work, "attestation.access_revoked", AGENT, told.agent_id, detail)
            return f"left {left[0]['name']}"
        now = await facts_now(work.tx, told.agent_id)
        assert now is not None
        said = Statement(
            **_base(work, told, person, str(role), REDUCE, now[0], now[1]), changes={"left_groups": left}
        )
        return await _state(work, ctx, settings, said, now[0], now[1])
    if why:
        detail = {**_told(told), "by": person.user_name, "why": why}
        await record(work, "attestation.certification_unused", AGENT, told.agent_id, detail)
        return f"unused: {why}"
    verdict = CONFIRM if review.decision == APPROVE else REFUSE
    said = Statement(**_base(work, told, person, role or REVIEWER, verdict, agent, facts))
    return await _state(work, ctx, settings, said, agent, facts)


async def _known(work: Work, told: Certification, decided: int) -> bool:
    """True when this decision, or a later one of the same review, was taken before."""
    row = await work.tx.one(
        "SELECT statement FROM sb_attestation WHERE agent_id = ? AND request_id = ? ORDER BY at DESC LIMIT 1",
        told.agent_id,
        _request(told),
    )
    if row is None:
        return False
    body = str(row["statement"]).split(".")[1]
    said = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["certification"]
    return said["decided"] is None or parse_iso(said["decided"]) >= decided


def _no_consent(now: int, decided: int, role: str | None, codes: list[str]) -> str:
    """Why a decision confirms nothing; empty when it does."""
    if role is None:
        return "who decided is no active owner, co-owner or sponsor"
    if decided > now + CLOCKS:
        return "it says it was made in the future"
    if now - decided > FRESH:
        return "it was made more than a day ago"
    if any(code in FINAL for code in codes):
        return "somebody refused here, and only an answer here takes that back"
    return ""


async def _group(work: Work, told: Certification, facts: Facts) -> str | None:
    """The group here whose membership was under review, when the agent is in it."""
    row = await work.tx.one(
        "SELECT resource_id FROM sb_external WHERE connection_id = ? AND space = 'group' AND external_id = ?",
        told.connection_id,
        told.review.resource,
    )
    ids = {str(group["id"]) for group in facts["groups"]}
    return str(row["resource_id"]) if row is not None and row["resource_id"] in ids else None


def _base(
    work: Work,
    told: Certification,
    person: PersonRef,
    role: str,
    verdict: str,
    agent: AgentFacts,
    facts: Facts,
) -> dict[str, Any]:
    """What every statement of this door says."""
    return {
        "id": work.ids.new(),
        "request_id": _request(told),
        "agent_id": told.agent_id,
        "slug": agent.slug,
        "person": person,
        "role": role,
        "verdict": verdict,
        "comment": checked_comment(told.review.note[:MOST_SAID]),
        "digest": digest_of(facts),
        "at": work.now,
        "until": None,
        "shown": digest_of(facts),
        "authentication": METHOD,
        "certification": _told(told),
    }


async def _state(
    work: Work,
    ctx: Context,
    settings: AttestationSettings,
    said: Statement,
    agent: AgentFacts,
    facts: Facts,
) -> str:
    if said.affirmed:
        said = replace(said, until=work.now + settings.valid_for(str(agent.risk_tier)) * DAY)
    key = await signing_key(work, ctx.master, "attestation")
    await keep_statement(work, said, facts, key.sign(said.payload(ctx.public_url), STATEMENT_TYPE))
    await act_on(work, said)
    return f"{said.verdict} by {said.person.user_name}"


def _request(told: Certification) -> str:
    """What stands for the question: the review at the IdP."""
    return f"{told.connection_id}:{told.review.review}"


def _told(told: Certification) -> dict[str, Any]:
    """The review as the statement and the audit name it."""
    review = told.review
    return {
        "connection": told.connection,
        "review": review.review,
        "campaign": review.campaign,
        "resource": review.resource,
        "decision": review.decision,
        "decided": None if review.decided is None else iso(review.decided),
    }
