"""People as others point to them, and who answers for an agent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.model import (
    CO_OWNER,
    OWNER,
    PERSON,
    SPONSOR,
    Owners,
    PersonRef,
    display_name,
    fold,
    primary_email,
)

PERSON_COLUMNS = "id, kind, name, active, doc"


def ref_of(row: Any) -> PersonRef:
    """A row of sb_resource as a reference to a person."""
    doc = orjson.loads(row["doc"])
    return PersonRef(
        row["id"], row["name"], display_name(doc) or row["name"], primary_email(doc), bool(row["active"])
    )


async def people(reader: Reader, ids: Iterable[str]) -> dict[str, PersonRef]:
    """References by id, for those that are live people."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = await reader.all(
        f"SELECT {PERSON_COLUMNS} FROM sb_resource WHERE deleted IS NULL AND kind = ? AND id IN ({marks(len(wanted))})",
        PERSON,
        *wanted,
    )
    return {row["id"]: ref_of(row) for row in rows}


async def find_person(reader: Reader, name: str) -> PersonRef | None:
    """The person with this id, userName or (when it names exactly one person) e-mail address."""
    rows = await reader.all(FIND, name, PERSON, fold(name), PERSON, fold(name), PERSON)
    for way in (0, 1):
        row = next((row for row in rows if row["way"] == way), None)
        if row is not None:
            return ref_of(row)
    return ref_of(rows[0]) if len(rows) == 1 else None


# By a list of ids: of a join SQLite begins at the kind, which is everybody there is.
BY_EMAIL = (
    "WHERE id IN (SELECT resource_id FROM sb_attr WHERE name = 'emails.value' AND key = ?)"
    " AND kind = ? AND deleted IS NULL"
)
FIND = (
    f"SELECT {PERSON_COLUMNS}, 0 AS way FROM sb_resource WHERE id = ? AND kind = ? AND deleted IS NULL"
    f" UNION ALL SELECT {PERSON_COLUMNS}, 1 FROM sb_resource"
    " WHERE space = 'user' AND key = ? AND kind = ? AND deleted IS NULL"
    f" UNION ALL SELECT {PERSON_COLUMNS}, 2 FROM sb_resource {BY_EMAIL}"
)


async def people_named(reader: Reader, name: str) -> dict[str, PersonRef]:
    """Everybody a userName or e-mail address may mean, by id: more than one is ambiguous."""
    rows = await reader.all(
        f"SELECT {PERSON_COLUMNS} FROM sb_resource WHERE space = 'user' AND key = ? AND kind = ?"
        f" AND deleted IS NULL UNION ALL SELECT {PERSON_COLUMNS} FROM sb_resource {BY_EMAIL}",
        fold(name),
        PERSON,
        fold(name),
        PERSON,
    )
    return {row["id"]: ref_of(row) for row in rows}


async def accountable(reader: Reader, most: int) -> list[PersonRef]:
    """The first `most` active people who answer for an agent, as owner, co-owner or sponsor, by userName."""
    rows = await reader.all(
        f"SELECT {PERSON_COLUMNS} FROM sb_resource WHERE deleted IS NULL AND kind = ? AND active = ?"
        " AND id IN (SELECT person_id FROM sb_owner) ORDER BY key LIMIT ?",
        PERSON,
        True,
        most,
    )
    return [ref_of(row) for row in rows]


async def owners_of(reader: Reader, agent_ids: Iterable[str]) -> dict[str, Owners]:
    """Owner, co-owners and sponsors by agent id, in order of rank."""
    wanted = sorted(set(agent_ids))
    if not wanted:
        return {}
    rows = await reader.all(
        "SELECT o.agent_id, o.role, r.id, r.kind, r.name, r.active, r.doc FROM sb_owner o"
        " JOIN sb_resource r ON r.id = o.person_id"
        f" WHERE o.agent_id IN ({marks(len(wanted))}) ORDER BY o.agent_id, o.rank, o.person_id",
        *wanted,
    )
    grouped: dict[str, dict[str, list[PersonRef]]] = {agent: {} for agent in wanted}
    for row in rows:
        grouped[row["agent_id"]].setdefault(row["role"], []).append(ref_of(row))
    return {
        agent: Owners(
            (roles.get(OWNER) or [None])[0],  # type: ignore[list-item]
            tuple(roles.get(CO_OWNER, ())),
            tuple(roles.get(SPONSOR, ())),
        )
        for agent, roles in grouped.items()
    }
