"""One plan in the console: every change old and new, and the button that applies exactly these."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.acting import reason_in, sent
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.may import permitted
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import Session, form_key
from scim_bridge.console.sync_now import HERE, at
from scim_bridge.console.sync_shown import shown
from scim_bridge.departures.approver import approver_of
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.sync.asked import ask_to_apply
from scim_bridge.sync.plan import APPLIED, HELD, Plan, change_of, last_plan
from scim_bridge.sync.plan import plan as kept_plan
from scim_bridge.sync.release import persons_needed, releases_of

SHOWN = 50


class SyncPlan:
    """The page of a plan, and what its buttons do."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages, here = self._ctx, self._pages, f"{HERE}/{{name}}/plans/{{id}}"
        return {
            here: Screen(ctx, pages, get=self._show),
            f"{here}/apply": Screen(ctx, pages, post=self._apply),
            f"{here}/release": Screen(ctx, pages, post=self._release),
        }

    async def _found(self, request: Request) -> tuple[Connection, Plan]:
        reads = self._ctx.store.reads
        there = await connection(reads, cleaned(request.path_params["name"]))
        plan = await kept_plan(reads, cleaned(request.path_params["id"]))
        if plan.connection_id != there.id:
            raise NotFound("plan-unknown", f"{there.name} has no such plan.", "Look at its last one.")
        return there, plan

    async def _show(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        there, plan = await self._found(request)
        reads, instant = self._ctx.store.reads, self._ctx.store.clock.now()
        after = cleaned(request.query_params.get("after", ""))
        start = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else -1
        rows: Any = await reads.all(
            "SELECT * FROM sb_change WHERE plan_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            plan.id,
            start,
            SHOWN + 1,
        )
        url = at(there, "plans", plan.id)
        kept, older = page_of(rows, SHOWN, lambda last: f"{url}?after={last['seq']}")
        newest = await last_plan(reads, there.id)
        page = self._pages.page(
            "plan.html",
            session,
            form_key(self._ctx, session),
            instant,
            "Plan",
            "sync",
            there=there,
            base=at(there),
            url=url,
            plan=plan,
            newest=newest is None or newest.id == plan.id,
            changes=[shown(change_of(row)) for row in kept],
            start=start,
            older=older,
            words=await releases_of(reads, plan, instant) if plan.state == HELD else [],
            needed=persons_needed(there.settings, plan),
            may_apply=permitted(session, "sync.apply"),
            may_release=permitted(session, "sync.release"),
        )
        return html(page)

    async def _apply(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        await sent(self._ctx, request, session)
        there, plan = await self._found(request)
        if plan.state == HELD:
            raise Refused(
                "plan-held", f"The brake holds this plan: {plan.reason}", "Let it go with a reason."
            )
        return await self._ask(request, session, there, plan, "")

    async def _release(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        reason = reason_in(await sent(self._ctx, request, session))
        there, plan = await self._found(request)
        if plan.state != HELD:
            raise Refused("plan-not-held", "Nothing holds this plan.", "Apply it.")
        if session.token_id is not None:
            # A word that counts is somebody's: a token without a label has a name made up for it.
            named = session.name != f"token {session.token_id[-6:]}"
            approver_of(session.name if named else None, session.token_id)
        return await self._ask(request, session, there, plan, reason)

    async def _ask(
        self, request: Request, session: Session, there: Connection, plan: Plan, release: str
    ) -> Response:
        if plan.state == APPLIED:
            raise Refused("plan-applied", "This plan was applied before.", "Make a new one.")

        async def body(work: Work) -> str:
            return await ask_to_apply(work, plan, release)

        asked = await self._ctx.store.transact(session.actor(request), body)
        return redirect(f"{at(there)}?{urlencode({'asked': asked})}")
