"""New people and agents of an import, written many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from scim_bridge.audit.record import record_all
from scim_bridge.inventory.current_agents import ORIGIN
from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.documents import agent_document, person_document
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, PersonEntry
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import new_agent, slug_taken
from scim_bridge.registry.agent_names import workload_id_taken, workload_ids_in_use
from scim_bridge.registry.arrivals import NOBODY, Arrival, arrive, in_use, pointers_to
from scim_bridge.registry.credentials import CREDENTIALS, credential_detail
from scim_bridge.registry.graves import give_up_names
from scim_bridge.registry.model import AGENT, PERSON, USER_SPACE, Derived, Doc, Pointers, fold
from scim_bridge.registry.owning import owners_named, people_named
from scim_bridge.registry.people import new_person
from scim_bridge.registry.resources import taken
from scim_bridge.registry.standing import served

T = TypeVar("T")

AT_ONCE = 500


class Taken(Exception):
    """A name of the file belongs to something else that is registered."""

    def __init__(self, kind: str, key: str, conflict: Conflict) -> None:
        super().__init__(conflict.message)
        self.kind = kind
        self.key = key
        self.conflict = conflict


async def create_people(work: Work, entries: Sequence[PersonEntry], known: Registered) -> None:
    """Add these people; `known` learns their ids. Taken when a userName is in use."""
    # Ids first: a manager may stand behind those they manage.
    for entry in entries:
        known.people[fold(entry.user_name)] = work.ids.new()
    for chunk in chunks(entries):
        used = await in_use(work, USER_SPACE, [fold(entry.user_name) for entry in chunk], (), ())
        if used[AGENT] or used[PERSON]:
            give_up_names(work, used[AGENT] | used[PERSON])
        arrivals = []
        for entry in chunk:
            if fold(entry.user_name) in used["key"]:
                raise Taken("person", entry.user_name, taken(entry.user_name, USER_SPACE))
            manager = known.people.get(fold(entry.manager))
            person_id = known.people[fold(entry.user_name)]
            made = new_person(person_id, person_document(entry, manager), entry.active, work.now)
            arrivals.append(Arrival(made, NOBODY, manager))
        arrive(work, arrivals, ORIGIN, taken=_meanwhile)


async def create_agents(work: Work, entries: Sequence[AgentEntry], known: Registered) -> None:
    """Add these agents with their credentials; `known` learns their ids. Taken when a name is in use."""
    for chunk in chunks(entries):
        names = [fold(entry.user_name) for entry in chunk]
        used = await in_use(work, USER_SPACE, names, (), [entry.slug for entry in chunk])
        if used[PERSON]:
            give_up_names(work, used[PERSON])
        documents = [_document(entry, known) for entry in chunk]
        workloads = {entry.workload_id: "" for entry in chunk if entry.workload_id}
        workloads_used = await workload_ids_in_use(work.tx, workloads)
        people = await pointers_to(work, {name for doc in documents for name in people_named(doc)})
        arrivals = []
        for entry, doc in zip(chunk, documents, strict=True):
            if fold(entry.user_name) in used["key"]:
                raise Taken("agent", entry.slug, taken(entry.user_name, USER_SPACE))
            if fold(entry.user_name) in used[AGENT]:
                raise Taken("agent", entry.slug, name_deleted(entry.user_name))
            if entry.slug in used["slug"]:
                raise Taken("agent", entry.slug, slug_taken(entry.slug))
            if entry.workload_id in workloads_used:
                raise Taken("agent", entry.slug, workload_id_taken(entry.workload_id))
            answerable = await owners_named(work, doc, {}, people)
            arrival = _arrival(work, entry, doc, answerable)
            known.agents[entry.slug] = arrival.standing.resource.id
            arrivals.append(arrival)
        arrive(work, arrivals, ORIGIN, taken=_meanwhile)
        _credentials(work, chunk, known)


def name_deleted(user_name: str) -> Conflict:
    """The refusal for the userName of an agent that was deleted and may come back."""
    return Conflict(
        "name-deleted",
        f"userName {user_name!r} names an agent that was deleted.",
        "Have the IdP create it again, which brings it back with its id and its holds; then import.",
    )


def _meanwhile() -> Conflict:
    return Conflict("name-taken", "A name of the file was taken while it was imported.", "Import it again.")


def _document(entry: AgentEntry, known: Registered) -> Doc:
    return agent_document(
        entry,
        known.people[fold(entry.owner)],
        [known.people[fold(name)] for name in entry.co_owners],
        [known.people[fold(name)] for name in entry.sponsors],
    )


def _arrival(work: Work, entry: AgentEntry, doc: Doc, answerable: Pointers) -> Arrival:
    made = new_agent(work.ids.new(), doc, answerable, entry.slug, entry.runtime_url or None, work.now)
    if entry.credentials:
        made = replace(made, derived=Derived(oldest_credential=work.now))
        made = replace(made, rendered=served(made, work.now))
    return Arrival(made, answerable)


def _credentials(work: Work, entries: Iterable[AgentEntry], known: Registered) -> None:
    rows, told = [], []
    for entry in entries:
        agent_id = known.agents[entry.slug]
        for credential in _by_place(entry.credentials).values():
            credential_id = work.ids.new()
            rows.append(
                (
                    credential_id,
                    agent_id,
                    credential.label,
                    credential.kind,
                    credential.system,
                    credential.reference,
                    "active",
                    work.now,
                    credential.expires,
                )
            )
            detail = credential_detail(agent_id, credential.label, credential.system, credential.reference)
            told.append(("credential.registered", "credential", credential_id, detail))
    work.tx.add_all(CREDENTIALS, rows)
    record_all(work, told)


def _by_place(credentials: Iterable[CredentialEntry]) -> Mapping[tuple[str, str], CredentialEntry]:
    """Credentials by where they are kept: two labels for one place are one credential, under the last."""
    return {(credential.system, credential.reference): credential for credential in credentials}


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in portions that go in one statement."""
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
