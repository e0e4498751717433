"""What is registered of the agents a manifest names: facts, credentials and memberships."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.live_rows import chunks, live_rows
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.model import fold

ORIGIN = "manifest"


async def live_agents(reader: Reader, slugs: Iterable[str]) -> dict[str, str]:
    """The ids of live agents by slug."""
    found: dict[str, str] = {}
    for chunk in chunks(sorted(slugs)):
        rows = await reader.all(
            f"SELECT slug, id FROM sb_agent WHERE slug {among(reader.backend)}", listed(reader.backend, chunk)
        )
        live = await live_rows(reader, (row["id"] for row in rows), "kind")
        found.update({row["slug"]: row["id"] for row in rows if row["id"] in live})
    return found


async def absent_agents(reader: Reader, present: set[str]) -> dict[str, AgentEntry]:
    """Agents an earlier file named and this one does not: reported by slug only, so nothing else is read."""
    rows = await reader.all(
        "SELECT a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id"
        " WHERE r.deleted IS NULL AND a.origin = ?",
        ORIGIN,
    )
    slugs = (row["slug"] for row in rows if row["slug"] not in present)
    return {slug: AgentEntry(slug, "", "", "", "", "", "") for slug in slugs}


async def current_agents(reader: Reader, slugs: set[str], found: Registered) -> dict[str, AgentEntry]:
    """The agents with these slugs that there are."""
    found.agents = await live_agents(reader, slugs)
    known = {}
    for chunk in chunks(sorted(found.agents.values())):
        credentials = await _credentials(reader, chunk)
        for agent_id, facts in (await facts_of(reader, chunk)).items():
            known[facts.slug] = _agent(facts, credentials.get(agent_id, ()))
            found.documents[agent_id] = facts.resource.doc
            answerable = (facts.owners.owner, *facts.owners.co_owners, *facts.owners.sponsors)
            found.people.update({fold(person.user_name): person.id for person in answerable if person})
    return known


async def _credentials(reader: Reader, agent_ids: Sequence[str]) -> dict[str, tuple[CredentialEntry, ...]]:
    """The newest credential of each label; revoked ones too, so that none of them comes back."""
    found: dict[str, dict[str, CredentialEntry]] = {}
    for row in await reader.all(
        f"SELECT * FROM sb_credential WHERE agent_id IN ({marks(len(agent_ids))}) ORDER BY created, id",
        *agent_ids,
    ):
        entry = CredentialEntry(row["label"], row["system"], row["kind"], row["reference"], row["expires"])
        found.setdefault(row["agent_id"], {})[row["label"]] = entry
    return {agent_id: tuple(by_label.values()) for agent_id, by_label in found.items()}


def _agent(facts: AgentFacts, credentials: Sequence[CredentialEntry]) -> AgentEntry:
    extension = facts.extension
    return AgentEntry(
        slug=facts.slug,
        name=str(facts.resource.doc.get("displayName") or ""),
        purpose=str(extension.get("purpose") or ""),
        platform=str(extension.get("platform") or ""),
        environment=str(extension.get("environment") or ""),
        risk_tier=str(extension.get("riskTier") or ""),
        owner=facts.owners.owner.user_name if facts.owners.owner is not None else "",
        model=str(extension.get("model") or ""),
        version=str(extension.get("version") or ""),
        co_owners=tuple(person.user_name for person in facts.owners.co_owners),
        sponsors=tuple(person.user_name for person in facts.owners.sponsors),
        tools=tuple(extension.get("tools") or ()),
        resources=tuple(extension.get("resources") or ()),
        credentials=tuple(credentials),
        workload_id=facts.workload_id or "",
        expires=facts.expires_at,
        runtime_url=facts.runtime_url or "",
        user_name=facts.resource.name,
    )


async def current_memberships(
    reader: Reader, found: Registered
) -> tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]:
    """Memberships of the agents in question, and which of them a connection placed."""
    slugs = {agent_id: slug for slug, agent_id in found.agents.items()}
    pairs: set[tuple[str, str]] = set()
    assigned: set[tuple[str, str]] = set()
    connections = {row["name"] for row in await reader.all("SELECT name FROM sb_connection")}
    for chunk in chunks(sorted(slugs)):
        members = await reader.all(
            f"SELECT group_id, member_id, added_by, until FROM sb_member WHERE member_id {among(reader.backend)}",
            listed(reader.backend, chunk),
        )
        groups = await live_rows(reader, {row["group_id"] for row in members}, "name")
        for row in members:
            if row["group_id"] not in groups:
                continue
            name = groups[row["group_id"]]["name"]
            pair = (name, slugs[row["member_id"]])
            pairs.add(pair)
            found.groups[fold(name)] = row["group_id"]
            # What was granted for a time is not the manifest's either.
            if row["added_by"] in connections or row["until"] is not None:
                assigned.add(pair)
    return frozenset(pairs), frozenset(assigned)
