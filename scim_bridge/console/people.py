"""People in the console: who answers for agents, and what would become of these if somebody left."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from scim_bridge.console.addresses import filter_url
from scim_bridge.console.boards import Ask, Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.listing import like
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.people_view import (
    COUNTED,
    HAPPENED,
    HERE,
    SHOWN,
    agents_table,
    happened_table,
    people_table,
    simulated_table,
    standing_of,
)
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.console.tables import BAD, GOOD, Tile
from scim_bridge.console.timeline import Entry, entry_of
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.simulate import simulated
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.model import OWNER
from scim_bridge.registry.people_refs import find_person, people

# Simulating reads every agent of a person: more than this is asked of the command line.
MOST = 200
SOON = 30 * DAY
_OWNS, _HELPS = "= 'owner'", "<> 'owner'"


class People:
    """The pages of people."""

    def __init__(self, ctx: Context, pages: Pages, rules: Rules = RULES) -> None:
        self._ctx = ctx
        self._pages = pages
        self._rules = rules

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/{{name}}": Screen(ctx, pages, get=board(ctx, pages, self._one)),
        }

    async def _all(self, request: Request, now: int) -> Board:
        asked = request.query_params
        words, after = cleaned(asked.get("q", "")), cleaned(asked.get("after", ""))
        risk = not words and asked.get("show") == "risk"
        soon = now + SOON if risk else None
        found = await quietly(self._ctx, lambda reader: _listed(reader, words, after, soon))
        said = {"q": words} if words else {"show": "risk"} if risk else {}
        rows, older = page_of(found, SHOWN, lambda last: f"{HERE}?{urlencode({**said, 'after': last['id']})}")
        return Board(
            "People",
            "people",
            "Everybody who fits the search."
            if words
            else "Owners who left, are on leave, or leave within thirty days."
            if risk
            else "Those who answer for agents.",
            ask=Ask("Search people", HERE, (("q", "Name or userName", words),), "Search"),
            sections=[
                (
                    "Everybody found"
                    if words
                    else "Owners at risk"
                    if risk
                    else "Owners, co-owners and sponsors",
                    people_table(rows),
                    "",
                )
            ],
            crumb=("People", HERE) if risk else None,
            older=older,
        )

    async def _one(self, request: Request, now: int) -> Board:
        name = cleaned(request.path_params["name"])
        row, agents, happened = await quietly(self._ctx, lambda reader: _person(reader, name))
        url = f"{HERE}/{quote(row['name'], safe='')}"
        sections = [("Agents", agents_table(agents, row["name"]), "")]
        boxes: list[Box] = []
        asked = bool(request.query_params.get("simulate"))
        if asked and len(agents) > MOST:
            told = f"For more than {MOST} agents: scim-bridge departures simulate {row['name']}"
            boxes.append(Box("Too many agents to try it on this page", (told,)))
        elif asked:
            found = await quietly(self._ctx, lambda reader: simulated(reader, row["name"], now, self._rules))
            held = sum(one["outcome"] == "held" for one in found)
            boxes.append(
                Box(
                    f"If {row['display'] or row['name']} left now, {held} of {len(found)} agents would stop",
                    ("Nothing was changed: these are today's rules on today's agents.",),
                    BAD if held else GOOD,
                )
            )
            sections.insert(0, ("What would become of each agent", simulated_table(found), ""))
        facts = [
            ("userName", row["name"]),
            ("State", standing_of(row)[0]),
            ("Department", row["department"] or "not known"),
            ("Manager", row["manager"] or "not known"),
            ("Leaves", moment(row["leave_at"]) if row["leave_at"] else "no date is known"),
        ]
        return Board(
            row["display"] or row["name"],
            "people",
            tiles=[
                Tile(_read(agents, owned=True), "owned", url=filter_url("owner", row["name"])),
                Tile(_read(agents, owned=False), "helped with"),
                Tile("what if", "they left now", url=f"{url}?simulate=1"),
            ],
            boxes=boxes,
            facts=("Who it is", facts),
            sections=[
                *sections,
                ("What happened", happened_table(happened, row["name"]), "From the audit log."),
            ],
            crumb=("People", HERE),
        )


def _read(agents: list[dict[str, Any]], *, owned: bool) -> str:
    """How many agents somebody owns, or helps with; "+" where not all of them were read."""
    count = sum((one["role"] == OWNER) == owned for one in agents[:MOST])
    return f"{count}{'+' if len(agents) > MOST else ''}"


COLUMNS = (
    "SELECT r.id, r.name, r.active, p.department, p.employment, p.leave_at FROM sb_resource r"
    " JOIN sb_person p ON p.id = r.id WHERE r.deleted IS NULL"
)


async def _listed(reader: Reader, words: str, after: str, soon: int | None = None) -> list[dict[str, Any]]:
    """A page of people in id order: of those who answer for agents, or of all that fit the words.

    `soon`: of owners who are not wholly here, or leave before then.
    """
    if words:
        likes = [like(word.casefold()) for word in words.split()]
        found = await reader.all(
            f"{COLUMNS} AND r.kind = 'person' AND r.id > ?"
            + r" AND r.key LIKE ? ESCAPE '\'" * len(likes)
            + " ORDER BY r.id LIMIT ?",
            after,
            *likes,
            SHOWN + 1,
        )
    elif soon is not None:
        found = await reader.all(
            f"{COLUMNS} AND r.id > ? AND (r.active = 0 OR p.employment <> 'active' OR p.leave_at < ?)"
            " AND EXISTS (SELECT 1 FROM sb_owner o JOIN sb_resource a ON a.id = o.agent_id WHERE o.person_id = p.id"
            f" AND o.role {_OWNS} AND a.deleted IS NULL) ORDER BY r.id LIMIT ?",
            *(after, soon, SHOWN + 1),
        )
    else:
        found = await reader.all(
            f"{COLUMNS} AND r.id IN (SELECT DISTINCT person_id FROM sb_owner WHERE person_id > ?"
            " ORDER BY person_id LIMIT ?) ORDER BY r.id",
            after,
            SHOWN + 1,
        )
    rows = [dict(row) for row in found]
    ids = [row["id"] for row in rows]
    names = await people(reader, ids) if ids else {}
    counted = {one["id"]: one for one in await reader.all(_counting(len(ids)), *ids)} if ids else {}
    for row in rows:
        row["display"] = names[row["id"]].display_name if row["id"] in names else row["name"]
        row["owns"], row["helps"] = counted[row["id"]]["owns"], counted[row["id"]]["helps"]
    return rows


def _counting(many: int) -> str:
    """How many agents each of so many people owns and helps with, counted no further than is shown."""

    def counted(role: str) -> str:
        return (
            "(SELECT COUNT(*) FROM (SELECT 1 FROM sb_owner o JOIN sb_resource a ON a.id = o.agent_id"
            f" WHERE o.person_id = p.id AND o.role {role} AND a.deleted IS NULL LIMIT {COUNTED + 1}) found)"
        )

    return (
        f"SELECT p.id, {counted(_OWNS)} AS owns, {counted(_HELPS)} AS helps FROM sb_resource p"
        f" WHERE p.id IN ({marks(many)})"
    )


async def _person(reader: Reader, name: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[Entry]]:
    person = await find_person(reader, name)
    if person is None:
        raise NotFound(
            "person-unknown", f"No person is known as “{name[:64]}”.", "Search the list of people."
        )
    found = await reader.one(f"{COLUMNS} AND r.id = ?", person.id)
    if found is None:
        raise NotFound("person-unknown", f"“{name[:64]}” was deleted.", "Search the list of people.")
    boss = await reader.one(
        "SELECT r.name FROM sb_person p JOIN sb_resource r ON r.id = p.manager_id WHERE p.id = ?", person.id
    )
    agents = await reader.all(
        "SELECT a.slug, o.role, r.active, o.since FROM sb_owner o JOIN sb_agent a ON a.id = o.agent_id"
        " JOIN sb_resource r ON r.id = a.id WHERE o.person_id = ? AND r.deleted IS NULL ORDER BY a.slug LIMIT ?",
        person.id,
        MOST + 1,
    )
    row = {**dict(found), "display": person.display_name, "manager": boss["name"] if boss is not None else ""}
    told = await reader.all(
        "SELECT id, at, actor_kind, actor_name, action, outcome, detail, seq FROM sb_audit WHERE subject_id = ?"
        " ORDER BY at DESC, id DESC LIMIT ?",
        person.id,
        HAPPENED + 1,
    )
    return row, [dict(one) for one in agents], [entry_of(one, {}) for one in told]
