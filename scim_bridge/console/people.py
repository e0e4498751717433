"""People in the console: who answers for agents, and what would become of these if somebody left."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from scim_bridge.console.addresses import filter_url
from scim_bridge.console.boards import Ask, Board, Box, board
from scim_bridge.console.door import Screen
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
from scim_bridge.registry.model import OWNER
from scim_bridge.registry.people_listing import agents_of_person, people_found, person_found, standing_of

# Simulating reads every agent of a person: more than this is asked of the command line.
MOST = 200
SOON = 30 * DAY


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
        found = await quietly(
            self._ctx,
            lambda reader: people_found(
                reader, words.split(), after=after, limit=SHOWN + 1, soon=soon, counted=COUNTED
            ),
        )
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
            ("State", standing_of(row)),
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


async def _person(reader: Reader, name: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[Entry]]:
    row = await person_found(reader, name)
    if row is None:
        raise NotFound(
            "person-unknown", f"No person is known as “{name[:64]}”.", "Search the list of people."
        )
    told = await reader.all(
        "SELECT id, at, actor_kind, actor_name, action, outcome, detail, seq FROM sb_audit WHERE subject_id = ?"
        " ORDER BY at DESC, id DESC LIMIT ?",
        row["id"],
        HAPPENED + 1,
    )
    agents = await agents_of_person(reader, row["id"], MOST + 1)
    return row, agents, [entry_of(one, {}) for one in told]
