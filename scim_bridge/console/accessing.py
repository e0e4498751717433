"""Access in the console: the policies that answer now, those before, budgets, and one question explained."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from scim_bridge.access.budgets import used
from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import Question, stops
from scim_bridge.access.versions import Version, versions
from scim_bridge.console.boards import Ask, Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile
from scim_bridge.kernel.context import Context

HERE = f"{PATH}/access"
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
        said = {name: cleaned(request.query_params.get(name, "")) for name, _ in ASKED}
        boxes = [await self._explained(said, now)] if all(said.values()) else []
        before = await versions(reads, limit=20)
        return Board(
            "Access",
            "access",
            "What agents may do: policies answer each question, and a hold always denies.",
            tiles=self._tiles(before),
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
                    _versions(before),
                    "Try a change on what was asked before: scim-bridge policy simulate FILE. Then: policy activate",
                ),
                ("Budgets", _budgets(await used(reads, limit=20), now), ""),
            ],
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
            Tile(str(len(before)), "activations"),
        ]

    async def _explained(self, said: dict[str, str], now: int) -> Box:
        found = await facts_about(self._ctx.store.reads, said["agent"])
        if not found or self._known.policies is None:
            return Box(
                f"There is no agent “{said['agent'][:64]}”", ("Every question about it is denied.",), BAD
            )
        facts = found[0]
        question = Question("agent", said["agent"], said["action"], said["type"], said["resource"])
        stopped = stops(facts, now)
        answer = None if stopped else self._known.policies().decide(facts, question, now)
        allowed = answer is not None and answer.allowed
        reasons = stopped if answer is None else answer.reasons
        lines = [f"{reason.text} ({reason.id})" for reason in reasons]
        asked = f"{facts.slug} {said['action']} {said['type']}:{said['resource']}"
        lines.append("Asked of today's policies; budgets were not charged and nothing was kept.")
        return Box(f"{'Allowed' if allowed else 'Denied'}: {asked}", tuple(lines), GOOD if allowed else BAD)


def _versions(before: list[Version]) -> Table:
    return Table(
        "Activations, the one in force first",
        ("Version", "Policies", "Reason", "By", "When"),
        tuple(
            (
                Cell(str(one.version), under="in force" if place == 0 else ""),
                Cell(one.name),
                Cell(one.reason),
                Cell(one.by),
                Cell(at=one.at),
            )
            for place, one in enumerate(before)
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
