"""What the forms of the connect wizard do: a connection, a token shown once, credentials, and checks a worker makes."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.connecting import steps
from scim_bridge.connecting.asked import KINDS, PROBE, PROOF, REHEARSAL, ask
from scim_bridge.connecting.pages import VENDORS
from scim_bridge.connecting.shown import made_once, still_shown, token_of
from scim_bridge.console.acting import sent
from scim_bridge.console.connect_form import told
from scim_bridge.console.connecting import HERE, index, token_url, url_of, vendor_of, wizard
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.scripted import Following
from scim_bridge.console.search import cleaned
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, Refused
from scim_bridge.kernel.pages import html
from scim_bridge.registry.connections import Connection, checked_name, connection

SENT_ONCE = re.compile(r"[\w-]{16,64}", re.ASCII)


class ConnectActs:
    """The addresses the wizard's forms are sent to."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages, one = self._ctx, self._pages, f"{HERE}/{{name}}"
        return {
            HERE: Screen(ctx, pages, get=self._index, post=self._begin),
            f"{one}/token": Following(ctx, pages, get=self._shown, post=self._token),
            f"{one}/credentials": Following(ctx, pages, post=self._credentials),
            f"{one}/check": Screen(ctx, pages, post=self._check),
        }

    async def _there(self, request: Request) -> Connection:
        there = await connection(self._ctx.store.reads, cleaned(request.path_params["name"]))
        vendor_of(there)
        return there

    async def _index(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        return html(await index(self._ctx, self._pages, session))

    async def _begin(self, request: Request) -> Response:
        """A connection, made when there is none of that name."""
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        kind = cleaned(form.get("kind", ""))
        if kind not in VENDORS:
            raise Invalid("connection-kind", "Which IdP is not said.", "Choose Okta or Entra.")
        name = checked_name(cleaned(form.get("name", "")) or kind)
        made = await steps.connected(self._ctx, session.actor(request), name, kind)
        return redirect(url_of(made.there.name))

    async def _token(self, request: Request) -> Response:
        """A new token, one however often the form is sent; unused ones it stands for are revoked."""
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        there, ctx = await self._there(request), self._ctx
        once = form.get("once", "")
        if not SENT_ONCE.fullmatch(once):
            raise Invalid("token-form", "This form is not whole.", "Load the page again.")
        token = token_of(ctx.master, session.id, there, once)
        await made_once(ctx, session.actor(request), there, token, form.get("seen", ""))
        return redirect(token_url(there.name, once))

    async def _shown(self, request: Request) -> Response:
        """The wizard with the token that this session's form made; some minutes later, without it."""
        session = await required_session(self._ctx, request)
        there, ctx = await self._there(request), self._ctx
        once = request.query_params.get("once", "")
        token = token_of(ctx.master, session.id, there, once) if SENT_ONCE.fullmatch(once) else ""
        if not token or not await still_shown(ctx, there, token):
            return redirect(url_of(there.name))
        return html(await wizard(ctx, self._pages, self._known, session, there, token, once))

    async def _credentials(self, request: Request) -> Response:
        """The credentials of the way back, sealed; then a worker asks what can be used with them.

        What cannot be meant leads to the same form with the reason, and without the secrets.
        """
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        there, actor = await self._there(request), session.actor(request)
        try:
            settings, secrets = told(there.kind, form)
            await steps.credentialed(self._ctx, actor, there.name, settings, secrets)
        except Invalid as wrong:
            page = wizard(self._ctx, self._pages, self._known, session, there, wrong=wrong, kept=form)
            return html(await page, wrong.status)
        kept = await self._there(request)
        await self._ctx.store.transact(actor, lambda work: ask(work, kept, PROBE, anew=True))
        return redirect(url_of(there.name) + "#way-back")

    async def _check(self, request: Request) -> Response:
        """Have something checked by a worker."""
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        there, kind = await self._there(request), cleaned(form.get("what", ""))
        if kind not in KINDS:
            raise Invalid("check-kind", "This page knows no such button.", "Load the page again.")
        if not steps.local(self._ctx.public_url):
            self._outside(kind, sure=form.get("sure") == "yes")
        agent = cleaned(form.get("agent", ""))[:200]
        await self._ctx.store.transact(session.actor(request), lambda work: ask(work, there, kind, agent))
        return redirect(url_of(there.name) + "#s3")

    def _outside(self, kind: str, *, sure: bool) -> None:
        """Refused where others work with this bridge: a rehearsal at all, a proof unless somebody is sure."""
        if kind == REHEARSAL:
            raise Refused(
                "rehearsal-outside",
                f"Others work with this bridge at {self._ctx.public_url}: a rehearsal would be seen by them.",
                "Rehearse in a bridge of its own: scim-bridge connect okta --sandbox.",
            )
        if kind == PROOF and not sure:
            raise Refused(
                "proof-outside",
                "The suite makes users and groups of its own here, and deletes them.",
                "Tick the box if that is right, or prove a copy: docs/how-to/prove-a-deployment.md.",
            )
