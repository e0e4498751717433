"""Opening a link: whose it is, whether it still opens, and the facts behind it as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from scim_bridge.attestations import refusals
from scim_bridge.attestations.facts import facts_now
from scim_bridge.attestations.link import genuine, read_token
from scim_bridge.attestations.model import (
    DELEGATED,
    SUCCESSOR,
    Difference,
    Facts,
    differences,
    digest_of,
    role_of,
)
from scim_bridge.attestations.refusals import LinkRefused
from scim_bridge.audit.record import record_refusal
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import AGENT, OWNER, Owners, PersonRef
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.recommendations import DROP, recommended


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody with a link sees. `changed` is since the last statement; `before` its instant."""

    request_id: str
    agent: AgentFacts
    person: PersonRef
    role: str
    expires: int
    facts: Facts
    digest: str
    before: int | None
    changed: tuple[Difference, ...]
    # Who handed the agent over, when this person's confirmation takes it.
    taken_from: str | None = None
    # Why it is advised to leave a group, by the group's id: shown beside the facts, and none of them.
    advised: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Invitation:
    """One person asked about one agent, as stored."""

    id: str
    agent_id: str
    person_id: str
    expires: int
    closed: int | None
    why: str
    passed_by: str | None = None
    transfer: bool = False


async def invitation(reader: Reader, request_id: str, lock: str = "") -> Invitation | None:
    """The request with this id, locked when `lock` says so."""
    row = await reader.one(
        "SELECT id, agent_id, person_id, expires, closed, closed_why, passed_by, transfer"
        f" FROM sb_attestation_request WHERE id = ?{lock}",
        request_id,
    )
    if row is None:
        return None
    return Invitation(
        row["id"],
        row["agent_id"],
        row["person_id"],
        row["expires"],
        row["closed"],
        row["closed_why"] or "",
        row["passed_by"],
        bool(row["transfer"]),
    )


async def presented(ctx: Context, token: str) -> Invitation:
    """The request a token belongs to; LinkRefused when it is not one of ours."""
    parts = read_token(token)
    if parts is None:
        raise refusals.unknown()
    request = await invitation(ctx.store.reads, parts.request_id)
    if request is None:
        raise refusals.unknown()
    if not genuine(ctx.master, parts, request.agent_id, request.person_id):
        raise refusals.forged()
    return request


def still_open(request: Invitation, now: int) -> None:
    """LinkRefused when it was answered, replaced, or its time is over."""
    if request.closed is not None:
        raise refusals.closed(request.why)
    if request.expires <= now:
        raise refusals.expired()


async def seen(reader: Reader, request: Invitation) -> Look:
    """The facts as they are now; LinkRefused when the agent is gone or the person no longer answers for it."""
    found = await facts_now(reader, request.agent_id)
    if found is None:
        raise refusals.agent_gone()
    agent, facts = found
    person = (await people(reader, [request.person_id])).get(request.person_id)
    role = role_in(agent.owners, request)
    if role is None or person is None or not person.active:
        raise refusals.not_answerable()
    last = await reader.one(
        "SELECT at, facts FROM sb_attestation WHERE agent_id = ? ORDER BY at DESC, id DESC LIMIT 1",
        request.agent_id,
    )
    changed = () if last is None else tuple(differences(orjson.loads(last["facts"]), facts))
    return Look(
        request.id,
        agent,
        person,
        role,
        request.expires,
        facts,
        digest_of(facts),
        None if last is None else last["at"],
        changed,
        request.passed_by if role == SUCCESSOR else None,
        {
            each.advice.group_id: each.advice.why
            for each in await recommended(reader, request.agent_id)
            if each.advice.kind == DROP
        },
    )


def role_in(owners: Owners, request: Invitation) -> str | None:
    """As what a person answers: their own role, else what somebody who has one made them; None when neither."""
    own = role_of(owners, request.person_id)
    # Whoever takes an agent over answers as its successor, whatever they were for it before.
    passing = None if request.passed_by is None else role_of(owners, request.passed_by)
    if request.transfer:
        return SUCCESSOR if passing == OWNER else own
    if own is None and passing is not None:
        return DELEGATED
    return own


async def look(ctx: Context, visitor: Actor, refused: Throttle, token: str) -> Look:
    """Open a link: the facts as they are now. Changes nothing, so mail scanners may look too.

    LinkRefused (404, 403, 410) when it does not open; kept in the audit log under `visitor`, up to
    `refused` of one address, TooManyRequests beyond. A genuine link opens however many others did not.
    """
    request: Invitation | None = None
    try:
        request = await presented(ctx, token)
        still_open(request, ctx.store.clock.now())
        async with ctx.store.database.snapshot() as reader:
            return await seen(reader, request)
    except LinkRefused as error:
        await keep_refusal(ctx, visitor, refused, request, error)
        raise


async def keep_refusal(
    ctx: Context, visitor: Actor, refused: Throttle, request: Invitation | None, error: LinkRefused
) -> None:
    """Keep a refusal. Who held a forged link is not known, whatever it says."""
    address = visitor.address or ""
    wait = refused.wait(address)
    if wait is not None:
        raise TooManyRequests(
            "too-many-refused-links",
            "Too many links from here did not open.",
            "Wait a few minutes, then open the newest message.",
            retry_after=wait,
        ) from error
    refused.count(address)
    detail = {"code": error.code}
    if request is not None:
        detail |= {"request": request.id, "for": request.person_id}
    agent_id = request.agent_id if request is not None else None
    await record_refusal(ctx.store, visitor, "attestation.link_refused", AGENT, agent_id, detail)
