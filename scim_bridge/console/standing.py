"""How the installation stands: components, doors for news, what waits; and the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from scim_bridge.console.boards import Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.leaving import kept_tile
from scim_bridge.console.pages import Pages
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, state
from scim_bridge.console.timeline import entry_of
from scim_bridge.departures.status import status
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.jobs import backlog
from scim_bridge.kernel.pages import span
from scim_bridge.signals.doors import Door, doors

STATUS = f"{PATH}/status"
AUDIT = f"{PATH}/audit"
SHOWN = 100
# What the composition root knows and this room does not: every component with its state and a word on it.
Components = Callable[[], Awaitable[list[dict[str, str]]]]


async def nothing_known() -> list[dict[str, str]]:
    """No component is known: the console alone, as in tests."""
    return []


class Standing:
    """The status page and the audit log."""

    def __init__(self, ctx: Context, pages: Pages, components: Components = nothing_known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._components = components

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            STATUS: Screen(ctx, pages, get=board(ctx, pages, self._status)),
            AUDIT: Screen(ctx, pages, get=board(ctx, pages, self._audit)),
        }

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
                Box(f"{dead} calls were given up", ("See why and try again: scim-bridge effects list",), BAD)
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

    async def _audit(self, request: Request, _now: int) -> Board:
        asked = request.query_params
        action, before = cleaned(asked.get("action", "")), cleaned(asked.get("before", ""))
        rows = await quietly(self._ctx, lambda reader: _rows(reader, action, before))
        older = ""
        if len(rows) == SHOWN:
            query = {"before": rows[-1]["id"], **({"action": action} if action else {})}
            older = f"{AUDIT}?{urlencode(query)}"
        return Board(
            "Audit",
            "audit",
            f"Only {action}. Every change, chained and signed."
            if action
            else "Every change, chained and signed.",
            sections=[
                (
                    "Entries",
                    _entries(rows),
                    "Check the chain: scim-bridge audit verify. Take it along: scim-bridge audit export --file FILE",
                )
            ],
            crumb=("Audit", AUDIT) if action or before else None,
            older=older,
        )


async def _rows(reader: Reader, action: str, before: str) -> list[Any]:
    where, values = ["1 = 1"], []
    if action:
        where.append("action = ?")
        values.append(action)
    if before:
        where.append("id < ?")
        values.append(before)
    return list(
        await reader.all(
            "SELECT id, at, actor_kind, actor_name, action, subject_kind, subject_id, outcome, detail, seq"
            f" FROM sb_audit WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT {SHOWN}",
            *values,
        )
    )


def _entries(rows: list[Any]) -> Table:
    made = []
    for row in rows:
        entry = entry_of(row, {})
        made.append(
            (
                Cell(at=row["at"]),
                Cell(
                    row["action"],
                    url=f"{AUDIT}?{urlencode({'action': row['action']})}",
                    under=" · ".join(entry.told),
                ),
                state(row["outcome"]) if row["outcome"] != "success" else Cell("success"),
                Cell(row["subject_kind"], under=row["subject_id"] or ""),
                Cell(row["actor_name"], under=row["actor_kind"]),
                Cell(f"{row['seq']:,}" if row["seq"] is not None else "in a moment"),
            )
        )
    columns = ("When", "What", "Outcome", "About", "By", "Place in the chain")
    return Table("Audit log, the newest first", columns, tuple(made))


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
