"""Agents: created, described, owned, retired. Every change re-renders the served document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_names import agent_id_named, check_workload_id
from scim_bridge.registry.model import (
    AGENT,
    AGENT_URN,
    APPLICATION,
    Attestation,
    Doc,
    Hold,
    Owners,
    Pointers,
    Resource,
    pointed,
    pointers,
    served_agent,
    written_agent,
)
from scim_bridge.registry.owning import add_owners, by_role, change_owners, owners_named
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.registry.resources import bump, bury, insert, lock, resource_of, says_the_same
from scim_bridge.registry.standing import NOTHING, Standing, attestation_of, changed, save, served, standing

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """One agent with everything that rules, pages and pushes ask about."""

    resource: Resource
    slug: str
    platform: str
    environment: str
    risk_tier: str
    workload_id: str | None
    expires_at: int | None
    runtime_url: str | None
    origin: str
    owners: Owners
    holds: tuple[Hold, ...]
    attestation: Attestation
    last_activity: int | None

    @property
    def extension(self) -> Doc:
        """The agent extension as written."""
        found = self.resource.doc.get(AGENT_URN)
        return found if isinstance(found, dict) else {}


def slug_of(user_name: str) -> str:
    """A slug from a userName: the part before the @, reduced to a-z, 0-9 and hyphens."""
    reduced = re.sub(r"[^a-z0-9]+", "-", user_name.split("@", 1)[0].casefold()).strip("-")[:64].strip("-")
    return reduced or "agent"


async def create_agent(
    work: Work,
    doc: Doc,
    *,
    origin: str,
    slug: str | None = None,
    owners: Owners | None = None,
    runtime_url: str | None = None,
) -> Resource:
    """Add an agent. `doc` is its SCIM document with userName; Conflict when that, the slug or the workloadId
    is taken.

    Without `owners`, the document's extension (owner, coOwners, sponsors) or manager names them; without
    `slug`, it is made of the userName, another one when that is taken.
    """
    made = await add_agent(work, doc, origin=origin, slug=slug, owners=owners, runtime_url=runtime_url)
    return made.resource


async def add_agent(
    work: Work,
    doc: Doc,
    *,
    origin: str,
    slug: str | None = None,
    owners: Owners | None = None,
    runtime_url: str | None = None,
) -> Standing:
    """The same, answered with how the agent stands."""
    agent_id = work.ids.new()
    if slug is None:
        slug = await free_slug(work, doc, agent_id)
    elif not SLUG.fullmatch(slug):
        raise Invalid(
            "agent-slug", f"{slug!r} is not a slug.", "Use a-z, 0-9 and hyphens, at most 64 characters."
        )
    answerable = await owners_named(work, doc, {}) if owners is None else pointers(owners)
    made = new_agent(agent_id, doc, answerable, slug, runtime_url, work.now)
    await check_workload_id(work, agent_id, workload_id_in(made.resource.doc))
    insert(work, made.resource, made.rendered)
    work.tx.later(INSERT, *agent_row(made, origin), taken=lambda: slug_taken(slug))
    add_owners(work, agent_id, answerable)
    await record(work, "agent.created", AGENT, agent_id, created(made, answerable, origin))
    return made


INSERT = (
    "INSERT INTO sb_agent (id, slug, platform, environment, risk_tier, workload_id, expires_at, runtime_url,"
    " origin, attestation_state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'none')"
)


def new_agent(
    agent_id: str, doc: Doc, answerable: Pointers, slug: str, runtime_url: str | None, now: int
) -> Standing:
    """A new agent as it is going to stand, before anything is written."""
    written = written_agent(doc, answerable)
    resource = Resource(agent_id, AGENT, str(doc["userName"]), True, 1, now, now, written)
    shown = served_agent(agent_id, written, True, NOTHING, now)
    return Standing(resource, shown, slug=slug, runtime_url=runtime_url)


def agent_row(made: Standing, origin: str) -> tuple[Any, ...]:
    """The values of a new agent's row of sb_agent."""
    return (made.resource.id, made.slug, *_columns(made.resource.doc), made.runtime_url, origin)


def created(made: Standing, answerable: Pointers, origin: str) -> Doc:
    """What the audit says of a new agent."""
    detail = {"userName": made.resource.name, "slug": made.slug, "origin": origin}
    owners = by_role(answerable)
    return {**detail, "owners": owners} if owners else detail


async def free_slug(work: Work, doc: Doc, agent_id: str) -> str:
    """A slug made of the userName that no agent has or had."""
    slug = slug_of(str(doc["userName"]))
    if await work.tx.one("SELECT 1 AS x FROM sb_agent WHERE slug = ?", slug) is not None:
        slug = f"{slug[:51]}-{agent_id[-12:]}"
    return slug


def slug_taken(slug: str) -> Conflict:
    """The refusal for a slug already in use."""
    return Conflict(
        "slug-taken", f"An agent with the slug {slug!r} exists (or existed).", "Choose another slug."
    )


def facts_in(doc: Doc) -> tuple[str, str, str]:
    """Environment, platform and risk tier as a document says them; "unknown" where it does not."""
    platform, environment, risk_tier, _, _ = _columns(doc)
    return environment, platform, risk_tier


def workload_id_in(doc: Doc) -> str | None:
    """The workload id a document says, if any."""
    return _columns(doc)[3]


def _columns(doc: Doc) -> tuple[str, str, str, str | None, int | None]:
    extension = doc.get(AGENT_URN) or {}
    expires = extension.get("expiresAt")
    return (
        str(extension.get("platform") or "unknown"),
        str(extension.get("environment") or "unknown"),
        str(extension.get("riskTier") or "unknown"),
        extension.get("workloadId") or None,
        parse_iso(expires) if expires else None,
    )


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
    columns = _columns(written)
    if columns != _columns(old):
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


async def holds_of(reader: Reader, agent_ids: Sequence[str]) -> dict[str, tuple[Hold, ...]]:
    """The open holds by agent id, oldest first."""
    found: dict[str, list[Hold]] = {agent: [] for agent in agent_ids}
    if found:
        rows = await reader.all(
            "SELECT id, agent_id, source, code, reason, release, placed, placed_by FROM sb_hold"
            f" WHERE released IS NULL AND agent_id IN ({marks(len(found))}) ORDER BY placed, id",
            *found,
        )
        for r in rows:
            hold = Hold(
                r["id"], r["source"], r["code"], r["reason"], r["release"], r["placed"], r["placed_by"]
            )
            found[r["agent_id"]].append(hold)
    return {agent: tuple(holds) for agent, holds in found.items()}


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


async def facts_of(reader: Reader, agent_ids: Sequence[str]) -> dict[str, AgentFacts]:
    """Everything about the given live agents, by id, in a fixed number of reads."""
    if not agent_ids:
        return {}
    rows = await reader.all(
        "SELECT r.id, r.kind, r.name, r.active, r.version, r.created, r.modified, r.doc, a.slug, a.platform,"
        " a.environment, a.risk_tier, a.workload_id, a.expires_at, a.runtime_url, a.origin, a.attestation_state,"
        " a.attestation_id, a.attested_by, a.attested_at, a.attested_until, a.last_activity"
        " FROM sb_resource r JOIN sb_agent a ON a.id = r.id"
        f" WHERE r.deleted IS NULL AND r.id IN ({marks(len(agent_ids))})",
        *agent_ids,
    )
    owners = await owners_of(reader, agent_ids)
    holds = await holds_of(reader, agent_ids)
    return {
        row["id"]: AgentFacts(
            resource_of(row),
            row["slug"],
            row["platform"],
            row["environment"],
            row["risk_tier"],
            row["workload_id"],
            row["expires_at"],
            row["runtime_url"],
            row["origin"],
            owners[row["id"]],
            holds[row["id"]],
            attestation_of(row),
            row["last_activity"],
        )
        for row in rows
    }


async def find_agent(reader: Reader, name: str) -> AgentFacts | None:
    """The live agent with this id, slug, userName or workload id, as a decision finds it."""
    agent_id = await agent_id_named(reader, name)
    return None if agent_id is None else (await facts_of(reader, [agent_id])).get(agent_id)


async def agent_ids(reader: Reader, *, after: str = "", limit: int = 500) -> list[str]:
    """A page of live agent ids in id order, after the given one."""
    rows = await reader.all(
        "SELECT id FROM sb_resource WHERE kind = 'agent' AND deleted IS NULL AND id > ? ORDER BY id LIMIT ?",
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def all_agents(reader: Reader) -> list[AgentFacts]:
    """Every live agent, read page by page."""
    found: list[AgentFacts] = []
    after = ""
    while page := await agent_ids(reader, after=after):
        facts = await facts_of(reader, page)
        found.extend(facts[agent] for agent in page if agent in facts)
        after = page[-1]
    return found
