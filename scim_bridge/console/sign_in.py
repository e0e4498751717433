"""Signing in at the IdP, or with an admin's token, and out again."""

from __future__ import annotations

from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.audit.record import record, record_refusal
from scim_bridge.console import session as cookies
from scim_bridge.console.door import SIGN_IN, redirect, same_site
from scim_bridge.console.forms import read_form
from scim_bridge.console.pages import Pages, Way
from scim_bridge.console.sso import flow as flows
from scim_bridge.console.sso.entering import Entered, entered
from scim_bridge.console.sso.provider import Provider, ProviderAway, SignInRefused
from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import Tampered
from scim_bridge.kernel.errors import BridgeError, Forbidden, NotFound, StoreUnavailable, Unauthenticated
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import address_of, request_id
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import sessions
from scim_bridge.registry.roles import ADMIN
from scim_bridge.registry.tokens import Grant, authenticate, mark_used

log = structlog.get_logger("scim_bridge.console")

# Secrets here carry 256 random bits, so this is not about guessing: it keeps floods out of database and audit.
FAILURES, WITHIN_SECONDS = 10, 300
CALLBACK = f"{SIGN_IN}/callback"


def safe_next(target: str) -> str:
    """An address inside the console to go on with; its first page for anything else."""
    inside = target == cookies.PATH or target.startswith((f"{cookies.PATH}/", f"{cookies.PATH}?"))
    harmless = target.isprintable() and target.isascii() and "\\" not in target and ".." not in target
    return target if inside and harmless and not target.startswith(SIGN_IN) else cookies.PATH


def pasted(text: str) -> str:
    """The token of what somebody pasted: its last word, for it is copied with `token` or `Bearer` before it."""
    return next(reversed(text.split()), "")


class SignIn:
    """Handlers of /console/sign-in with begin and callback below it, and of /console/sign-out."""

    def __init__(self, ctx: Context, pages: Pages, provider: Provider) -> None:
        self._ctx = ctx
        self._pages = pages
        self._provider = provider
        self._settings = provider.settings
        self._failures = Throttle(ctx.store.clock, FAILURES, WITHIN_SECONDS)

    async def show(self, request: Request) -> Response:
        """The ways in; somebody signed in goes straight on, unless they have to prove it anew."""
        then = safe_next(request.query_params.get("next", ""))
        again = request.query_params.get("again") == "1"
        if not again and await cookies.session_of(self._ctx, request) is not None:
            return redirect(then)
        return html(self._pages.sign_in(then, way=self._way(then)))

    def _way(self, then: str) -> Way:
        url = f"{SIGN_IN}/begin?{urlencode({'next': then})}" if self._settings.issuer else ""
        return Way(self._settings.name, url, self._settings.admin_token)

    async def begin(self, request: Request) -> Response:
        """Go to the IdP."""
        if not self._settings.issuer:
            raise NotFound("sign-in-off", "Nobody signs in at an IdP here.", "Set [sign_in] issuer.")
        described = await self._provider.described()
        then = safe_next(request.query_params.get("next", ""))
        again = request.query_params.get("again") == "1"
        flow = flows.begin(self._settings.issuer, self._ctx.store.clock.now(), then, again)
        query = flows.asking(flow, self._settings.client_id, self._redirect_uri, self._settings.scopes)
        mark = "&" if "?" in described.authorize else "?"
        value = flows.sealed(self._ctx.master, flow)
        seconds = flows.LASTS // 1_000_000
        kept = cookies.set_cookie(self._ctx, request, self._flow_cookie(request), value, seconds)
        return redirect(f"{described.authorize}{mark}{query}", kept)

    async def callback(self, request: Request) -> Response:
        """Open a session for whoever the IdP proves, or say why not."""
        gone = cookies.set_cookie(self._ctx, request, self._flow_cookie(request), "", 0)
        value = request.cookies.get(self._flow_cookie(request), "")
        now = self._ctx.store.clock.now()
        flow = flows.unsealed(self._ctx.master, value, now) if value else None
        try:
            if not self._settings.issuer:
                raise NotFound("sign-in-off", "Nobody signs in at an IdP here.", "Set [sign_in] issuer.")
            found = await entered(
                self._ctx, self._provider, flow, dict(request.query_params.multi_items()), self._redirect_uri
            )
            session = await self._open(request, found)
        except StoreUnavailable:
            raise
        except BridgeError as error:
            shown = await self._kept(request, error)
            page = self._pages.sign_in(flow.then if flow else cookies.PATH, shown, self._way(cookies.PATH))
            response = html(page, shown.status, _retry(shown))
            response.headers.append("set-cookie", gone)
            return response
        return redirect(found.then, gone, cookies.cookie(self._ctx, request, session))

    async def _open(self, request: Request, found: Entered) -> cookies.Session:
        """The session; an older one of this browser ends with it."""
        before = await cookies.session_of(self._ctx, request)
        person = found.person
        opened = sessions.Opened(
            sessions.OIDC,
            person.user_name,
            found.roles,
            self._settings.session_minutes * MINUTE,
            self._settings.idle_minutes * MINUTE,
            person_id=person.id,
            nonce=found.nonce,
            proof=found.proof,
            authenticated=found.authenticated,
        )
        actor = Actor("person", person.id, person.user_name, None, request_id(request), address_of(request))

        async def body(work: Work) -> sessions.Session:
            if before is not None:
                await cookies.end(work, before, "signed in anew")
            kept = await sessions.open_session(
                work, opened, lambda session_id: self._ctx.master.seal(_place(session_id), found.id_token)
            )
            detail = {
                "session": kept.id,
                "until": kept.until,
                "roles": list(found.roles),
                "by": sessions.OIDC,
            }
            await record(work, "console.signed_in", "person", person.id, {**detail, **found.proof})
            return kept

        return cookies.Session(await self._ctx.store.transact(actor, body))

    async def take(self, request: Request) -> Response:
        """Open a session for an admin's token, or say why not: 401, 403, or 429 after too many failures."""
        same_site(self._ctx, request)
        form = await read_form(request)
        then = safe_next(form.get("next", ""))
        try:
            if not self._settings.admin_token:
                raise Forbidden("token-sign-in-off", "Tokens do not open the console here.", "Use the IdP.")
            grant = await self._admin(request, pasted(form.get("token", "")))
        except BridgeError as error:
            return html(self._pages.sign_in(then, error, self._way(then)), error.status, _retry(error))
        before = await cookies.session_of(self._ctx, request)
        now = self._ctx.store.clock.now()
        opened = sessions.Opened(
            sessions.TOKEN,
            cookies.name_of(grant),
            (ADMIN,),
            self._settings.session_minutes * MINUTE,
            self._settings.idle_minutes * MINUTE,
            token_id=grant.token_id,
            authenticated=now,
            latest=grant.expires,
        )
        # Where people sign in at an IdP, a token is the glass that is broken: nobody should have to look for it.
        glass = bool(self._settings.issuer)

        async def body(work: Work) -> sessions.Session:
            if before is not None:
                await cookies.end(work, before, "signed in anew")
            await mark_used(work, grant)
            kept = await sessions.open_session(work, opened)
            detail = {"session": kept.id, "until": kept.until, "by": sessions.TOKEN}
            action = "console.break_glass" if glass else "console.signed_in"
            await record(work, action, "token", grant.token_id, detail)
            return kept

        actor = Actor("admin", grant.token_id, opened.name, None, request_id(request), address_of(request))
        session = cookies.Session(await self._ctx.store.transact(actor, body))
        if glass:
            log.warning(
                "console.break_glass", action="console.break_glass", token=grant.token_id, by=opened.name
            )
        return redirect(then, cookies.cookie(self._ctx, request, session))

    async def leave(self, request: Request) -> Response:
        """End the session, here and for every copy of its cookie, and then at the IdP."""
        session = await cookies.session_of(self._ctx, request)
        gone = cookies.cookie(self._ctx, request, None)
        if session is None:
            return redirect(SIGN_IN, gone)
        same_site(self._ctx, request)
        form = await read_form(request)
        if not cookies.genuine_form(self._ctx, session, form.get("form_key", "")):
            raise Forbidden("form-key", "This form is not from your session.", "Load the page again.")
        onward = await self._logout_url(session)

        async def body(work: Work) -> None:
            await cookies.end(work, session, "signed out")
            about = ("person", session.person_id) if session.person_id else ("token", session.token_id)
            await record(work, "console.signed_out", *about, {"session": session.id})

        await self._ctx.store.transact(session.actor(request), body)
        if not onward:
            return redirect(SIGN_IN, gone)
        # Not as an answer to the form: the policy of our pages lets no form lead to another site.
        response = html(
            self._pages.signed_out(self._settings.name, onward), headers={"refresh": f"1; url={onward}"}
        )
        response.headers.append("set-cookie", gone)
        return response

    async def _logout_url(self, session: cookies.Session) -> str:
        """Where the IdP ends its own session (RP-Initiated Logout 1.0); empty when it has no such place."""
        if session.kept.method != sessions.OIDC or not self._settings.issuer:
            return ""
        try:
            described = await self._provider.described()
            sealed = await sessions.kept_id_token(self._ctx.store.reads, session.id)
            hint = self._ctx.master.unseal(_place(session.id), sealed).decode() if sealed else ""
        except (ProviderAway, Tampered):
            return ""
        if not described.logout:
            return ""
        said = {"post_logout_redirect_uri": f"{self._ctx.public_url}{SIGN_IN}"}
        said |= {"id_token_hint": hint} if hint else {"client_id": self._settings.client_id}
        mark = "&" if "?" in described.logout else "?"
        return f"{described.logout}{mark}{urlencode(said)}"

    @property
    def _redirect_uri(self) -> str:
        return f"{self._ctx.public_url}{CALLBACK}"

    def _flow_cookie(self, request: Request) -> str:
        return flows.SECURE if cookies.over_https(self._ctx, request) else flows.PLAIN

    async def _admin(self, request: Request, token: str) -> Grant:
        """What the token grants, when it is an admin's. A good token opens also in the middle of a flood."""
        try:
            grant = await authenticate(
                self._ctx.store.reads, self._ctx.master, token, self._ctx.store.clock.now()
            )
            if cookies.is_admin(grant):
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
        raise await self._kept(request, refusal)

    async def _kept(self, request: Request, refusal: BridgeError) -> BridgeError:
        """The refusal after it was noted; beyond some of one address, that there were too many."""
        address = address_of(request) or ""
        wait = self._failures.wait(address)
        if wait is not None:
            return TooManyRequests(
                "too-many-sign-ins",
                "Too many sign-ins from here failed.",
                f"Wait {-(-wait // 60)} minutes.",
                retry_after=wait,
            )
        self._failures.count(address)
        of_idp = isinstance(refusal, SignInRefused | ProviderAway)
        kind = "person" if of_idp else "admin"
        visitor = Actor(kind, "unknown", "unknown", None, request_id(request), address)
        detail = {"code": refusal.code, **({"why": refusal.message} if of_idp else {})}
        await record_refusal(
            self._ctx.store, visitor, "console.sign_in_refused", "person" if of_idp else "token", None, detail
        )
        return refusal


def _place(session_id: str) -> str:
    return f"sb_session:{session_id}:id_token"


def _retry(error: BridgeError) -> dict[str, str]:
    return {"retry-after": str(error.retry_after)} if error.retry_after else {}
