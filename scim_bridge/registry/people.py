"""People: known from the IdP, HR or a manifest; they own agents and they leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agents import refresh_agent
from scim_bridge.registry.model import (
    ENTERPRISE_URN,
    PERSON,
    Doc,
    Resource,
    display_name,
    primary_email,
    rendered,
)
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import bury, insert, load
from scim_bridge.registry.standing import Standing, changed, save, standing

ACTIVE = "active"
LEFT = "left"
ON_LEAVE = "leave"


def _manager(doc: Doc) -> str | None:
    manager = (doc.get(ENTERPRISE_URN) or {}).get("manager")
    value = manager.get("value") if isinstance(manager, dict) else manager
    return value if isinstance(value, str) and value else None


Columns = tuple[str, str | None, str | None, str | None]


def columns(doc: Doc, manager_id: str | None) -> Columns:
    """The values of a person's columns that follow from the document."""
    department = (doc.get(ENTERPRISE_URN) or {}).get("department")
    return primary_email(doc), manager_id, department, doc.get("timezone")


async def _manager_id(work: Work, doc: Doc) -> str | None:
    """The id of the manager a document names; what it says, when nobody is known by that."""
    manager = _manager(doc)
    known = await find_person(work.tx, manager) if manager is not None else None
    return known.id if known is not None else manager


INSERT = "INSERT INTO sb_person (id, email, manager_id, department, employment, time_zone) VALUES (?, ?, ?, ?, ?, ?)"


def person_row(made: Standing, manager_id: str | None) -> tuple[Any, ...]:
    """The values of a new person's row of sb_person."""
    email, manager, department, zone = columns(made.resource.doc, manager_id)
    return made.resource.id, email, manager, department, ACTIVE if made.resource.active else LEFT, zone


def new_person(person_id: str, doc: Doc, active: bool, now: int) -> Standing:
    """A new person as they are going to stand, before anything is written."""
    resource = Resource(person_id, PERSON, str(doc["userName"]), active, 1, now, now, doc)
    return Standing(resource, rendered(person_id, doc, active))


async def create_person(work: Work, doc: Doc, *, active: bool = True, origin: str) -> Resource:
    """Add a person; Conflict when the userName is taken. `doc` is the SCIM document with userName."""
    return (await add_person(work, doc, active=active, origin=origin)).resource


async def add_person(work: Work, doc: Doc, *, active: bool = True, origin: str) -> Standing:
    """The same, answered with how the person stands."""
    made = new_person(work.ids.new(), doc, active, work.now)
    manager_id = await _manager_id(work, doc)
    insert(work, made.resource, made.rendered)
    work.tx.later(INSERT, *person_row(made, manager_id))
    detail = {"userName": made.resource.name, "origin": origin}
    await record(work, "person.created", PERSON, made.resource.id, detail)
    return made


async def update_person(work: Work, person_id: str, doc: Doc, active: bool) -> bool:
    """Replace a person's document and active state; False when nothing changed.

    What a leaver's agents need is not decided here: the caller raises the signal.
    """
    before = await standing(work, person_id, PERSON)
    after = await described(work, before, doc, active)
    if after is not before:
        await save_person(work, before, after)
    return after is not before


async def described(work: Work, before: Standing, doc: Doc, active: bool) -> Standing:
    """The person with another document and state, to be saved; the same one when nothing changes."""
    resource, old = before.resource, before.resource.doc
    if doc == old and active == resource.active:
        work.bookkeeping("the person is already as asked")
        return before
    beside = columns(doc, await _manager_id(work, doc))
    work.tx.later(
        "UPDATE sb_person SET email = ?, manager_id = ?, department = ?, time_zone = ?, employment = ? WHERE id = ?",
        *beside,
        ACTIVE if active else LEFT,
        resource.id,
    )
    detail: dict[str, Any] = {
        "attributes": sorted(key for key in {*doc, *old} if doc.get(key) != old.get(key))
    }
    if resource.active != active:
        detail["active"] = active
    await record(work, "person.updated", PERSON, resource.id, detail)
    return changed(before, doc=doc, active=active)


# Deleted agents too have owners still, but nobody to show them.
OWNED = (
    "SELECT DISTINCT o.agent_id FROM sb_owner o JOIN sb_resource r ON r.id = o.agent_id"
    " WHERE o.person_id = ? AND r.deleted IS NULL"
)


async def save_person(work: Work, before: Standing, after: Standing) -> Standing:
    """Write a changed person, and their name where agents show it."""
    shown: Sequence[Any] = ()
    if display_name(after.resource.doc) != display_name(before.resource.doc):
        shown = await work.tx.all(OWNED, after.resource.id)
    saved = save(work, before, after)
    for row in shown:
        await refresh_agent(work, row["agent_id"])
    return saved


async def set_employed(work: Work, person_id: str, active: bool) -> bool:
    """Mark a person as employed or gone without touching their attributes."""
    return await update_person(work, person_id, (await load(work, person_id, PERSON)).doc, active)


async def set_leave(work: Work, person_id: str, leave_at: int | None) -> None:
    """Note when a person leaves or left; None takes it back (the caller writes the audit row).

    Whether they left is not disputed any more.
    """
    await work.tx.run("UPDATE sb_person SET leave_at = ?, disputed = NULL WHERE id = ?", leave_at, person_id)


async def set_on_leave(work: Work, person_id: str, away: bool) -> None:
    """Note that a person is on leave of absence, or not any more (the caller writes the audit row)."""
    await work.tx.run(
        "UPDATE sb_person SET employment = ? WHERE id = ? AND employment = ?",
        ON_LEAVE if away else ACTIVE,
        person_id,
        ACTIVE if away else ON_LEAVE,
    )


async def set_disputed(work: Work, person_id: str, since: int | None) -> None:
    """Note that the news of a person's leave waits for approval: until None is written they count as here.

    The caller writes the audit row. Decisions ask for it; the person's own record says what its source said.
    """
    await work.tx.run("UPDATE sb_person SET disputed = ? WHERE id = ?", since, person_id)


async def delete_person(work: Work, person_id: str, reason: str) -> None:
    """Remove a person for good. The caller raises the leaver signal before, in the same transaction."""
    person = await load(work, person_id, PERSON)
    owned = await work.tx.all(OWNED, person_id)
    work.tx.later("DELETE FROM sb_member WHERE member_id = ?", person_id)
    work.tx.later("DELETE FROM sb_owner WHERE person_id = ?", person_id)
    bury(work, person)
    await record(work, "person.deleted", PERSON, person_id, {"userName": person.name, "reason": reason})
    for row in owned:
        await refresh_agent(work, row["agent_id"])


async def manager_of(reader: Reader, person_id: str) -> str | None:
    """The id of a person's manager, when that is a live person."""
    row = await reader.one(
        "SELECT m.id FROM sb_person p JOIN sb_resource m ON m.id = p.manager_id"
        " WHERE p.id = ? AND m.deleted IS NULL AND m.active = 1",
        person_id,
    )
    return None if row is None else row["id"]


async def agents_answered_for(reader: Reader, person_id: str) -> list[tuple[str, str]]:
    """(agent id, role) of every live agent a person answers for, in a stable order."""
    rows = await reader.all(
        "SELECT o.agent_id, o.role FROM sb_owner o JOIN sb_resource r ON r.id = o.agent_id"
        " WHERE o.person_id = ? AND r.deleted IS NULL ORDER BY o.agent_id, o.role",
        person_id,
    )
    return [(row["agent_id"], row["role"]) for row in rows]
