"""Settings in the console: connections, tokens, our own keys, stores. No value of any secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import first_of, mark, marked, page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, PLAIN, Cell, Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.registry.connections import Connection, connections
from scim_bridge.registry.tokens import tokens

HERE = f"{PATH}/settings"
# Rows of a list by itself, and of one that is a part of the page.
SHOWN, FEW = 50, 20
HEADINGS = {"tokens": "Tokens", "keys": "Our own keys"}


class Settings:
    """The page of settings."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Its address."""
        return {HERE: Screen(self._ctx, self._pages, get=board(self._ctx, self._pages, self._page))}

    async def _page(self, request: Request, now: int) -> Board:
        show, before = request.query_params.get("show", ""), cleaned(request.query_params.get("before", ""))
        if show in HEADINGS:
            return await self._list(show, before, now)
        reads = self._ctx.store.reads
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
                    await self._few("tokens", now),
                    "Make one: `scim-bridge tokens create`; for an IdP: Connect, above. It is shown once.",
                ),
                (
                    "Our own keys",
                    await self._few("keys", now),
                    "The public ones are published, to check receipts and statements with.",
                ),
                ("Stores of credentials", _stores(self._known), ""),
            ],
        )

    async def _found(self, show: str, limit: int, before: str) -> Sequence[Any]:
        reads, place = self._ctx.store.reads, marked(before)
        if show == "tokens":
            return await tokens(reads, limit=limit, before=place)
        rows: Sequence[Any] = await reads.all(
            "SELECT kid AS id, purpose, created, retired FROM sb_key"
            f"{'' if place is None else ' WHERE (created, kid) < (?, ?)'} ORDER BY created DESC, kid DESC LIMIT ?",
            *(place or ()),
            limit,
        )
        return rows

    async def _few(self, show: str, now: int) -> Table:
        url = f"{HERE}?{urlencode({'show': show})}"
        kept, rest = first_of(await self._found(show, FEW + 1, ""), FEW, "newest", url)
        return replace(_table(show, kept, now), rest=rest)

    async def _list(self, show: str, before: str, now: int) -> Board:
        """Tokens or keys, page by page."""

        def onward(last: Any) -> str:
            return f"{HERE}?{urlencode({'show': show, 'before': mark(last['created'], last['id'])})}"

        kept, older = page_of(await self._found(show, SHOWN + 1, before), SHOWN, onward)
        return Board(
            HEADINGS[show],
            "settings",
            sections=[("The newest first", _table(show, kept, now), "")],
            crumb=("Settings", HERE),
            older=older,
        )


def _table(show: str, rows: list[Any], now: int) -> Table:
    return _tokens(rows, now) if show == "tokens" else _keys(rows)


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
        "Keys that sign, the newest first",
        ("Key", "Signs", "Made", "State"),
        tuple(
            (
                Cell(row["id"]),
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
