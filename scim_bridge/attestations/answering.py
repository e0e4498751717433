"""Answering a link: what one person states about exactly the facts they saw, signed, in one transaction."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from scim_bridge.attestations import refusals
from scim_bridge.attestations.model import (
    CONFIRM,
    MAX_COMMENT,
    STATEMENT_TYPE,
    VERDICTS,
    Facts,
    Statement,
    canonical,
)
from scim_bridge.attestations.opening import (
    Invitation,
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
from scim_bridge.settings import AttestationSettings

REFUSED = "refused"


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
) -> Answered:
    """Record what the person states about the facts they saw, signed, in one transaction.

    Invalid for an unknown verdict or an overlong comment; FactsChanged (409) when `digest` is not that
    of the facts now; LinkRefused as for `look`. Of two answers with one link the second is refused.
    """
    request: Invitation | None = None
    try:
        request = await presented(ctx, token)
        known = request
        if verdict not in VERDICTS:
            raise Invalid("verdict", f"{verdict[:40]!r} is no verdict.", f"Answer {' or '.join(VERDICTS)}.")
        said = checked_comment(comment)
        actor = await _actor(ctx, visitor, request)

        async def body(work: Work) -> Answered:
            return await _record(work, ctx, settings, known, verdict, said, digest)

        return await ctx.store.transact(actor, body)
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


async def _actor(ctx: Context, visitor: Actor, request: Invitation) -> Actor:
    person = (await people(ctx.store.reads, [request.person_id])).get(request.person_id)
    if person is None:
        raise refusals.not_answerable()
    return replace(visitor, kind="person", id=person.id, name=person.user_name)


async def _record(
    work: Work,
    ctx: Context,
    settings: AttestationSettings,
    known: Invitation,
    verdict: str,
    comment: str,
    digest: str,
) -> Answered:
    # Everybody locks the agent first, so that answers, requests and lapses queue instead of deadlocking.
    await find(work.tx, known.agent_id, lock=work.tx.for_update)
    request = await invitation(work.tx, known.id, work.tx.for_update)
    if request is None:
        raise refusals.unknown()
    still_open(request, work.now)
    now = await seen(work.tx, request)
    if digest != now.digest:
        raise FactsChanged(
            "facts-changed",
            f"The facts of {now.agent.slug} changed since you looked.",
            "Look again, then answer.",
        )
    confirmed = verdict == CONFIRM
    statement = Statement(
        work.ids.new(),
        request.id,
        request.agent_id,
        now.agent.slug,
        now.person,
        now.role,
        verdict,
        comment,
        now.digest,
        work.now,
        work.now + settings.valid_days * DAY if confirmed else None,
    )
    jws = (await signing_key(work, ctx.master, "attestation")).sign(
        statement.payload(ctx.public_url), STATEMENT_TYPE
    )
    await _store(work, statement, now.facts, jws)
    await _apply(work, statement)
    return Answered(statement, jws, VALID if confirmed else REFUSED)


async def _store(work: Work, statement: Statement, facts: Facts, jws: str) -> None:
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


async def _apply(work: Work, statement: Statement) -> None:
    """What the statement does to the agent: its state, its hold, and who hears of it."""
    agent_id, by = statement.agent_id, statement.person.user_name
    confirmed = statement.verdict == CONFIRM
    state = VALID if confirmed else REFUSED
    await set_attestation(work, agent_id, Attestation(state, statement.id, by, statement.at, statement.until))
    detail: dict[str, Any] = {
        "statement": statement.id,
        "digest": statement.digest,
        "role": statement.role,
        "comment": statement.comment,
        "until": None if statement.until is None else iso(statement.until),
    }
    action = "attestation.confirmed" if confirmed else "attestation.refused"
    await record(work, action, AGENT, agent_id, detail)
    if confirmed:
        await release_hold(work, agent_id, SOURCE, f"{by} confirmed the facts")
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
