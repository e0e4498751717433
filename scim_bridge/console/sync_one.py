"""Provision on demand in the console: one agent at one IdP, every step told, then written if it is still so."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.acting import reason_in, sent
from scim_bridge.console.asked import Asked, asked_for, effect_named
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.may import permitted
from scim_bridge.console.pages import Pages
from scim_bridge.console.scripted import Following
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import Session, form_key
from scim_bridge.console.sync_acts import pushing
from scim_bridge.console.sync_now import HERE, at
from scim_bridge.console.sync_shown import compared, said
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.sync.asked import ask_for_one, lane_of

WORDS = {
    "registry": "In the registry",
    "scope": "In the scope of the connection",
    "tenant": "The tenant",
    "look-up": "Looked up there",
    "difference": "Difference",
}


class SyncOne:
    """The page, and what its buttons do."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages, here = self._ctx, self._pages, f"{HERE}/{{name}}/one"
        return {
            here: Following(ctx, pages, get=self._show, post=self._look),
            f"{here}/now": Screen(ctx, pages, get=self._now),
            f"{here}/write": Screen(ctx, pages, post=self._write),
            f"{here}/release": Screen(ctx, pages, post=self._release),
        }

    async def _there(self, request: Request) -> Connection:
        return await connection(self._ctx.store.reads, cleaned(request.path_params["name"]))

    async def _known(self, request: Request) -> tuple[Connection, Asked | None, Asked | None]:
        """The connection, what was asked for, and the write that came of it."""
        there = await self._there(request)
        reads = self._ctx.store.reads
        asked = await asked_for(reads, cleaned(request.query_params.get("asked", "")), lane_of(there.id))
        push = asked.result.get("push") if asked is not None else None
        return there, asked, await effect_named(reads, str(push)) if push else None

    async def _show(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        there, asked, push = await self._known(request)
        result = {} if asked is None else asked.result
        steps = result.get("steps", [])
        page = self._pages.page(
            "one.html",
            session,
            form_key(self._ctx, session),
            self._ctx.store.clock.now(),
            "Provision one agent",
            "sync",
            there=there,
            base=at(there),
            url=at(there, "one"),
            agent=str(result.get("agent") or cleaned(request.query_params.get("agent", ""))),
            asked=asked,
            push=push,
            follow=f"{at(there, 'one', 'now')}?{urlencode({'asked': asked.id})}" if asked else "",
            again=_again(asked, push),
            steps=[
                (WORDS.get(step["step"], step["step"]), step["what"])
                for step in steps
                if step["step"] != "mapping"
            ],
            mapped=[
                (
                    step["detail"]["target"],
                    said(step["detail"]["value"]),
                    step["detail"]["source"],
                    step["what"],
                )
                for step in steps
                if step["step"] == "mapping"
            ],
            rows=compared(steps),
            held=result.get("held", ""),
            stopped=result.get("stopped", ""),
            seen=result.get("seen", ""),
            moved=bool(result.get("moved")),
            may_apply=permitted(session, "sync.apply"),
            may_release=permitted(session, "sync.release"),
        )
        return html(page)

    async def _now(self, request: Request) -> Response:
        """The part that says how far it is."""
        await required_session(self._ctx, request)
        there, asked, push = await self._known(request)
        again = _again(asked, push)
        go = "" if again or asked is None else f"{at(there, 'one')}?{urlencode({'asked': asked.id})}"
        return html(self._pages.part("one_now.html", asked=asked, push=push, again=again, go=go))

    async def _look(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        return await self._ask(request, session, cleaned(form.get("agent", "")))

    async def _write(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        return await self._ask(request, session, cleaned(form.get("agent", "")), seen=_seen(form))

    async def _release(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        reason = reason_in(form)
        agent = cleaned(form.get("agent", ""))
        return await self._ask(request, session, agent, seen=_seen(form), release=reason)

    async def _ask(
        self, request: Request, session: Session, agent: str, *, seen: str = "", release: str = ""
    ) -> Response:
        there = await self._there(request)
        pushing(there)
        facts = await find_agent(self._ctx.store.reads, agent) if agent else None
        if facts is None:
            raise NotFound(
                "agent-unknown", f"There is no agent “{agent[:64]}”.", "Write its name as the list has it."
            )

        async def body(work: Work) -> str:
            return await ask_for_one(work, there, facts.slug, seen=seen, release=release)

        asked = await self._ctx.store.transact(session.actor(request), body)
        return redirect(f"{at(there, 'one')}?{urlencode({'asked': asked})}")


def _seen(form: dict[str, str]) -> str:
    """The digest of what was shown; Invalid without one, for only what was seen is written."""
    seen = cleaned(form.get("seen", ""))
    if not seen:
        raise Invalid("one-unseen", "Nothing was looked at.", "Look first, then write.")
    return seen


def _again(asked: Asked | None, push: Asked | None) -> bool:
    return (asked is not None and asked.open) or (push is not None and push.open)
