"""Access in the console: the policies that answer now, those before, budgets, and one question explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from scim_bridge.access.budgets import used
from scim_bridge.access.decide import decide
from scim_bridge.access.model import Question
from scim_bridge.access.versions import Version, latest, versions
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Ask, Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import first_of, page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile
from scim_bridge.kernel.context import Context

HERE = f"{PATH}/access"
# Rows of the list of activations by itself, and of what is a part of the page.
SHOWN, FEW = 50, 20
VERSIONS = "versions"
ASKED = (("agent", "Agent"), ("action", "Action"), ("type", "Resource type"), ("resource", "Resource"))


class Accessing:
    """The page of access."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Its address."""
        return {HERE: Screen(self._ctx, self._pages, get=board(self._ctx, self._pages, self._page))}

    async def _page(self, request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        if request.query_params.get("show", "") == VERSIONS:
            return await self._versions(cleaned(request.query_params.get("before", "")))
        said = {name: cleaned(request.query_params.get(name, "")) for name, _ in ASKED}
        boxes = [await self._explained(said, now)] if all(said.values()) else []
        before, rest = first_of(
            await versions(reads, limit=FEW + 1), FEW, "newest", f"{HERE}?{urlencode({'show': VERSIONS})}"
        )
        newest = before[0].version if before else None
        counted, fuller = first_of(
            await used(reads, limit=FEW + 1), FEW, "fullest (all of them: scim-bridge budgets show)"
        )
        return Board(
            "Access",
            "access",
            "What agents may do: policies answer each question, and a hold always denies.",
            tiles=self._tiles(before),
            links=[("Change policies", f"{HERE}/drafts")],
            boxes=boxes,
            ask=Ask(
                "Explain a decision",
                HERE,
                tuple((name, label, said[name]) for name, label in ASKED),
                "Explain",
            ),
            sections=[
                (
                    "Policies that were activated",
                    replace(_versions(before, newest), rest=rest),
                    "From files: `scim-bridge policy check`, `simulate`, `activate`.",
                ),
                ("Budgets", replace(_budgets(counted, now), rest=fuller), ""),
            ],
        )

    async def _versions(self, before: str) -> Board:
        """Every activation, page by page."""
        reads = self._ctx.store.reads
        last = int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None
        found = await versions(reads, limit=SHOWN + 1, before=last)
        kept, older = page_of(
            found, SHOWN, lambda one: f"{HERE}?{urlencode({'show': VERSIONS, 'before': one.version})}"
        )
        return Board(
            "Policies that were activated",
            "access",
            sections=[("The newest first", _versions(kept, await latest(reads)), "")],
            crumb=("Access", HERE),
            older=older,
        )

    def _tiles(self, before: list[Version]) -> list[Tile]:
        if self._known.policies is None:
            return []
        current = self._known.policies()
        number = "the files" if current.version is None else f"version {current.version}"
        sets = str(len(current.text.sets))
        return [
            Tile(number, current.text.name.rsplit("/", 1)[-1]),
            Tile(str(len(current.ids)), "policies"),
            Tile(sets, "sets on top"),
            Tile(str(before[0].version if before else 0), "activations"),
        ]

    async def _explained(self, said: dict[str, str], now: int) -> Box:
        """What a gateway would hear now, by the program's own decision; nothing is charged or kept."""
        if self._known.policies is None:
            return Box("This process answers no questions", ("Ask a server that does.",), BAD)
        question = Question("agent", said["agent"], said["action"], said["type"], said["resource"])
        policies = self._known.policies()
        answer = await decide(self._ctx.store.reads, policies, question, now)
        lines = [f"{reason.text} ({reason.id})" for reason in answer.reasons]
        if answer.policies:
            lines.append(f"Determined by: {', '.join(answer.policies)}.")
        facts, links = answer.facts, tuple[tuple[str, str], ...]()
        if facts is not None:
            lines.append(f"Its groups: {', '.join(facts.granted(now)) or 'none'}.")
            links = ((f"Everything about {facts.slug}", agent_url(facts.slug)),)
        lines.append("Asked of today's policies; budgets were not charged and nothing was kept.")
        slug = said["agent"][:64] if facts is None else facts.slug
        asked = f"{slug} {said['action']} {said['type']}:{said['resource']}"
        title = f"{'Allowed' if answer.allowed else 'Denied'}: {asked}"
        return Box(title, tuple(lines), GOOD if answer.allowed else BAD, links=links)


def _versions(before: list[Version], newest: int | None) -> Table:
    return Table(
        "Activations, the one in force first",
        ("Version", "Policies", "Reason", "By", "When"),
        tuple(
            (
                Cell(
                    f"version {one.version}",
                    url=f"{HERE}/versions/{one.version}",
                    under="in force" if one.version == newest else "",
                ),
                Cell(one.name),
                Cell(one.reason),
                Cell(one.by),
                Cell(at=one.at),
            )
            for one in before
        ),
        "None: the files of the settings are in force.",
    )


def _budgets(rows: list[dict[str, Any]], now: int) -> Table:
    return Table(
        "What budgets count, the fullest first",
        ("Budget", "Of", "Room", "Refused"),
        tuple(
            (
                Cell(row["budget"]),
                Cell(row["key"]),
                Cell("full", tone=BAD) if row["tat"] - now >= row["room"] else Cell("has room"),
                Cell(str(row["strikes"]), tone=WARN if row["strikes"] else ""),
            )
            for row in rows
        ),
        "No budget counts anything yet.",
    )
