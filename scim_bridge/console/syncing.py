"""Sync in the console: every connection at a glance, and one with what goes on, its runs, drift and strangers."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.connecting.pages import VENDORS
from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.may import permitted
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import first_of, page_of
from scim_bridge.console.scripted import Following
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH, form_key
from scim_bridge.console.sync_now import HERE, at, now_of
from scim_bridge.console.sync_shown import differs, findings_table, nobodys, runs_table, shown
from scim_bridge.console.tables import BAD, WARN, Cell, Table, Tile, number, state
from scim_bridge.console.tally import Steps
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.connections import Connection, connection, connections
from scim_bridge.registry.findings import findings_at
from scim_bridge.sync.drift_keeping import KeptDrift, drifts_of
from scim_bridge.sync.plan import HELD, READY, changes_of
from scim_bridge.sync.service import Status, status
from scim_bridge.sync.stranger_keeping import KeptStranger, strangers_of

PREVIEWED = 20
# Each drift and each stranger has its forms: so many at a time.
SHOWN, FINDINGS, RUNS = 25, 100, 5


class Syncing:
    """The pages that show how sync stands."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages
        self._steps = Steps(ctx)

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/{{name}}": Following(ctx, pages, get=self._one),
            f"{HERE}/{{name}}/now": Screen(ctx, pages, get=self._now),
        }

    async def _all(self, request: Request, _now: int) -> Board:
        reads = self._ctx.store.reads
        session = await required_session(self._ctx, request)
        connect = Tile("Connect", "Okta or Entra, step by step", url=f"{PATH}/connect")
        lines = []
        for one in await connections(reads):
            counted = await self._steps.now(one.id)
            lines.append(_line(one, await status(reads, one, limit=1, counted=counted)))
        return Board(
            "Sync",
            "sync",
            "Facts, owners and attestations go into each IdP by a plan that is shown first.",
            [connect] if permitted(session, "settings.read") else [],
            sections=[("Connections", _connections(lines), "")],
        )

    async def _one(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        reads, instant = self._ctx.store.reads, self._ctx.store.clock.now()
        there = await connection(reads, cleaned(request.path_params["name"]))
        asked = cleaned(request.query_params.get("asked", ""))
        now = await now_of(reads, there, asked)
        if asked and now.go and not now.again:
            return redirect(now.go)
        found = await status(reads, there, limit=RUNS + 1, counted=await self._steps.now(there.id))
        drift, more_drift = await self._drift(request, there)
        strangers, more_strangers = await self._strangers(request, there)
        plan = found.plan
        fresh = plan is not None and plan.state in (READY, HELD)
        changes = await changes_of(reads, plan.id, limit=PREVIEWED) if plan is not None and fresh else []
        findings, wronger = first_of(
            await findings_at(reads, there.id, limit=FINDINGS + 1), FINDINGS, "first", at(there, "findings")
        )
        ran, earlier = first_of(found.runs, RUNS, "newest", at(there, "runs"))
        undone = len(found.troubles)
        if ran:
            undone = max(undone, ran[0].failed + ran[0].moved)
        tiles = [
            Tile(str(found.written), "agents kept in step"),
            Tile(str(0 if plan is None else plan.changes), "changes in the last plan"),
            Tile(str(found.drifts), "drifts open", WARN if drift else ""),
            Tile(str(found.strangers), "only at the IdP", WARN if strangers else ""),
            Tile(str(undone), "changes not done", BAD if undone else ""),
        ]
        known = await self._agents([row.mark for row in strangers if row.mark])
        page = self._pages.page(
            "sync.html",
            session,
            form_key(self._ctx, session),
            instant,
            there.name,
            "sync",
            there=there,
            base=at(there),
            going=now,
            follow=_follow(there, asked),
            tiles=tiles,
            found=found,
            plan=plan,
            fresh=fresh,
            changes=[shown(kept) for kept in changes],
            drift=[differs(row) for row in drift],
            strangers=[nobodys(row, known=row.mark in known) for row in strangers],
            undone=undone,
            more_drift=more_drift,
            more_strangers=more_strangers,
            runs=replace(runs_table(tuple(ran)), rest=earlier),
            findings=replace(findings_table(findings), rest=wronger) if findings else None,
            adopted=cleaned(request.query_params.get("adopted", ""))[:64],
            may_apply=permitted(session, "sync.apply"),
            wizard=f"{PATH}/connect/{quote(there.name)}" if there.kind in VENDORS else "",
            previewed=PREVIEWED,
        )
        return html(page)

    async def _drift(self, request: Request, there: Connection) -> tuple[list[KeptDrift], str]:
        """Some drifts, from the beginning or behind one, and the address of the next ones."""
        reads, after = self._ctx.store.reads, cleaned(request.query_params.get("drift", ""))
        found = await drifts_of(reads, there.id, after=after, limit=SHOWN + 1) if after else []
        found = found or await drifts_of(reads, there.id, limit=SHOWN + 1)
        return page_of(found, SHOWN, lambda last: f"{at(there)}?{urlencode({'drift': last.id})}#drift")

    async def _strangers(self, request: Request, there: Connection) -> tuple[list[KeptStranger], str]:
        """Some strangers, from the beginning or behind one, and the address of the next ones."""
        reads = self._ctx.store.reads
        name, remote = (cleaned(request.query_params.get(key, "")) for key in ("name", "remote"))
        found = await strangers_of(reads, there.id, after=(name, remote), limit=SHOWN + 1) if remote else []
        found = found or await strangers_of(reads, there.id, limit=SHOWN + 1)

        def onward(last: KeptStranger) -> str:
            return f"{at(there)}?{urlencode({'name': last.name, 'remote': last.remote_id})}#strangers"

        return page_of(found, SHOWN, onward)

    async def _agents(self, ids: list[str]) -> set[str]:
        if not ids:
            return set()
        rows = await self._ctx.store.reads.all(
            f"SELECT id FROM sb_agent WHERE id IN ({marks(len(ids))})", *ids
        )
        return {row["id"] for row in rows}

    async def _now(self, request: Request) -> Response:
        """The part of the page that says what goes on."""
        await required_session(self._ctx, request)
        reads = self._ctx.store.reads
        there = await connection(reads, cleaned(request.path_params["name"]))
        now = await now_of(reads, there, cleaned(request.query_params.get("asked", "")))
        over = "" if now.again or (now.asked is not None and now.asked.failed) else now.go or at(there)
        instant = self._ctx.store.clock.now()
        return html(self._pages.part("sync_now.html", going=now, go=over, now=instant))


def _follow(there: Connection, asked: str) -> str:
    return at(there, "now") + (f"?{urlencode({'asked': asked})}" if asked else "")


def _line(one: Connection, found: Status) -> tuple[Cell, ...]:
    last = found.runs[0] if found.runs else None
    return (
        Cell(one.name, url=at(one), under=one.kind),
        state(last.state, last.reason) if last else Cell("never ran" if one.has_secrets else "no push side"),
        Cell(at=last.started) if last else Cell(),
        number(found.written),
        number(found.drifts, WARN),
        number(found.strangers, WARN),
        number(len(found.troubles), BAD),
        Cell(at=found.next_try) if found.next_try is not None else Cell(),
        Cell(at=one.last_call) if one.last_call else Cell(),
    )


def _connections(lines: list[tuple[Cell, ...]]) -> Table:
    columns = (
        *("Connection", "Last run", "Begun", "In step", "Drift", "Nobody's"),
        *("Not done", "Next try", "Last call from it"),
    )
    return Table(
        "Connections",
        columns,
        tuple(lines),
        "No connection yet: Settings → Connect, or `scim-bridge connect okta`.",
    )
