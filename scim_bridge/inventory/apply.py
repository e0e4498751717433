"""Writing an import's diff through the registry's use cases, inside the import's one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from scim_bridge.audit.record import record
from scim_bridge.inventory.creating import Taken, create_agents, create_people
from scim_bridge.inventory.current_agents import ORIGIN
from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.documents import agent_document, group_document, person_document
from scim_bridge.inventory.import_diff import Create, ImportDiff, Membership, Update
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, GroupEntry, PersonEntry
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import refresh_agent, update_agent
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.groups import add_members, create_group, remove_members, update_group
from scim_bridge.registry.model import AGENT, fold
from scim_bridge.registry.people import update_person


async def apply(work: Work, found: ImportDiff, known: Registered) -> None:
    """Make the registry what the diff says. `known` learns the ids of what is created.

    Taken when a name is in use by something the file does not speak of; the caller's transaction
    then rolls everything back.
    """
    entries = [made.entry for made in found.creates]
    await create_people(work, [entry for entry in entries if isinstance(entry, PersonEntry)], known)
    for made in found.creates:
        if isinstance(made.entry, GroupEntry):
            await _one(work, made, known)
    await create_agents(work, [entry for entry in entries if isinstance(entry, AgentEntry)], known)
    for update in found.updates:
        await _one(work, update, known)
    await _memberships(work, found.joins, found.leaves, known)


async def _one(work: Work, change: Create | Update, known: Registered) -> None:
    try:
        if isinstance(change.entry, PersonEntry):
            await _person(work, change.key, change.entry, known)
        elif isinstance(change.entry, GroupEntry):
            await _group(work, change.key, change.entry, known)
        elif isinstance(change, Update):
            await _changed_agent(work, change.entry, change, known)
    except Conflict as conflict:
        raise Taken(change.kind, change.key, conflict) from conflict


async def _person(work: Work, key: str, entry: PersonEntry, known: Registered) -> None:
    manager = known.people.get(fold(entry.manager))
    person_id = known.people[fold(key)]
    await update_person(
        work, person_id, person_document(entry, manager, known.documents[person_id]), entry.active
    )


async def _group(work: Work, key: str, entry: GroupEntry, known: Registered) -> None:
    owner = known.people.get(fold(entry.owner))
    group_id = known.groups.get(fold(key))
    if group_id is None:
        made = await create_group(work, group_document(entry, owner), origin=ORIGIN)
        known.groups[fold(key)] = made.id
        return
    await update_group(work, group_id, group_document(entry, owner, known.documents[group_id]))


async def _changed_agent(work: Work, entry: AgentEntry, update: Update, known: Registered) -> None:
    agent_id = known.agents[entry.slug]
    fields = {change.field for change in update.changes}
    await update_agent(work, agent_id, _document(entry, known, agent_id))
    if "runtime" in fields:
        await work.tx.run(
            "UPDATE sb_agent SET runtime_url = ? WHERE id = ?", entry.runtime_url or None, agent_id
        )
        await record(work, "agent.runtime_changed", AGENT, agent_id, {"url": entry.runtime_url})
    changed = [c for c in entry.credentials if f"credentials[{c.label}]" in fields]
    await _credentials(work, agent_id, changed)
    if "owner" in fields:
        await outward.tell_runtime(work, agent_id, entry.slug, "agent.owner_changed", "manifest imported")


def _document(entry: AgentEntry, known: Registered, agent_id: str = "") -> dict[str, object]:
    return agent_document(
        entry,
        known.people[fold(entry.owner)],
        [known.people[fold(name)] for name in entry.co_owners],
        [known.people[fold(name)] for name in entry.sponsors],
        known.documents.get(agent_id),
    )


async def _credentials(work: Work, agent_id: str, entries: Iterable[CredentialEntry]) -> None:
    """Register credentials, or correct what is known of one at the same place."""
    touched = False
    for entry in entries:
        touched = True
        new = await register_credential(
            work,
            agent_id,
            label=entry.label,
            kind=entry.kind,
            system=entry.system,
            reference=entry.reference,
            expires=entry.expires,
        )
        if new:
            continue
        await work.tx.run(
            "UPDATE sb_credential SET label = ?, kind = ?, expires = ?"
            " WHERE agent_id = ? AND system = ? AND reference = ?",
            entry.label,
            entry.kind,
            entry.expires,
            agent_id,
            entry.system,
            entry.reference,
        )
        detail = {"label": entry.label, "system": entry.system, "reference": entry.reference}
        await record(work, "credential.described", AGENT, agent_id, detail)
    if touched:
        await refresh_agent(work, agent_id)


async def _memberships(
    work: Work, joins: Iterable[Membership], leaves: Iterable[Membership], known: Registered
) -> None:
    """Joins and leaves, group by group, so that each group changes its version once."""
    joining: dict[str, list[tuple[str, str | None]]] = {}
    for joined in joins:
        members = joining.setdefault(known.groups[fold(joined.group)], [])
        members.append((known.agents[joined.agent], joined.agent))
    for group_id, members in joining.items():
        await add_members(work, group_id, members)
    leaving: dict[str, list[str]] = {}
    for left in leaves:
        leaving.setdefault(known.groups[fold(left.group)], []).append(known.agents[left.agent])
    for group_id, gone in leaving.items():
        await remove_members(work, group_id, gone)
