"""Attestations in the console: campaigns and how far they are, one campaign's agents, the newest statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from scim_bridge.attestations import campaign_view as view
from scim_bridge.attestations.campaign_model import ItemState
from scim_bridge.attestations.campaigns import campaign
from scim_bridge.attestations.evidence import summaries
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import first_of, mark, marked, page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, number, state
from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import moment

HERE = f"{PATH}/attestations"
# Rows of a list that has a page of its own, and of one that is a part of a page.
SHOWN, FEW = 50, 20
CAMPAIGNS, CHANGES, STATEMENTS = "campaigns", "changes", "statements"
HEADINGS = {CAMPAIGNS: "Campaigns", CHANGES: "After a change", STATEMENTS: "Statements"}


class Attesting:
    """The pages of attestations."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/campaigns/{{id}}": Screen(ctx, pages, get=board(ctx, pages, self._one)),
        }

    async def _all(self, request: Request, now: int) -> Board:
        show, before = request.query_params.get("show", ""), cleaned(request.query_params.get("before", ""))
        if show in HEADINGS:
            return await self._list(show, before, now)
        return Board(
            "Attestations",
            "attestations",
            "Owners state that the facts about their agents are right; each statement is signed and ends.",
            sections=[
                (
                    HEADINGS[CAMPAIGNS],
                    await self._few(CAMPAIGNS, now),
                    "Ask many owners at once: `scim-bridge campaigns open NAME --scope riskTier=high`",
                ),
                (HEADINGS[CHANGES], await self._few(CHANGES, now), ""),
                ("Latest statements", await self._few(STATEMENTS, now), ""),
            ],
        )

    async def _found(self, show: str, limit: int, before: str, now: int) -> list[dict[str, Any]]:
        reads = self._ctx.store.reads
        if show == STATEMENTS:
            return await summaries(reads, now, limit=limit, before=marked(before))
        return await view.campaigns(reads, changes=show == CHANGES, limit=limit, before=before or None)

    async def _few(self, show: str, now: int) -> Table:
        found = await self._found(show, FEW + 1, "", now)
        kept, rest = first_of(found, FEW, "newest", f"{HERE}?{urlencode({'show': show})}")
        return replace(_table(show, kept), rest=rest)

    async def _list(self, show: str, before: str, now: int) -> Board:
        """One of the lists, page by page."""

        def onward(last: dict[str, Any]) -> str:
            place = mark(last["at"], last["id"]) if show == STATEMENTS else str(last["id"])
            return f"{HERE}?{urlencode({'show': show, 'before': place})}"

        kept, older = page_of(await self._found(show, SHOWN + 1, before, now), SHOWN, onward)
        return Board(
            HEADINGS[show],
            "attestations",
            sections=[("The newest first", _table(show, kept), "")],
            crumb=("Attestations", HERE),
            older=older,
        )

    async def _one(self, request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        found = await campaign(reads, cleaned(request.path_params["id"]))
        asked = cleaned(request.query_params.get("state", ""))
        wanted = asked if asked in set(ItemState) else None
        told = await view.details(reads, found, now)
        here = f"{HERE}/campaigns/{found.id}"
        tones = {"waiting": WARN, "lapsed": BAD, "refused": BAD, "confirmed": GOOD}
        tiles = [Tile(str(found.total), "agents", url=here)]
        tiles += [
            Tile(str(count), name, tones.get(name, ""), f"{here}?{urlencode({'state': name})}")
            for name, count in told["counts"].items()
            if count
        ]
        slug, _, agent_id = cleaned(request.query_params.get("after", "")).rpartition(".")
        after = (slug, agent_id) if slug else None
        listed = await view.agents(reads, found, state=wanted, limit=SHOWN + 1, after=after)
        said = {"state": wanted} if wanted else {}
        agents, older = page_of(
            listed,
            SHOWN,
            lambda last: f"{here}?{urlencode({**said, 'after': '.'.join((last['agent'], last['id']))})}",
        )
        waiting = await view.most_waited_for(reads, found.id)
        facts = [
            ("State", told["state"]),
            ("Which agents", told["scope"]),
            ("Why", told["reason"] or "no reason was given"),
            ("Opened", f"{moment(found.opened)} by {found.opened_by}"),
            ("Due", f"{moment(found.due)}, what is not answered lapses on {moment(found.ends)}"),
            ("Next", _next(told["next"])),
            (
                "Most left to answer",
                ", ".join(f"{one['person']} ({one['waiting']})" for one in waiting) or "nobody",
            ),
        ]
        hint = (
            f"Evidence for an auditor: `scim-bridge attest bundle --campaign {found.id} --file evidence.zip`"
        )
        return Board(
            found.name,
            "attestations",
            tiles=tiles,
            sections=[(f"Agents, {wanted}" if wanted else "Agents", _agents(agents), hint)],
            facts=("The campaign", facts),
            crumb=("Attestations", HERE),
            older=older,
        )


def _next(told: str | None) -> str:
    at, _, what = (told or "").partition(": ")
    return f"{moment(parse_iso(at))}: {what}" if what else "nothing"


def _table(show: str, rows: list[dict[str, Any]]) -> Table:
    return _statements(rows) if show == STATEMENTS else _campaigns(rows)


def _campaigns(rows: list[dict[str, Any]]) -> Table:
    return Table(
        "Campaigns, the newest first",
        ("Campaign", "State", "Answered", "Waiting", "Lapsed", "Due"),
        tuple(
            (
                Cell(row["name"], url=f"{HERE}/campaigns/{row['id']}"),
                state(row["state"]),
                Cell(f"{row['answered']} of {row['agents']}"),
                number(row["waiting"], WARN),
                number(row["lapsed"], BAD),
                Cell(at=parse_iso(row["due"])),
            )
            for row in rows
        ),
        "None.",
    )


def _agents(rows: list[dict[str, Any]]) -> Table:
    return Table(
        "Agents of the campaign",
        ("Agent", "State", "Who answers", "Last step", "When"),
        tuple(
            (
                Cell(row["agent"], url=agent_url(row["agent"])),
                state(row["state"]),
                Cell(row["of"]),
                Cell(row["note"]),
                Cell(at=parse_iso(row["settled"] or row["next"]))
                if row["settled"] or row["next"]
                else Cell(),
            )
            for row in rows
        ),
        "No agent is in this state.",
    )


def _statements(rows: list[dict[str, Any]]) -> Table:
    return Table(
        "Statements, the newest first",
        ("Agent", "Said", "By", "At", "Until", "Comment"),
        tuple(
            (
                Cell(row["agent"] or "deleted", url=agent_url(row["agent"]) if row["agent"] else ""),
                Cell(row["verdict"], tone=GOOD if row["verdict"] in ("confirm", "reduce") else BAD),
                Cell(row["by"]),
                Cell(at=row["at"]),
                Cell(at=row["until"]) if row["until"] else Cell(),
                Cell(row["comment"]),
            )
            for row in rows
        ),
        "Nobody has stated anything yet. Ask an owner: `scim-bridge attest request AGENT`",
    )
