"""How the installation stands: components, doors for news, what waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from scim_bridge.console.boards import Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.leaving import kept_tile
from scim_bridge.console.pages import Pages
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, state
from scim_bridge.departures.status import status
from scim_bridge.kernel.backlog import backlog
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import span
from scim_bridge.signals.doors import Door, doors

STATUS = f"{PATH}/status"
# What the composition root knows and this room does not: every component with its state and a word on it.
Components = Callable[[], Awaitable[list[dict[str, str]]]]


async def nothing_known() -> list[dict[str, str]]:
    """No component is known: the console alone, as in tests."""
    return []


class Standing:
    """The status page."""

    def __init__(self, ctx: Context, pages: Pages, components: Components = nothing_known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._components = components

    def screens(self) -> dict[str, Screen]:
        """Its address."""
        ctx, pages = self._ctx, self._pages
        return {STATUS: Screen(ctx, pages, get=board(ctx, pages, self._status))}

    async def _status(self, _request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        waiting = await backlog(reads)
        known = await doors(reads)
        leaving = await status(reads, now)
        drill = leaving["drill"]
        lines = await self._components()
        ready = all(line["state"] == "ok" for line in lines)
        dead = waiting.get("dead", 0)
        kept, closed = leaving["within_five_minutes"], leaving["closed_30_days"]
        tiles = [
            Tile("ready" if ready else "not ready", "this process", GOOD if ready else BAD),
            kept_tile(kept, closed),
            Tile("none yet" if drill is None else str(drill["state"]), "last drill"),
            Tile(str(waiting.get("pending", 0) + waiting.get("handed", 0)), "calls waiting"),
            Tile(str(dead), "calls given up", BAD if dead else ""),
        ]
        boxes = []
        if dead:
            boxes.append(
                Box(
                    f"{dead} calls were given up", ("See why and try again: `scim-bridge effects list`",), BAD
                )
            )
        return Board(
            "Status",
            "status",
            tiles=tiles,
            boxes=boxes,
            sections=[
                ("Components", _components(lines), ""),
                ("Doors for news about people", _doors(known), "Each door: docs/reference/doors.md"),
            ],
        )


def _components(lines: list[dict[str, str]]) -> Table:
    return Table(
        "Components of this process",
        ("Component", "State", "Detail"),
        tuple((Cell(one["component"]), state(one["state"]), Cell(one["detail"])) for one in lines),
    )


def _doors(known: list[Door]) -> Table:
    return Table(
        "Doors",
        ("Door", "State", "Last heard", "Newest event", "Lag", "Events", "Gaps"),
        tuple(
            (
                Cell(one.name, under=one.kind),
                state("trouble", one.trouble) if one.trouble else state("works"),
                Cell(at=one.heard) if one.heard is not None else Cell("never"),
                Cell(at=one.event) if one.event is not None else Cell(),
                Cell(span(one.lag) if one.lag is not None else ""),
                Cell(f"{one.events:,}"),
                Cell(str(len(one.gaps)), tone=WARN, under=one.gaps[-1].why) if one.gaps else Cell("none"),
            )
            for one in known
        ),
        "No door was heard yet: an HR webhook, an event hook of Okta, Entra's notifications, or SCIM.",
    )
