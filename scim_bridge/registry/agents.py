"""Agents changed: described, owned, attested, retired. Every change re-renders the served document."""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_columns import columns_in, workload_id_in
from scim_bridge.registry.agent_names import check_workload_id
from scim_bridge.registry.model import (
    AGENT,
    APPLICATION,
    Attestation,
    Doc,
    Owners,
    pointed,
    pointers,
    written_agent,
)
from scim_bridge.registry.owning import change_owners, owners_named
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.registry.resources import bump, bury, lock, says_the_same
from scim_bridge.registry.standing import Standing, changed, save, served, standing


async def update_agent(work: Work, agent_id: str, doc: Doc, *, why: str = "agent.updated") -> bool:
    """Replace an agent's document (owners included); False when nothing changed."""
    before = await standing(work, agent_id, AGENT)
    after = await described(work, before, doc, why=why)
    if after is not before:
        save(work, before, after)
    return after is not before


async def described(work: Work, before: Standing, doc: Doc, *, why: str = "agent.updated") -> Standing:
    """The agent with another document, to be saved; the same one when nothing changes.

    What is kept beside the document (owners, the columns rules ask for) is written here.
    """
    old, agent_id = before.resource.doc, before.resource.id
    answerable = await owners_named(work, doc, old)
    await change_owners(work, agent_id, pointed(old), answerable)
    written = written_agent(doc, answerable)
    if written == old:
        work.bookkeeping("the agent is already as asked")
        return before
    columns = columns_in(written)
    if columns != columns_in(old):
        if workload_id_in(written) != workload_id_in(old):
            await check_workload_id(work, agent_id, workload_id_in(written))
        work.tx.later(
            "UPDATE sb_agent SET platform = ?, environment = ?, risk_tier = ?, workload_id = ?, expires_at = ?"
            " WHERE id = ?",
            *columns,
            agent_id,
        )
    names = sorted(key for key in {*written, *old} if written.get(key) != old.get(key))
    await record(work, why, AGENT, agent_id, {"attributes": names})
    return changed(before, doc=written)


async def set_owners(work: Work, agent_id: str, owners: Owners) -> bool:
    """Make exactly these people answerable; False when they already are. Audited with old and new."""
    before = await standing(work, agent_id, AGENT)
    answerable = pointers(owners)
    if not await change_owners(work, agent_id, pointed(before.resource.doc), answerable):
        return False
    save(work, before, changed(before, doc=written_agent(before.resource.doc, answerable)))
    return True


async def refresh_agent(work: Work, agent_id: str) -> bool:
    """Re-render an agent after its holds, people, attestation or credentials changed."""
    before = await standing(work, agent_id, AGENT)
    return await _refreshed(work, before, before.resource.doc)


async def refresh(work: Work, agent_id: str, doc: Doc) -> bool:
    """Write `doc` with everything derived from rows beside it; True when the version rose."""
    return await _refreshed(work, await standing(work, agent_id, AGENT), doc)


async def _refreshed(work: Work, before: Standing, doc: Doc) -> bool:
    agent_id = before.resource.id
    answerable = pointers((await owners_of(work.tx, [agent_id]))[agent_id])
    after = changed(before, doc=written_agent(doc, answerable))
    if after.resource == before.resource and says_the_same(before.rendered, served(after, work.now)):
        return False
    save(work, before, after)
    return True


async def set_attestation(work: Work, agent_id: str, attestation: Attestation) -> None:
    """Record the state of the owner's statement on the agent (the caller writes the audit row)."""
    work.tx.later(
        "UPDATE sb_agent SET attestation_state = ?, attestation_id = ?, attested_by = ?, attested_at = ?,"
        " attested_until = ? WHERE id = ?",
        attestation.state,
        attestation.id,
        attestation.by,
        attestation.at,
        attestation.until,
        agent_id,
    )
    await refresh_agent(work, agent_id)


async def delete_agent(work: Work, agent_id: str, reason: str) -> None:
    """Retire an agent for good: every decision denies, its memberships end, its credentials are revoked."""
    await lock(work, agent_id)
    agent = await standing(work, agent_id, AGENT)
    await outward.call_runtime(work, agent, "agent.stop", reason)
    if agent.derived.oldest_credential is not None:
        for credential in await work.tx.all(
            "SELECT * FROM sb_credential WHERE agent_id = ? AND state IN ('active', 'inactive')", agent_id
        ):
            fields: Any = credential
            await outward.revoke_credential(work, fields, agent.slug, reason, every=True)
        work.tx.later(
            "UPDATE sb_credential SET state = 'revoking' WHERE agent_id = ? AND state IN ('active', 'inactive')",
            agent_id,
        )
    work.tx.later("DELETE FROM sb_member WHERE member_id = ?", agent_id)
    await _leave_applications(work, agent_id)
    await outward.push_to_idps(work, agent_id, reason, stop=True)
    bury(work, agent.resource)
    detail = {"userName": agent.resource.name, "reason": reason}
    await record(work, "agent.deleted", AGENT, agent_id, detail)


async def _leave_applications(work: Work, agent_id: str) -> None:
    """The applications the agent is in are without it, and of another version."""
    rows = await work.tx.all(
        "DELETE FROM sb_application_agent WHERE agent_id = ? RETURNING application_id", agent_id
    )
    for application in sorted(row["application_id"] for row in rows):
        bump(work, application, APPLICATION)
