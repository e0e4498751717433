"""What is registered of all that a manifest speaks of, read back in the manifest's own values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.inventory.current_inventory import CurrentInventory
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, GroupEntry, Manifest, PersonEntry
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.model import (
    ENTERPRISE_URN,
    GROUP_EXTENSION_URN,
    PERSON,
    Doc,
    fold,
    primary_email,
)
from scim_bridge.registry.people_refs import people as people_by_id

ORIGIN = "manifest"
CHUNK = 400


@dataclass(slots=True)
class Registered:
    """The registered part of an import: values for the diff, and ids and documents to change.

    People and groups are keyed by folded name, agents by slug; `names` are userNames and e-mails
    that lead to exactly one person.
    """

    inventory: CurrentInventory = field(default_factory=CurrentInventory)
    people: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    documents: dict[str, Doc] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)


async def registered(reader: Reader, manifest: Manifest) -> Registered:
    """Read what the registry knows of the people, groups and agents a manifest names.

    When the manifest has a list of agents, those an earlier one named are there too, by slug alone.
    """
    found = Registered()
    slugs = {agent.slug for agent in manifest.agents} | {s for g in manifest.groups for s in g.members}
    agents = await _agents(reader, slugs, found)
    absent = await _absent(reader, slugs) if "agents" in manifest.sections else {}
    people, aliases = await _people(reader, manifest, found)
    groups = await _groups(reader, manifest, found)
    memberships, assigned = await _memberships(reader, found)
    found.inventory = CurrentInventory(people, groups, {**agents, **absent}, memberships, assigned, aliases)
    return found


async def registered_agents(reader: Reader, agents: Sequence[AgentEntry]) -> Registered:
    """The same for agents alone, whose people are named by userName: of those only the ids are read."""
    found = Registered()
    known = await _agents(reader, {agent.slug for agent in agents}, found)
    spelt = await user_names(reader, references(Manifest(agents=tuple(agents))), found)
    memberships, assigned = await _memberships(reader, found)
    found.inventory = CurrentInventory({}, {}, known, memberships, assigned, spelt)
    return found


async def user_names(reader: Reader, wanted: Iterable[str], found: Registered) -> dict[str, str]:
    """userNames as they are spelt, by folded userName; `found` learns ids, names and who has left."""
    spelt: dict[str, str] = {}
    for row in await _by_user_name(reader, wanted, "id, name, active"):
        spelt[row["key"]] = row["name"]
        found.people[row["key"]] = row["id"]
        found.names.add(row["key"])
        if not row["active"]:
            found.left.add(row["key"])
    return spelt


async def _by_user_name(reader: Reader, wanted: Iterable[str], columns: str) -> list[Any]:
    """Rows of the live people with these folded userNames: key, kind and these columns."""
    rows: list[Any] = []
    for chunk in _chunks(sorted(wanted)):
        rows += await reader.all(
            f"SELECT key, kind, {columns} FROM sb_resource"
            f" WHERE space = 'user' AND key {among(reader.backend)} AND deleted IS NULL",
            listed(reader.backend, chunk),
        )
    return [row for row in rows if row["kind"] == PERSON]


def references(manifest: Manifest) -> set[str]:
    """Every name of a person in the manifest, folded."""
    names = {name for person in manifest.people for name in (person.user_name, person.manager)}
    names |= {group.owner for group in manifest.groups}
    for agent in manifest.agents:
        names |= {agent.owner, *agent.co_owners, *agent.sponsors}
    return {fold(name) for name in names if name}


async def _people(
    reader: Reader, manifest: Manifest, found: Registered
) -> tuple[dict[str, PersonEntry], dict[str, str]]:
    """The people the file names, and the userNames behind the e-mail addresses it names them by."""
    wanted = references(manifest)
    rows = {row["id"]: row for row in await _by_user_name(reader, wanted, "id, name, active, doc")}
    found.names |= {row["key"] for row in rows.values()}
    aliases: dict[str, str] = {}
    for address, row in (await by_email(reader, wanted - found.names)).items():
        rows[row["id"]] = row
        aliases[address] = row["name"]
        found.names.add(address)
    documents = {row["id"]: orjson.loads(row["doc"]) for row in rows.values()}
    managers = await _user_names(reader, found, (_manager(doc) for doc in documents.values()))
    entries = {}
    for person_id, row in rows.items():
        doc = documents[person_id]
        entries[row["name"]] = _person(row, doc, managers.get(_manager(doc) or "", ""))
        found.people[fold(row["name"])] = person_id
        found.documents[person_id] = doc
        if not row["active"]:
            found.left.add(fold(row["name"]))
    return entries, aliases


async def _user_names(reader: Reader, found: Registered, ids: Iterable[str | None]) -> dict[str, str]:
    """userName by id, for those that are live people; `found` learns them too."""
    names: dict[str, str] = {}
    for chunk in _chunks(sorted({person for person in ids if person})):
        for person, reference in (await people_by_id(reader, chunk)).items():
            names[person] = reference.user_name
            found.people[fold(reference.user_name)] = person
    return names


# What is looked for leads to what is read of it, in a statement of its own, and kinds are told apart here:
# a planner that knows nothing of the rows yet would begin a join at the kind, or at what is not deleted,
# and read everybody there is; PostgreSQL keeps such a plan while the table grows.
async def by_email(reader: Reader, addresses: Iterable[str]) -> dict[str, Any]:
    """The person behind each (folded) address that only one person has, as a row of sb_resource."""
    found: dict[str, list[Any]] = {}
    for chunk in _chunks(sorted(addresses)):
        attributes = await reader.all(
            f"SELECT key, resource_id FROM sb_attr WHERE name = 'emails.value' AND key {among(reader.backend)}",
            listed(reader.backend, chunk),
        )
        rows = await _live(reader, {row["resource_id"] for row in attributes}, "name, key, kind, active, doc")
        for attribute in attributes:
            row = rows.get(attribute["resource_id"])
            if row is not None and row["kind"] == PERSON:
                found.setdefault(attribute["key"], []).append(row)
    return {address: rows[0] for address, rows in found.items() if len(rows) == 1}


async def _live(reader: Reader, ids: Iterable[str], columns: str) -> dict[str, Any]:
    """Rows of live resources by id."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    rows = await reader.all(
        f"SELECT id, {columns} FROM sb_resource WHERE id {among(reader.backend)} AND deleted IS NULL",
        listed(reader.backend, wanted),
    )
    return {row["id"]: row for row in rows}


def _manager(doc: Doc) -> str | None:
    manager = (doc.get(ENTERPRISE_URN) or {}).get("manager")
    value = manager.get("value") if isinstance(manager, dict) else manager
    return value if isinstance(value, str) and value else None


def _person(row: Any, doc: Doc, manager: str) -> PersonEntry:
    name = doc.get("name") or {}
    return PersonEntry(
        user_name=row["name"],
        given_name=name.get("givenName") or "",
        family_name=name.get("familyName") or "",
        email=primary_email(doc),
        department=(doc.get(ENTERPRISE_URN) or {}).get("department") or "",
        display_name=doc.get("displayName") or "",
        title=doc.get("title") or "",
        manager=manager,
        active=bool(row["active"]),
        timezone=doc.get("timezone") or "",
    )


async def _groups(reader: Reader, manifest: Manifest, found: Registered) -> dict[str, GroupEntry]:
    wanted = {fold(group.name) for group in manifest.groups}
    wanted |= {fold(name) for agent in manifest.agents for name in agent.groups}
    rows: list[Any] = []
    for chunk in _chunks(sorted(wanted)):
        rows += await reader.all(
            "SELECT id, name, doc FROM sb_resource WHERE space = 'group' AND deleted IS NULL"
            f" AND key IN ({marks(len(chunk))})",
            *chunk,
        )
    extensions: dict[str, Doc] = {}
    for row in rows:
        doc = orjson.loads(row["doc"])
        extensions[row["name"]] = doc.get(GROUP_EXTENSION_URN) or {}
        found.groups[fold(row["name"])] = row["id"]
        found.documents[row["id"]] = doc
    ids = {name: str((ext.get("owner") or {}).get("value") or "") for name, ext in extensions.items()}
    owners = await _user_names(reader, found, ids.values())
    return {
        name: GroupEntry(
            name=name,
            description=extension.get("description") or "",
            owner=owners.get(ids[name], ""),
            kind=extension.get("kind") or "",
        )
        for name, extension in extensions.items()
    }


async def live_agents(reader: Reader, slugs: Iterable[str]) -> dict[str, str]:
    """The ids of live agents by slug."""
    found: dict[str, str] = {}
    for chunk in _chunks(sorted(slugs)):
        rows = await reader.all(
            f"SELECT slug, id FROM sb_agent WHERE slug {among(reader.backend)}", listed(reader.backend, chunk)
        )
        live = await _live(reader, (row["id"] for row in rows), "kind")
        found.update({row["slug"]: row["id"] for row in rows if row["id"] in live})
    return found


async def live_groups(reader: Reader, names: Iterable[str]) -> dict[str, str]:
    """The ids of live groups by folded name."""
    found: dict[str, str] = {}
    for chunk in _chunks(sorted(names)):
        for row in await reader.all(
            "SELECT id, key FROM sb_resource"
            f" WHERE space = 'group' AND key {among(reader.backend)} AND deleted IS NULL",
            listed(reader.backend, chunk),
        ):
            found[row["key"]] = row["id"]
    return found


async def _absent(reader: Reader, present: set[str]) -> dict[str, AgentEntry]:
    """Agents an earlier file named and this one does not: reported by slug only, so nothing else is read."""
    rows = await reader.all(
        "SELECT a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id"
        " WHERE r.deleted IS NULL AND a.origin = ?",
        ORIGIN,
    )
    slugs = (row["slug"] for row in rows if row["slug"] not in present)
    return {slug: AgentEntry(slug, "", "", "", "", "", "") for slug in slugs}


async def _agents(reader: Reader, slugs: set[str], found: Registered) -> dict[str, AgentEntry]:
    """The agents with these slugs that there are."""
    found.agents = await live_agents(reader, slugs)
    known = {}
    for chunk in _chunks(sorted(found.agents.values())):
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


async def _memberships(
    reader: Reader, found: Registered
) -> tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]:
    """Memberships of the agents in question, and which of them a connection placed."""
    slugs = {agent_id: slug for slug, agent_id in found.agents.items()}
    pairs: set[tuple[str, str]] = set()
    assigned: set[tuple[str, str]] = set()
    connections = {row["name"] for row in await reader.all("SELECT name FROM sb_connection")}
    for chunk in _chunks(sorted(slugs)):
        members = await reader.all(
            f"SELECT group_id, member_id, added_by, until FROM sb_member WHERE member_id {among(reader.backend)}",
            listed(reader.backend, chunk),
        )
        groups = await _live(reader, {row["group_id"] for row in members}, "name")
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


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
