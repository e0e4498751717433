"""Answering a link: what one person states about exactly the facts they saw, signed, in one transaction."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scim_bridge.attestations import choices, refusals
from scim_bridge.attestations.campaign_model import ItemState
from scim_bridge.attestations.campaigns import settle
from scim_bridge.attestations.model import (
    CONFIRM,
    LINK,
    MAX_COMMENT,
    REDUCE,
    REFUSE,
    RETIRE,
    STATEMENT_TYPE,
    VERDICTS,
    Facts,
    Statement,
    canonical,
)
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
from scim_bridge.attestations.service import SOURCE, VALID, how_to_release
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import signing_key
from scim_bridge.kernel.errors import Conflict, Invalid
from scim_bridge.kernel.throttle import Throttle
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import set_attestation
from scim_bridge.registry.holds import place_hold, release_hold, restate_hold
from scim_bridge.registry.model import AGENT, Attestation
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.resources import find
from scim_bridge.settings.attestations import AttestationSettings

REFUSED = "refused"
OUTCOMES = {
    CONFIRM: (ItemState.CONFIRMED, "attestation.confirmed"),
    REDUCE: (ItemState.REDUCED, "attestation.reduced"),
    RETIRE: (ItemState.RETIRED, "attestation.retired"),
    REFUSE: (ItemState.REFUSED, "attestation.refused"),
}


class FactsChanged(Conflict):
    """Between looking and answering, somebody changed the agent."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as recorded: the statement, and its signed form."""

    statement: Statement
    jws: str
    state: str


async def answer(
    ctx: Context,
    settings: AttestationSettings,
    visitor: Actor,
    refused: Throttle,
    token: str,
    verdict: str,
    comment: str,
    digest: str,
    drop: Sequence[str] = (),
) -> Answered:
    """Record what the person states about the facts they saw, signed, in one transaction.

    With the verdict `reduce` the agent leaves the groups in `drop` (ids), and the facts are confirmed as
    they are then. Invalid for an unknown verdict or an overlong comment; FactsChanged (409) when `digest`
    is not that of the facts now; LinkRefused as for `look`. Of two answers with one link the second is refused.
    """
    request: Invitation | None = None
    try:
        request = await presented(ctx, token)
        known = request
        if verdict not in VERDICTS:
            raise Invalid("verdict", f"{verdict[:40]!r} is no verdict.", f"Answer {' or '.join(VERDICTS)}.")
        actor = await actor_of(ctx, visitor, request)
        said = Said(verdict, checked_comment(comment), digest, tuple(drop))
        return await ctx.store.transact(actor, lambda work: take(work, ctx, settings, known, said))
    except LinkRefused as error:
        await keep_refusal(ctx, visitor, refused, request, error)
        raise


def checked_comment(comment: str) -> str:
    """The comment without control characters (line breaks stay); Invalid when it is too long."""
    lines = comment.replace("\r\n", "\n").replace("\r", "\n")
    said = "".join(c for c in lines if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs")).strip()
    if len(said) > MAX_COMMENT:
        raise Invalid("comment", f"The comment has {len(said)} characters.", f"Use at most {MAX_COMMENT}.")
    return said


async def actor_of(ctx: Context, visitor: Actor, request: Invitation) -> Actor:
    """The person a genuine link belongs to, as the one who acts; LinkRefused when they are gone."""
    person = (await people(ctx.store.reads, [request.person_id])).get(request.person_id)
    if person is None:
        raise refusals.not_answerable()
    return replace(visitor, kind="person", id=person.id, name=person.user_name)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it came in, and how the person was known: `method`, and what an IdP said of that."""

    verdict: str
    comment: str
    digest: str
    drop: tuple[str, ...]
    method: str = LINK
    proof: Mapping[str, Any] = field(default_factory=dict)


async def take(
    work: Work, ctx: Context, settings: AttestationSettings, known: Invitation, said: Said
) -> Answered:
    """Record an answer of the person who was asked, signed; the agent is locked before its request."""
    # Everybody locks the agent first, so that answers, requests and lapses queue instead of deadlocking.
    await find(work.tx, known.agent_id, lock=work.tx.for_update)
    request = await invitation(work.tx, known.id, work.tx.for_update)
    if request is None:
        raise refusals.unknown()
    still_open(request, work.now)
    shown = await seen(work.tx, request)
    unmoved(shown, said.digest)
    changes = await choices.applied(work, request, shown, said.verdict, said.drop)
    now = await seen(work.tx, request) if changes else shown
    affirmed = said.verdict in (CONFIRM, REDUCE)
    days = settings.valid_for(str(shown.agent.risk_tier))
    statement = Statement(
        work.ids.new(),
        request.id,
        request.agent_id,
        now.agent.slug,
        now.person,
        shown.role,
        said.verdict,
        said.comment,
        now.digest,
        work.now,
        work.now + days * DAY if affirmed else None,
        changes,
        shown.digest,
        said.method,
        proof=said.proof,
    )
    jws = (await signing_key(work, ctx.master, "attestation")).sign(
        statement.payload(ctx.public_url), STATEMENT_TYPE
    )
    await keep_statement(work, statement, now.facts, jws)
    await act_on(work, statement)
    return Answered(statement, jws, VALID if affirmed else REFUSED)


def unmoved(shown: Look, digest: str) -> None:
    """FactsChanged when these are not the facts somebody looked at."""
    if digest != shown.digest:
        raise FactsChanged(
            "facts-changed",
            f"The facts of {shown.agent.slug} changed since you looked.",
            "Look again, then answer.",
        )


async def keep_statement(work: Work, statement: Statement, facts: Facts, jws: str) -> None:
    """Keep a signed statement as the agent's current one; its request is closed."""
    await work.tx.run(
        "UPDATE sb_attestation SET ended = ? WHERE agent_id = ? AND ended IS NULL",
        work.now,
        statement.agent_id,
    )
    await work.tx.run(
        "INSERT INTO sb_attestation (id, request_id, agent_id, person_id, verdict, comment, at, until, digest,"
        " facts, statement) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        statement.id,
        statement.request_id,
        statement.agent_id,
        statement.person.id,
        statement.verdict,
        statement.comment,
        statement.at,
        statement.until,
        statement.digest,
        canonical(facts).decode(),
        jws,
    )
    await work.tx.run(
        "UPDATE sb_attestation_request SET closed = ?, closed_why = 'answered' WHERE id = ?",
        work.now,
        statement.request_id,
    )


async def act_on(work: Work, statement: Statement) -> None:
    """What the statement does to the agent: its state, its hold, and who hears of it."""
    agent_id, by = statement.agent_id, statement.person.user_name
    confirmed = statement.affirmed
    state = VALID if confirmed else REFUSED
    await set_attestation(work, agent_id, Attestation(state, statement.id, by, statement.at, statement.until))
    detail: dict[str, Any] = {
        "statement": statement.id,
        "digest": statement.digest,
        "role": statement.role,
        "comment": statement.comment,
        "until": None if statement.until is None else iso(statement.until),
    }
    if statement.changes:
        detail["changes"] = dict(statement.changes)
    if statement.proof:
        detail |= {"authentication": statement.authentication, "proof": dict(statement.proof)}
    if statement.certification:
        detail["certification"] = dict(statement.certification)
    item, action = OUTCOMES[statement.verdict]
    await record(work, action, AGENT, agent_id, detail)
    await settle(work, agent_id, item, f"{by} answered: {statement.verdict}")
    if confirmed:
        await release_hold(work, agent_id, SOURCE, f"{by} confirmed the facts")
    elif statement.verdict == RETIRE:
        await choices.retire(work, statement)
    else:
        await _stop(work, statement)
    await outward.push_to_idps(work, agent_id, f"attestation {state}")


async def _stop(work: Work, statement: Statement) -> None:
    who, agent_id = statement.person.display_name, statement.agent_id
    reason = f"{who} ({statement.role}) refused to confirm the facts" + (
        f": {statement.comment}" if statement.comment else "."
    )
    release = how_to_release(statement.slug)
    if not await place_hold(work, agent_id, SOURCE, "attestation-refused", reason, release):
        await restate_hold(work, agent_id, SOURCE, "attestation-refused", reason, release)
    data = {"agent": statement.slug, "by": who, "role": statement.role, "comment": statement.comment}
    await outward.notify(work, "attestation-refused", None, data, subject_id=agent_id)
