"""Departures in the console: how they stand, the brake's inbox, one case with every step."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.acting import decided
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board, Box, board
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH, Session
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, number, state
from scim_bridge.console.timeline import kind_of
from scim_bridge.departures.approver import approver_of
from scim_bridge.departures.releasing import Approver, brakes, held_people, reject, release
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.status import status
from scim_bridge.departures.view import listed, shown
from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.work import Work

HERE = f"{PATH}/departures"
SHOWN = 50
NAMED = 12


class Leaving:
    """The pages of departures."""

    def __init__(self, ctx: Context, pages: Pages, rules: Rules = RULES) -> None:
        self._ctx = ctx
        self._pages = pages
        self._rules = rules

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/brakes/{{id}}": Screen(ctx, pages, post=self._decide),
            f"{HERE}/{{id}}": Screen(ctx, pages, get=board(ctx, pages, self._one)),
        }

    async def _all(self, request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        before = cleaned(request.query_params.get("before", "")) or None
        found = await status(reads, now)
        cases = await listed(reads, before=before, limit=SHOWN + 1)
        rows, older = page_of(cases, SHOWN, lambda last: f"{HERE}?before={last['id']}")
        on = await brakes(reads, self._rules.brake)
        kept, closed = found["within_five_minutes"], found["closed_30_days"]
        tiles = [
            Tile(str(found["open"]), "open", WARN if found["open"] else ""),
            Tile(str(found["late"]), "past five minutes", BAD if found["late"] else ""),
            Tile(str(found["held"]), "held by the brake", BAD if found["held"] else ""),
            Tile(str(found["planned"]), "planned"),
            kept_tile(kept, closed),
        ]
        boxes = [await self._brake(each) for each in on]
        return Board(
            "Departures",
            "departures",
            "Whoever answers for agents and leaves: their agents are handed over or held, everywhere, with proof.",
            tiles,
            [*boxes, *_drill(found["drill"])],
            [("Cases", _cases(rows), "")],
            older=older,
        )

    async def _brake(self, each: dict[str, Any]) -> Box:
        people = await held_people(self._ctx.store.reads, each["id"])
        names = ", ".join(person["name"] for person in people[:NAMED])
        more = f" and {len(people) - NAMED} more" if len(people) > NAMED else ""
        lines = [each["reason"], f"Waiting: {names}{more}." if names else "Nothing waits in it."]
        lines += [f"Said so far: {said}" for said in each["approvals"]]
        if each["needed"] > 1:
            lines.append(f"{each['needed']} different people have to release it.")
        return Box(
            f"The brake is on for {each['source']}: {each['held']} people are held",
            tuple(lines),
            BAD,
            f"{HERE}/brakes/{each['id']}",
            (
                ("release", "Release: they really left", "primary"),
                ("reject", "Reject: the news was wrong", ""),
            ),
        )

    async def _decide(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        verdict, reason = await decided(self._ctx, request, session)
        if verdict not in ("release", "reject"):
            raise NotFound("brake-verdict", "This page knows no such button.", "Load the page again.")
        who = _approver(session)
        brake_id = cleaned(request.path_params["id"])

        async def body(work: Work) -> None:
            if verdict == "release":
                await release(work, self._rules.brake, brake_id, who, reason)
            else:
                await reject(work, brake_id, who, reason)

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(HERE)

    async def _one(self, request: Request, now: int) -> Board:
        found = await shown(self._ctx.store.reads, cleaned(request.path_params["id"]), now)
        seconds = found["seconds"]
        facts = [
            ("State", found["state"]),
            ("Told by", ", ".join(found["gone_by"]) or found["source"]),
            ("In effect", moment(found["effective"])),
            ("Heard", moment(found["heard"])),
            ("Took", "not begun" if seconds is None else f"{seconds:g} s, {found['steps']} steps"),
            ("Within five minutes", {None: "so far", True: "yes", False: "no"}[found["within_budget"]]),
            ("Receipt", found["receipt"]),
        ]
        hint = (
            f"Signed proof, checked anywhere: `scim-bridge receipts export {found['id']} --file receipt.json`"
        )
        return Board(
            found["display_name"],
            "departures",
            found["note"] or "",
            sections=[
                ("What became of each agent", _outcomes(found["agents"], found["state"]), ""),
                ("Told outside", _effects(found["effects"]), hint),
            ],
            facts=("The case", facts),
            crumb=("Departures", HERE),
        )


def _approver(session: Session) -> Approver:
    """Who decides: a person by their userName, an admin's token by its label."""
    if session.token_id is None:
        return Approver(session.name.casefold(), session.name, "console")
    return approver_of(session.said_name, session.token_id)


def kept_tile(kept: int, closed: int) -> Tile:
    """How many leaves kept the five minutes, of those closed in the last thirty days."""
    label = "in five minutes, 30 days"
    return (
        Tile(f"{kept} of {closed}", label, GOOD if kept == closed else BAD) if closed else Tile("none", label)
    )


def _drill(drill: dict[str, Any] | None) -> list[Box]:
    if drill is None or drill["state"] == "passed":
        return []
    return [
        Box(f"The last drill {drill['state']}", (f"At {drill['at']}.", str(drill.get("why") or "")), WARN)
    ]


def _cases(rows: list[dict[str, Any]]) -> Table:
    return Table(
        "Departures, the newest first",
        ("Who", "State", "Told by", "In effect", "Handed over", "Held", "Closed"),
        tuple(
            (
                Cell(row["person"], url=f"{HERE}/{row['id']}"),
                state(row["state"], row["why"] or ""),
                Cell(row["source"]),
                Cell(at=parse_iso(row["effective"])),
                number(row["handed-over"]),
                number(row["held"], BAD),
                Cell(at=parse_iso(row["closed"])) if row["closed"] else Cell(),
            )
            for row in rows
        ),
        "Nobody who answers for an agent has left.",
    )


def _outcomes(agents: list[dict[str, Any]], case: str) -> Table:
    waiting = case in ("planned", "held")
    return Table(
        "Agents of the case",
        ("Agent", "Outcome", "Was", "Who now", "Why"),
        tuple(
            (
                Cell(one["agent"], url=agent_url(one["agent"])),
                Cell(one["outcome"].replace("-", " "), tone=BAD if one["outcome"] == "held" else GOOD),
                Cell(one["role"]),
                Cell(one["handed_over_to"] or one["successor"] or "", under=_accept(one)),
                Cell(one["reason"]),
            )
            for one in agents
        ),
        "Nothing is decided yet." if waiting else "They answered for no agent.",
    )


def _accept(one: dict[str, Any]) -> str:
    if one["accepted_at"]:
        return "accepted"
    if one["accept_by"]:
        return f"to accept by {one['accept_by'][:16]}"
    return f"proposed: {one['next_in_line']}" if one["next_in_line"] and one["outcome"] == "held" else ""


def _effects(effects: list[dict[str, Any]]) -> Table:
    return Table(
        "Steps outside",
        ("Step", "State", "Agent", "Done", "Tried"),
        tuple(
            (
                Cell(kind_of(one["kind"]), under=one["about"]),
                state(one["state"], one["error"] or ""),
                Cell(one["agent"] or ""),
                Cell(at=parse_iso(one["done"])) if one["done"] else Cell(),
                number(one["attempts"]),
            )
            for one in effects
        ),
        "Nothing had to be told.",
    )
