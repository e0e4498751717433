"""Who answers for an agent: named in documents, kept as rows, in step with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from scim_bridge.audit.record import record
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import (
    AGENT,
    AGENT_URN,
    ENTERPRISE_URN,
    Doc,
    PersonRef,
    Pointers,
    each_once,
    pointed,
    pointer,
)
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import keep

INSERT = "INSERT INTO sb_owner (agent_id, role, person_id, rank, since) VALUES (?, ?, ?, ?, ?)"


_INACTIVE = "owners:inactive"


def inactive_named(work: Work) -> frozenset[str]:
    """The ids of people who were named for agents in this transaction, and are not active."""
    found: frozenset[str] = work.memo.get(_INACTIVE, frozenset())
    return found


class _People(NamedTuple):
    """Pointers by id: those handed over, and those of this agent, which go first."""

    given: Mapping[str, Doc]
    own: dict[str, Doc]


async def owners_named(
    work: Work, doc: Doc, before: Doc, known_people: Mapping[str, Doc] | None = None
) -> Pointers:
    """Who the document says answers for the agent, `before` being what it replaces. Unknown people are refused.

    `known_people` are pointers by id that need not be looked up.

    The enterprise manager speaks for the owner when only it changed (Entra can map no other reference).
    """
    current = pointed(before)
    extension = doc.get(AGENT_URN) or {}
    owner = _value(extension.get("owner"))
    manager = _value((doc.get(ENTERPRISE_URN) or {}).get("manager"))
    known = _value(current.owner)
    if owner == known and manager != _value((before.get(ENTERPRISE_URN) or {}).get("manager")):
        owner = manager
    # Not copied: there are hundreds of them, and an agent names one or two.
    people = _People(known_people or {}, {person["value"]: person for person in _everybody(current)})
    return Pointers(
        current.owner if owner == known else await _pointer(work, people, owner, "owner"),
        await _each(work, people, extension, "coOwners"),
        await _each(work, people, extension, "sponsors"),
    )


def people_named(doc: Doc) -> set[str]:
    """Every name a document gives for somebody who answers for the agent."""
    extension = doc.get(AGENT_URN) or {}
    listed = [extension.get("owner"), (doc.get(ENTERPRISE_URN) or {}).get("manager")]
    listed += [*(extension.get("coOwners") or ()), *(extension.get("sponsors") or ())]
    return {value for value in map(_value, listed) if value is not None}


def _everybody(answerable: Pointers) -> tuple[Doc, ...]:
    owner = () if answerable.owner is None else (answerable.owner,)
    return (*owner, *answerable.co_owners, *answerable.sponsors)


async def _each(work: Work, known: _People, extension: Doc, attribute: str) -> tuple[Doc, ...]:
    found = (_value(item) for item in extension.get(attribute) or ())
    people = [await _pointer(work, known, value, attribute) for value in found if value is not None]
    return each_once(person for person in people if person is not None)


async def _pointer(work: Work, known: _People, name: str | None, attribute: str) -> Doc | None:
    if name is None:
        return None
    found = known.own.get(name) or known.given.get(name)
    if found is None:
        person = await _person(work, name, attribute)
        found = known.own[name] = pointer(person)
        # Whoever is deleted or deactivated at this moment is so before, and seen, or after, and sees the agent.
        active = await keep(work, person.id) if work.tx.for_update else person.active
        if not active:
            work.memo[_INACTIVE] = inactive_named(work) | {person.id}
    return found


def _value(reference: Any) -> str | None:
    if isinstance(reference, dict):
        reference = reference.get("value")
    return reference if isinstance(reference, str) and reference else None


async def _person(work: Work, name: str, attribute: str) -> PersonRef:
    person = await find_person(work.tx, name)
    if person is None:
        raise Invalid(
            "owner-unknown", f"{attribute}: no person is known as {name!r}.", "Send the person first."
        )
    return person


def by_role(answerable: Pointers) -> dict[str, list[str]]:
    """The ids of people by role, in order of rank, for the audit."""
    found: dict[str, list[str]] = {}
    for role, person, _ in answerable.rows:
        found.setdefault(role, []).append(person)
    return found


def add_owners(work: Work, agent_id: str, answerable: Pointers) -> None:
    """Write the rows of a new agent's people."""
    for role, person, rank in answerable.rows:
        work.tx.later(INSERT, agent_id, role, person, rank, work.now)


async def change_owners(work: Work, agent_id: str, before: Pointers, after: Pointers) -> bool:
    """Make the rows say who answers for the agent now; False when they do. Audited with old and new."""
    if set(before.rows) == set(after.rows):
        return False
    work.tx.later("DELETE FROM sb_owner WHERE agent_id = ?", agent_id)
    add_owners(work, agent_id, after)
    detail = {"before": by_role(before), "after": by_role(after)}
    await record(work, "agent.owners_changed", AGENT, agent_id, detail)
    return True
