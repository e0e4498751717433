"""Credentials in the console: the inventory with ages, ends and next rotations. Never a value."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, PLAIN, WARN, Cell, Table, Tile
from scim_bridge.credentials.policies import policies
from scim_bridge.credentials.policy import next_rotation
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.pages import span

HERE = f"{PATH}/credentials"
SHOWN = 50
SOON = 30 * DAY


class Credentials:
    """The page of credentials."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Its address."""
        return {HERE: Screen(self._ctx, self._pages, get=board(self._ctx, self._pages, self._all))}

    async def _all(self, request: Request, now: int) -> Board:
        asked = request.query_params
        after, soon = cleaned(asked.get("after", "")), asked.get("show") == "ending"
        found = await quietly(self._ctx, lambda reader: _listed(reader, now, after, soon))
        show = {"show": "ending"} if soon else {}
        rows, older = page_of(found, SHOWN, lambda last: f"{HERE}?{urlencode({'after': last['id'], **show})}")
        return Board(
            "Credentials",
            "credentials",
            "The secrets and keys that agents use: where each is kept and how old it is, never what it is.",
            tiles=[
                Tile("all", "credentials", url=HERE),
                Tile("ending", "within thirty days", WARN, f"{HERE}?show=ending"),
            ],
            sections=[
                (
                    "That end within thirty days" if soon else "The oldest first",
                    _table(rows, now),
                    "Rotate one now: `scim-bridge credentials rotate`. Its rotation: `scim-bridge credentials show`",
                )
            ],
            older=older,
        )


async def _listed(reader: Reader, now: int, after: str, soon: bool) -> list[dict[str, Any]]:
    where = "c.state = 'active' AND c.expires <= ? AND c.id > ?" if soon else "c.id > ?"
    values: list[Any] = [now + SOON, after] if soon else [after]
    rows = await reader.all(
        "SELECT c.*, a.slug FROM sb_credential c LEFT JOIN sb_agent a ON a.id = c.agent_id"
        f" WHERE {where} ORDER BY c.id LIMIT ?",
        *values,
        SHOWN + 1,
    )
    known = await policies(reader)
    found = []
    for row in rows:
        due = None
        if row["connection_id"] is not None and row["state"] == "active" and row["kind"] != "federated":
            policy = known.of(row["system"], row["slug"] or "", row["client_id"])
            due = next_rotation(policy, row["created"], row["expires"])
        found.append({**dict(row), "due": due})
    return found


def _table(rows: list[dict[str, Any]], now: int) -> Table:
    return Table(
        "Credentials",
        ("Agent", "Credential", "Kept in", "State", "Age", "Ends", "Next rotation"),
        tuple(
            (
                Cell(row["slug"], url=agent_url(row["slug"])) if row["slug"] else Cell("no agent of ours"),
                Cell(row["label"], under=row["kind"].replace("_", " ")),
                Cell(row["system"]),
                Cell(row["state"]) if row["state"] == "active" else Cell(row["state"], tone=PLAIN),
                Cell(span(max(0, now - row["created"]))),
                _end(row, now),
                Cell(at=row["due"]) if row["due"] else Cell("by its keeper"),
            )
            for row in rows
        ),
        "None is registered: a manifest names them, or they are read from the IdP.",
    )


def _end(row: dict[str, Any], now: int) -> Cell:
    if row["expires"] is None:
        return Cell("never", tone=WARN if row["state"] == "active" else PLAIN)
    if row["expires"] <= now:
        return Cell("ended", tone=BAD if row["state"] == "active" else PLAIN)
    return Cell(at=row["expires"])
