"""The list of people as console and command line show it: who answers for agents, how they stand, for how many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import like, marks
from scim_bridge.registry.model import fold
from scim_bridge.registry.people import ON_LEAVE
from scim_bridge.registry.people_refs import find_person, people

HERE, SOON, AWAY, GONE = "here", "leaves soon", "on leave", "left"
_OWNS, _HELPS = "= 'owner'", "<> 'owner'"
COLUMNS = (
    "SELECT r.id, r.name, r.active, p.department, p.employment, p.leave_at FROM sb_resource r"
    " JOIN sb_person p ON p.id = r.id WHERE r.deleted IS NULL"
)


def standing_of(row: Any) -> str:
    """How somebody stands, in a word."""
    if not row["active"]:
        return GONE
    if row["employment"] == ON_LEAVE:
        return AWAY
    return SOON if row["leave_at"] else HERE


async def people_found(
    reader: Reader,
    words: Sequence[str] = (),
    *,
    after: str = "",
    limit: int,
    everybody: bool = False,
    soon: int | None = None,
    counted: int | None = None,
) -> list[dict[str, Any]]:
    """People in id order, behind an id: those who answer for agents, all that fit the words, or everybody.

    `soon`: only owners who are not wholly here, or leave before then. `counted`: agents are counted no further.
    """
    if words or everybody:
        likes = [like(fold(word)) for word in words]
        found = await reader.all(
            f"{COLUMNS} AND r.kind = 'person' AND r.id > ?"
            + r" AND r.key LIKE ? ESCAPE '\'" * len(likes)
            + " ORDER BY r.id LIMIT ?",
            *(after, *likes, limit),
        )
    elif soon is not None:
        found = await reader.all(
            f"{COLUMNS} AND r.id > ? AND (r.active = 0 OR p.employment <> 'active' OR p.leave_at < ?)"
            " AND EXISTS (SELECT 1 FROM sb_owner o JOIN sb_resource a ON a.id = o.agent_id WHERE o.person_id = p.id"
            f" AND o.role {_OWNS} AND a.deleted IS NULL) ORDER BY r.id LIMIT ?",
            *(after, soon, limit),
        )
    else:
        found = await reader.all(
            f"{COLUMNS} AND r.id IN (SELECT DISTINCT person_id FROM sb_owner WHERE person_id > ?"
            " ORDER BY person_id LIMIT ?) ORDER BY r.id",
            *(after, limit),
        )
    rows = [dict(row) for row in found]
    ids = [row["id"] for row in rows]
    names, counts = await people(reader, ids), await counts_of(reader, ids, counted)
    for row in rows:
        row["display"] = names[row["id"]].display_name if row["id"] in names else row["name"]
        row["owns"], row["helps"] = counts[row["id"]]
    return rows


async def counts_of(
    reader: Reader, ids: Sequence[str], counted: int | None = None
) -> dict[str, tuple[int, int]]:
    """How many agents each of these people owns and helps with; counted no further than one past `counted`."""
    rows = await reader.all(_counting(len(ids), counted), *ids) if ids else ()
    return {row["id"]: (row["owns"], row["helps"]) for row in rows}


def _counting(many: int, counted: int | None) -> str:
    end = "" if counted is None else f" LIMIT {counted + 1}"

    def count(role: str) -> str:
        return (
            "(SELECT COUNT(*) FROM (SELECT 1 FROM sb_owner o JOIN sb_resource a ON a.id = o.agent_id"
            f" WHERE o.person_id = p.id AND o.role {role} AND a.deleted IS NULL{end}) found)"
        )

    return (
        f"SELECT p.id, {count(_OWNS)} AS owns, {count(_HELPS)} AS helps FROM sb_resource p"
        f" WHERE p.id IN ({marks(many)})"
    )


async def person_found(reader: Reader, name: str) -> dict[str, Any] | None:
    """One person by id, userName or e-mail, with their manager's userName; None when nobody is known by that."""
    person = await find_person(reader, name)
    found = None if person is None else await reader.one(f"{COLUMNS} AND r.id = ?", person.id)
    if person is None or found is None:
        return None
    boss = await reader.one(
        "SELECT r.name FROM sb_person p JOIN sb_resource r ON r.id = p.manager_id WHERE p.id = ?", person.id
    )
    return {
        **dict(found),
        "display": person.display_name,
        "email": person.email,
        "manager": boss["name"] if boss is not None else "",
    }


async def agents_of_person(reader: Reader, person_id: str, limit: int) -> list[dict[str, Any]]:
    """The agents somebody answers for, by slug: in which role and since when, and whether each may act."""
    rows = await reader.all(
        "SELECT a.slug, o.role, r.active, o.since FROM sb_owner o JOIN sb_agent a ON a.id = o.agent_id"
        " JOIN sb_resource r ON r.id = a.id WHERE o.person_id = ? AND r.deleted IS NULL"
        " ORDER BY a.slug, o.role LIMIT ?",
        person_id,
        limit,
    )
    return [dict(row) for row in rows]
