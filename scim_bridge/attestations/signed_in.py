"""Answering without a link: the person an IdP signed in, about the questions that are theirs.

The same facts, digest and transaction as behind a link. The statement says `oidc` instead of `link`, and what the
IdP said of how it knew them (issuer, subject, acr, amr).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.attestations import refusals
from scim_bridge.attestations.answering import Answered, Said, checked_comment, take
from scim_bridge.attestations.link import token_for
from scim_bridge.attestations.model import OIDC, VERDICTS
from scim_bridge.attestations.opening import Invitation, Look, invitation, seen, still_open
from scim_bridge.attestations.passing import Passed, pass_on
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.throttle import Throttle
from scim_bridge.kernel.work import Actor
from scim_bridge.settings.attestations import AttestationSettings


@dataclass(frozen=True, slots=True)
class Question:
    """One open question to a person. Instants in microseconds."""

    id: str
    slug: str
    name: str
    asked: int
    by: str
    expires: int


async def questions(reader: Reader, person_id: str, now: int) -> list[Question]:
    """What a person is asked now, the most urgent first."""
    rows = await reader.all(
        "SELECT q.id, a.slug, r.name, q.created, q.created_by, q.expires FROM sb_attestation_request q"
        " JOIN sb_agent a ON a.id = q.agent_id JOIN sb_resource r ON r.id = q.agent_id"
        " WHERE q.person_id = ? AND q.closed IS NULL AND q.expires > ? AND r.deleted IS NULL"
        " ORDER BY q.expires, q.id",
        person_id,
        now,
    )
    return [
        Question(row["id"], row["slug"], row["name"], row["created"], row["created_by"], row["expires"])
        for row in rows
    ]


async def look_as(ctx: Context, person_id: str, request_id: str) -> Look:
    """The facts a person is asked about; LinkRefused when they are not, or not any more."""
    async with ctx.store.database.snapshot() as reader:
        request = await _theirs(reader, person_id, request_id)
        still_open(request, ctx.store.clock.now())
        return await seen(reader, request)


async def answer_as(
    ctx: Context,
    settings: AttestationSettings,
    actor: Actor,
    request_id: str,
    proof: Mapping[str, Any],
    *,
    verdict: str,
    comment: str,
    digest: str,
    drop: Sequence[str] = (),
) -> Answered:
    """Record what a signed-in person (`actor`) states, as behind a link; `proof` is what their IdP said."""
    request = await _theirs(ctx.store.reads, actor.id, request_id)
    if verdict not in VERDICTS:
        raise Invalid("verdict", f"{verdict[:40]!r} is no verdict.", f"Answer {' or '.join(VERDICTS)}.")
    said = Said(verdict, checked_comment(comment), digest, tuple(drop), OIDC, proof)
    return await ctx.store.transact(actor, lambda work: take(work, ctx, settings, request, said))


async def pass_on_as(
    ctx: Context,
    settings: AttestationSettings,
    actor: Actor,
    request_id: str,
    *,
    verdict: str,
    to: str,
    comment: str,
    digest: str,
) -> Passed:
    """Hand a question on to another person, as behind a link."""
    request = await _theirs(ctx.store.reads, actor.id, request_id)
    token = token_for(ctx.master, request.id, request.agent_id, request.person_id, request.expires)
    unused = Throttle(ctx.store.clock, 60, 60)
    return await pass_on(ctx, settings, actor, unused, token, verdict, to, comment, digest)


async def _theirs(reader: Reader, person_id: str, request_id: str) -> Invitation:
    """The request, when it asks this very person: of anybody else's one learns nothing."""
    request = await invitation(reader, request_id)
    if request is None or request.person_id != person_id:
        raise refusals.unknown()
    return request
