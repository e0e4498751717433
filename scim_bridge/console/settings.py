"""Settings in the console: connections, tokens, our own keys, stores. No value of any secret."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, PLAIN, Cell, Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.registry.connections import Connection, connections
from scim_bridge.registry.tokens import tokens

HERE = f"{PATH}/settings"
SHOWN = 100


class Settings:
    """The page of settings."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Its address."""
        return {HERE: Screen(self._ctx, self._pages, get=board(self._ctx, self._pages, self._page))}

    async def _page(self, _request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        keys = await reads.all(
            "SELECT kid, purpose, created, retired FROM sb_key ORDER BY created DESC, kid LIMIT ?", SHOWN
        )
        known = (await tokens(reads))[:SHOWN]
        return Board(
            "Settings",
            "settings",
            "What this bridge is connected to, and who may call it.",
            tiles=[Tile("Connect", "Okta or Entra, step by step", url=f"{PATH}/connect")],
            sections=[
                (
                    "Connections",
                    _connections(await connections(reads)),
                    "Add one: Connect, above. Each is changed by `scim-bridge connections configure`.",
                ),
                (
                    "Tokens",
                    _tokens(known, now),
                    "Make one: `scim-bridge tokens create`; for an IdP: Connect, above. It is shown once.",
                ),
                (
                    "Our own keys",
                    _keys(keys),
                    "The public ones are published, to check receipts and statements with.",
                ),
                ("Stores of credentials", _stores(self._known), ""),
            ],
        )


def _connections(found: list[Connection]) -> Table:
    return Table(
        "Connections",
        ("Connection", "Kind", "Dialect"),
        tuple(
            (Cell(one.name, url=f"{PATH}/sync/{one.name}"), Cell(one.kind), Cell(one.dialect))
            for one in found
        ),
        "None yet.",
    )


def _tokens(found: list[Any], now: int) -> Table:
    def standing(row: Any) -> Cell:
        if row["revoked"] is not None:
            return Cell("revoked", tone=PLAIN)
        if row["expires"] is not None and row["expires"] <= now:
            return Cell("expired", tone=BAD)
        return Cell("live", tone=GOOD)

    return Table(
        "Tokens, the newest first",
        ("Token", "For", "May", "State", "Last used", "Ends"),
        tuple(
            (
                Cell(row["label"] or "without a label", under=f"{row['hint']}…"),
                Cell(row["connection"] or "this bridge"),
                Cell(row["scopes"]),
                standing(row),
                Cell(at=row["last_used"]) if row["last_used"] else Cell("never"),
                Cell(at=row["expires"]) if row["expires"] else Cell("never"),
            )
            for row in found
        ),
        "None yet.",
    )


def _keys(rows: Any) -> Table:
    return Table(
        "Keys that sign",
        ("Key", "Signs", "Made", "State"),
        tuple(
            (
                Cell(row["kid"]),
                Cell(row["purpose"]),
                Cell(at=row["created"]),
                Cell("retired", tone=PLAIN) if row["retired"] else Cell("in use", tone=GOOD),
            )
            for row in rows
        ),
        "None is needed yet: each is made when something is signed first.",
    )


def _stores(known: Known) -> Table:
    return Table(
        "Stores",
        ("Store", "Kind"),
        tuple((Cell(name), Cell(kind)) for name, kind in known.stores.items()),
        "None: rotated credentials have nowhere to go. See docs/how-to.",
    )
