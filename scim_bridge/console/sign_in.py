"""Signing in with an admin's token, and out again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.audit.record import record, record_refusal
from scim_bridge.console import session as sessions
from scim_bridge.console.door import SIGN_IN, redirect, same_site
from scim_bridge.console.forms import read_form
from scim_bridge.console.pages import Pages
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Forbidden, Unauthenticated
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import address_of, request_id
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.tokens import Grant, authenticate, mark_used

# Tokens carry 256 random bits, so this is not about guessing: it keeps floods out of database and audit.
FAILURES, WITHIN_SECONDS = 10, 300


def safe_next(target: str) -> str:
    """An address inside the console to go on with; its first page for anything else."""
    inside = target == sessions.PATH or target.startswith((f"{sessions.PATH}/", f"{sessions.PATH}?"))
    harmless = target.isprintable() and target.isascii() and "\\" not in target and ".." not in target
    return target if inside and harmless and not target.startswith(SIGN_IN) else sessions.PATH


class SignIn:
    """Handlers of /console/sign-in and /console/sign-out."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages
        self._failures = Throttle(ctx.store.clock, FAILURES, WITHIN_SECONDS)

    async def show(self, request: Request) -> Response:
        """The form; somebody signed in goes straight on."""
        then = safe_next(request.query_params.get("next", ""))
        if await sessions.session_of(self._ctx, request) is not None:
            return redirect(then)
        return html(self._pages.sign_in(then))

    async def take(self, request: Request) -> Response:
        """Open a session, or say why not: 401, 403, or 429 after too many failures from one address."""
        same_site(self._ctx, request)
        form = await read_form(request)
        then = safe_next(form.get("next", ""))
        try:
            grant = await self._admin(request, form.get("token", "").strip())
        except BridgeError as error:
            headers = {"retry-after": str(error.retry_after)} if error.retry_after else {}
            return html(self._pages.sign_in(then, error), error.status, headers)
        session = sessions.opened(grant, self._ctx.store.clock.now())

        async def body(work: Work) -> None:
            await mark_used(work, grant)
            await record(work, "console.signed_in", "token", grant.token_id, {"until": session.until})

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(then, sessions.cookie(self._ctx, request, session))

    async def leave(self, request: Request) -> Response:
        """End the session, here and for every copy of its cookie."""
        session = await sessions.session_of(self._ctx, request)
        if session is not None:
            same_site(self._ctx, request)
            form = await read_form(request)
            if not sessions.genuine_form(self._ctx, session, form.get("form_key", "")):
                raise Forbidden("form-key", "This form is not from your session.", "Load the page again.")

            async def body(work: Work) -> None:
                await sessions.end(work, session)
                await record(work, "console.signed_out", "token", session.token_id)

            await self._ctx.store.transact(session.actor(request), body)
        return redirect(SIGN_IN, sessions.cookie(self._ctx, request, None))

    async def _admin(self, request: Request, token: str) -> Grant:
        """What the token grants, when it is an admin's. A good token opens also in the middle of a flood."""
        try:
            grant = await authenticate(
                self._ctx.store.reads, self._ctx.master, token, self._ctx.store.clock.now()
            )
            if sessions.is_admin(grant):
                return grant
            refusal: BridgeError = Forbidden(
                "not-an-admin",
                "This token is not an admin's.",
                "Make one: scim-bridge tokens create --scope admin.",
            )
        except Unauthenticated:
            refusal = Unauthenticated(
                "token-invalid",
                "This token is unknown, revoked or expired.",
                "Check that it was copied as a whole.",
            )
        await self._refuse(request, refusal)
        raise refusal

    async def _refuse(self, request: Request, refusal: BridgeError) -> None:
        address = address_of(request) or ""
        wait = self._failures.wait(address)
        if wait is not None:
            raise TooManyRequests(
                "too-many-sign-ins",
                "Too many sign-ins from here failed.",
                f"Wait {-(-wait // 60)} minutes.",
                retry_after=wait,
            )
        self._failures.count(address)
        visitor = Actor("admin", "unknown", "unknown", None, request_id(request), address)
        await record_refusal(
            self._ctx.store, visitor, "console.sign_in_refused", "token", None, {"code": refusal.code}
        )
