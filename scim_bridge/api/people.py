"""People with the agents they answer for, what a departure would do, and groups with their members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge.api.agents import lines
from scim_bridge.api.model import Asked, Operation, Page, Parameter, lists, reads
from scim_bridge.api.shapes import (
    AT,
    INTEGER,
    TEXT,
    TRUTH,
    Schema,
    closed,
    many,
    maybe,
    page_of,
    ref,
    text,
)
from scim_bridge.departures.simulate import simulated
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.groups import members_of
from scim_bridge.registry.model import (
    ENTERPRISE_URN,
    GROUP,
    GROUP_EXTENSION_URN,
    GROUP_SPACE,
    PERSON,
    display_name,
    fold,
    primary_email,
)
from scim_bridge.registry.people_refs import find_person, people
from scim_bridge.registry.resources import by_name, find

PEOPLE, GROUPS = "People", "Groups"
SCHEMAS: Mapping[str, Schema] = {
    "Person": closed(
        {
            "id": TEXT,
            "user_name": TEXT,
            "display_name": TEXT,
            "email": TEXT,
            "department": TEXT,
            "active": TRUTH,
            "created": AT,
            "modified": AT,
        }
    ),
    "PersonWhole": closed(
        {
            "id": TEXT,
            "user_name": TEXT,
            "display_name": TEXT,
            "email": TEXT,
            "department": TEXT,
            "active": TRUTH,
            "created": AT,
            "modified": AT,
            "manager": maybe(ref("PersonRef")),
            "leaves_at": maybe(AT),
            "time_zone": maybe(TEXT),
            "answers_for": INTEGER,
        }
    ),
    "Foreseen": closed(
        {
            "agent": TEXT,
            "role": TEXT,
            "outcome": TEXT,
            "successor": maybe(TEXT),
            "next_in_line": maybe(TEXT),
            "revoked": INTEGER,
            "may_act": TRUTH,
            "accept_by": maybe(AT),
            "rule": TEXT,
            "because": TEXT,
            "reason": TEXT,
        }
    ),
    "AnsweredFor": closed({"role": TEXT, "agent": ref("AgentLine")}),
    "Group": closed(
        {
            "id": TEXT,
            "name": TEXT,
            "description": TEXT,
            "kind": TEXT,
            "members": INTEGER,
            "created": AT,
            "modified": AT,
        }
    ),
    "Member": closed({"id": TEXT, "kind": TEXT, "name": TEXT}),
}


def _person(row: Any) -> dict[str, Any]:
    doc = orjson.loads(row["doc"])
    return {
        "id": row["id"],
        "user_name": row["name"],
        "display_name": display_name(doc) or row["name"],
        "email": primary_email(doc),
        "department": str((doc.get(ENTERPRISE_URN) or {}).get("department") or ""),
        "active": bool(row["active"]),
        "created": iso(row["created"]),
        "modified": iso(row["modified"]),
    }


COLUMNS = "id, name, active, created, modified, doc"


async def _listed(asked: Asked, kind: str, more: str = "", *values: Any) -> list[Any]:
    after = str(asked.after[0]) if asked.after else ""
    word = str(asked.query.get("q", "")).strip()
    if word:
        more += r" AND key LIKE ? ESCAPE '\'"
        escaped = fold(word).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values = (*values, f"%{escaped}%")
    return list(
        await asked.reader.all(
            f"SELECT {COLUMNS} FROM sb_resource WHERE kind = ? AND deleted IS NULL AND id > ?{more}"
            " ORDER BY id LIMIT ?",
            kind,
            after,
            *values,
            asked.reach,
        )
    )


async def search_people(asked: Asked) -> Page:
    """GET /people."""
    active = asked.query.get("active")
    more, values = ("", []) if active is None else (" AND active = ?", [int(active)])
    kept, key = asked.cut(await _listed(asked, PERSON, more, *values), lambda last: [last["id"]])
    return Page([_person(row) for row in kept], key)


async def _found(asked: Asked) -> Any:
    name = asked.path["person"]
    known = await find_person(asked.reader, name)
    row = None
    if known is not None:
        row = await asked.reader.one(f"SELECT {COLUMNS} FROM sb_resource WHERE id = ?", known.id)
    if row is None:
        raise NotFound("person-unknown", f"No person is known as {name[:100]!r}.", "See GET /api/v1/people.")
    return row


async def show_person(asked: Asked) -> dict[str, Any]:
    """GET /people/{person}."""
    row = await _found(asked)
    more: Any = await asked.reader.one(
        "SELECT manager_id, leave_at, time_zone, (SELECT COUNT(DISTINCT agent_id) FROM sb_owner"
        " WHERE person_id = sb_person.id) AS n FROM sb_person WHERE id = ?",
        row["id"],
    )
    manager = None
    if more is not None and more["manager_id"]:
        manager = (await people(asked.reader, [more["manager_id"]])).get(more["manager_id"])
    return {
        **_person(row),
        "manager": None
        if manager is None
        else {
            "id": manager.id,
            "user_name": manager.user_name,
            "display_name": manager.display_name,
            "active": manager.active,
        },
        "leaves_at": None if more is None or more["leave_at"] is None else iso(more["leave_at"]),
        "time_zone": None if more is None else more["time_zone"],
        "answers_for": 0 if more is None else more["n"],
    }


async def agents_of(asked: Asked) -> Page:
    """GET /people/{person}/agents."""
    row = await _found(asked)
    after = list(asked.after or ("", ""))
    rows = await asked.reader.all(
        "SELECT agent_id, role FROM sb_owner WHERE person_id = ? AND (agent_id, role) > (?, ?)"
        " ORDER BY agent_id, role LIMIT ?",
        row["id"],
        *after,
        asked.reach,
    )
    kept, key = asked.cut(rows, lambda last: [last["agent_id"], last["role"]])
    shown = {each["id"]: each for each in await lines(asked, sorted({one["agent_id"] for one in kept}))}
    items = [
        {"role": one["role"], "agent": shown[one["agent_id"]]} for one in kept if one["agent_id"] in shown
    ]
    return Page(items, key)


async def foresee(asked: Asked) -> dict[str, Any]:
    """GET /people/{person}/departure."""
    found = await simulated(asked.reader, asked.path["person"], asked.now, asked.house.rules)
    return {"agents": found}


def _group(row: Any, members: int) -> dict[str, Any]:
    told = orjson.loads(row["doc"]).get(GROUP_EXTENSION_URN) or {}
    return {
        "id": row["id"],
        "name": row["name"],
        "description": str(told.get("description") or ""),
        "kind": str(told.get("kind") or ""),
        "members": members,
        "created": iso(row["created"]),
        "modified": iso(row["modified"]),
    }


async def _members(asked: Asked, group_id: str) -> int:
    row = await asked.reader.one("SELECT COUNT(*) AS n FROM sb_member WHERE group_id = ?", group_id)
    return 0 if row is None else int(row["n"])


async def search_groups(asked: Asked) -> Page:
    """GET /groups."""
    kept, key = asked.cut(await _listed(asked, GROUP), lambda last: [last["id"]])
    return Page([_group(row, await _members(asked, row["id"])) for row in kept], key)


async def _group_id(asked: Asked) -> str:
    name = asked.path["group"]
    known = await find(asked.reader, name)
    if known is None or known.kind != GROUP:
        known = await by_name(asked.reader, GROUP_SPACE, name)
    if known is None:
        raise NotFound("group-unknown", f"There is no group {name[:100]!r}.", "See GET /api/v1/groups.")
    return known.id


async def show_group(asked: Asked) -> dict[str, Any]:
    """GET /groups/{group}."""
    group_id = await _group_id(asked)
    row = await asked.reader.one(f"SELECT {COLUMNS} FROM sb_resource WHERE id = ?", group_id)
    return _group(row, await _members(asked, group_id))


async def members(asked: Asked) -> Page:
    """GET /groups/{group}/members."""
    after = str(asked.after[0]) if asked.after else ""
    found = await members_of(asked.reader, await _group_id(asked), after=after, limit=asked.reach)
    kept, key = asked.cut(found, lambda last: [last[0]])
    return Page([{"id": one, "kind": kind, "name": name} for one, kind, name in kept], key)


WORD = Parameter("q", text(least=0, most=200), "a part of the name")
ACTIVE = Parameter("active", TRUTH, "only those who are there, or who are not")
OPERATIONS: tuple[Operation, ...] = (
    lists(PEOPLE, "listPeople", "/people", "People", search_people, page_of("Person"), WORD, ACTIVE),
    reads(PEOPLE, "showPerson", "/people/{person}", "One person", show_person, ref("PersonWhole")),
    lists(
        PEOPLE,
        "listAgentsOfPerson",
        "/people/{person}/agents",
        "The agents a person answers for",
        agents_of,
        page_of("AnsweredFor"),
    ),
    reads(
        PEOPLE,
        "simulateDeparture",
        "/people/{person}/departure",
        "What would become of their agents if this person left now",
        foresee,
        closed({"agents": many(ref("Foreseen"))}),
        about="Nothing is changed. `rule` says which rule decides, `because` why it fits.",
    ),
    lists(GROUPS, "listGroups", "/groups", "Groups", search_groups, page_of("Group"), WORD),
    reads(GROUPS, "showGroup", "/groups/{group}", "One group", show_group, ref("Group")),
    lists(GROUPS, "listMembers", "/groups/{group}/members", "Members of a group", members, page_of("Member")),
)
