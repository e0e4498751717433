"""Attestations in the console: campaigns and how far they are, one campaign's agents, the newest statements."""

from __future__ import annotations

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
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, number, state
from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import moment

HERE = f"{PATH}/attestations"
SHOWN = 200


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

    async def _all(self, _request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        return Board(
            "Attestations",
            "attestations",
            "Owners state that the facts about their agents are right; each statement is signed and ends.",
            sections=[
                (
                    "Campaigns",
                    _campaigns(await view.campaigns(reads, limit=20)),
                    "Ask many owners at once: `scim-bridge campaigns open NAME --scope riskTier=high`",
                ),
                ("After a change", _campaigns(await _events(reads)), ""),
                ("Latest statements", _statements(await summaries(reads, now, limit=20)), ""),
            ],
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
        agents = await view.agents(reads, found, state=wanted, limit=SHOWN)
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
        )


def _next(told: str | None) -> str:
    at, _, what = (told or "").partition(": ")
    return f"{moment(parse_iso(at))}: {what}" if what else "nothing"


async def _events(reads: Any) -> list[dict[str, Any]]:
    found = await view.campaigns(reads, events=True, limit=40)
    return [one for one in found if one["kind"] == "event" and one["state"] == "open"]


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
