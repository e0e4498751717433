"""Everything that rules, pages and pushes ask about agents, read in a fixed number of reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agent_names import agent_id_named
from scim_bridge.registry.model import AGENT_URN, Attestation, Doc, Hold, Owners, Resource
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.registry.resources import resource_of
from scim_bridge.registry.standing import attestation_of


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
