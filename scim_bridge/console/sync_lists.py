"""What a connection's page shows the beginning of, page by page: its runs, and what the IdP itself finds wrong."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request

from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.sync_now import HERE, at
from scim_bridge.console.sync_shown import findings_table, runs_table
from scim_bridge.kernel.context import Context
from scim_bridge.registry.connections import connection
from scim_bridge.registry.findings import findings_at
from scim_bridge.sync.run import runs

SHOWN = 50


class SyncLists:
    """The pages of these lists."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            f"{HERE}/{{name}}/runs": Screen(ctx, pages, get=board(ctx, pages, self._runs)),
            f"{HERE}/{{name}}/findings": Screen(ctx, pages, get=board(ctx, pages, self._findings)),
        }

    async def _runs(self, request: Request, _now: int) -> Board:
        reads = self._ctx.store.reads
        there = await connection(reads, cleaned(request.path_params["name"]))
        before = cleaned(request.query_params.get("before", ""))
        found = await runs(reads, there.id, limit=SHOWN + 1, before=before or None)
        kept, older = page_of(
            found, SHOWN, lambda last: f"{at(there, 'runs')}?{urlencode({'before': last.id})}"
        )
        return Board(
            f"Runs of {there.name}",
            "sync",
            sections=[("The newest first", runs_table(tuple(kept)), "")],
            crumb=(there.name, at(there)),
            older=older,
        )

    async def _findings(self, request: Request, _now: int) -> Board:
        reads = self._ctx.store.reads
        there = await connection(reads, cleaned(request.path_params["name"]))
        slug, code = (cleaned(request.query_params.get(name, "")) for name in ("agent", "code"))
        found = await findings_at(reads, there.id, limit=SHOWN + 1, after=(slug, code) if slug else None)
        kept, older = page_of(
            found,
            SHOWN,
            lambda last: (
                f"{at(there, 'findings')}?{urlencode({'agent': last.slug, 'code': last.finding.code})}"
            ),
        )
        return Board(
            f"What {there.name} finds wrong",
            "sync",
            sections=[("By agent", findings_table(kept), "")],
            crumb=(there.name, at(there)),
            older=older,
        )
