"""Looking into decisions of an IdP's access reviews: the review is read there, and what stands there is passed on.

As with people no event is believed. Who decided must be a person known for certain, and what is under review
an agent of ours by our own mark on it and its login, or by the id the connection gave it.
"""

from __future__ import annotations

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry.certification import Certification, Certified, RemoteReview
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import AGENT, fold
from scim_bridge.registry.news import RemotePerson
from scim_bridge.registry.resources import find
from scim_bridge.registry.scope import parse_scope
from scim_bridge.signals.idp.whom import Meant, whom

UNDECIDED = "nobody decided yet"
NO_AGENT = "it is about no agent of ours"


async def act_on(
    work: Work, connection: Connection, review: RemoteReview, reviewer: RemotePerson, certified: Certified
) -> str:
    """Have a decision taken; what came of it. Nothing follows where agent or person is not known for certain."""
    work.bookkeeping("a review that nothing follows from")
    if not review.decision:
        return UNDECIDED
    agent_id = await agent_meant(work.tx, connection, review)
    if agent_id is None:
        return NO_AGENT
    known = await work.tx.one(
        "SELECT person_id FROM sb_remote_person WHERE connection_id = ? AND remote_id = ?",
        connection.id,
        reviewer.remote_id,
    )
    meant: Meant = await whom(work.tx, connection, reviewer, None if known is None else known["person_id"])
    if meant.person_id is None:
        detail = {"review": review.review, "decision": review.decision, "why": meant.how}
        await record(
            work,
            "certification.unmatched",
            AGENT,
            agent_id,
            detail,
            outcome="failed",
            connection_id=connection.id,
        )
        return f"who decided is not known here: {meant.how}"
    told = Certification(connection.id, connection.name, agent_id, meant.person_id, review)
    return await certified(work, told)


async def agent_meant(reader: Reader, connection: Connection, review: RemoteReview) -> str | None:
    """The live agent under review, when this connection is told of it; None otherwise."""
    found = await find(reader, review.agent_mark) if review.agent_mark else None
    if found is None or fold(found.name) != fold(review.agent_login):
        row = await reader.one(
            "SELECT resource_id FROM sb_external WHERE connection_id = ? AND space = 'user' AND external_id = ?",
            connection.id,
            review.agent_remote,
        )
        found = None if row is None else await find(reader, row["resource_id"])
    if found is None or found.kind != AGENT:
        return None
    condition, values = parse_scope(str(connection.settings.get("scope") or "")).also("r")
    seen = await reader.one(f"SELECT 1 AS x FROM sb_resource r WHERE r.id = ?{condition}", found.id, *values)
    return None if seen is None else found.id
