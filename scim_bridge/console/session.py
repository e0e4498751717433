"""Who is signed in: a cookie of random bits that names a session kept in the database."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from starlette.requests import Request

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import equal
from scim_bridge.kernel.web import address_of, request_id
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import sessions
from scim_bridge.registry.tokens import Grant

PATH = "/console"
PLAIN, SECURE = "sb_console", "__Host-sb_console"
FOUND = "scim_bridge.console.session"


@dataclass(frozen=True, slots=True)
class Session:
    """One person, or one admin's token, at one browser."""

    kept: sessions.Session

    @property
    def id(self) -> str:
        """Its id, as `scim-bridge sessions list` shows it."""
        return self.kept.id

    @property
    def name(self) -> str:
        """What whoever is signed in is called."""
        return self.kept.name

    @property
    def said_name(self) -> str | None:
        """The same; None for a token without a label, for which a name is made up that is nobody's."""
        made_up = self.token_id is not None and self.name == f"token {self.token_id[-6:]}"
        return None if made_up else self.name

    @property
    def token_id(self) -> str | None:
        """The admin's token it was opened with."""
        return self.kept.token_id

    @property
    def person_id(self) -> str | None:
        """The person who signed in at the IdP."""
        return self.kept.person_id

    @property
    def roles(self) -> tuple[str, ...]:
        """What whoever is signed in is here."""
        return self.kept.roles

    def actor(self, request: Request) -> Actor:
        """Who acts in this session: the person, or the admin whose token it is."""
        kind, who = ("person", self.person_id) if self.person_id else ("admin", self.token_id)
        return Actor(kind, str(who), self.name, None, request_id(request), address_of(request))


def name_of(grant: Grant) -> str:
    """What the holder of a token is called."""
    return grant.label or f"token {grant.token_id[-6:]}"


def over_https(ctx: Context, request: Request) -> bool:
    """True when the browser's connection is encrypted, here or at a proxy in front."""
    return request.url.scheme == "https" or ctx.public_url.startswith("https://")


def cookie(ctx: Context, request: Request, session: Session | None) -> str:
    """The Set-Cookie header that starts a session, or ends it when there is none."""
    names = SECURE if over_https(ctx, request) else PLAIN
    if session is None:
        return set_cookie(ctx, request, names, "", 0)
    left = (session.kept.until - ctx.store.clock.now()) // SECOND
    return set_cookie(ctx, request, names, session.kept.secret, max(0, left))


def set_cookie(ctx: Context, request: Request, name: str, value: str, seconds: int) -> str:
    """A Set-Cookie header for this host alone; Lax, for the way back from the IdP begins at another site."""
    jar: SimpleCookie = SimpleCookie()
    jar[name] = value
    morsel = jar[name]
    morsel["path"] = "/"
    morsel["httponly"] = True
    morsel["samesite"] = "Lax"
    morsel["max-age"] = str(seconds)
    if over_https(ctx, request):
        morsel["secure"] = True
    return morsel.OutputString()


async def session_of(ctx: Context, request: Request) -> Session | None:
    """The session of a request; None when there is none or it is over. Read once for each request."""
    found: Any = request.scope.get(FOUND, FOUND)
    if found == FOUND:
        found = request.scope[FOUND] = await _session_of(ctx, request)
    return found  # type: ignore[no-any-return]


async def _session_of(ctx: Context, request: Request) -> Session | None:
    secret = request.cookies.get(SECURE if over_https(ctx, request) else PLAIN, "")
    if len(secret) != 64 or not secret.isascii():
        return None
    now = ctx.store.clock.now()
    kept = await sessions.live_session(ctx.store.reads, secret, now)
    if kept is None:
        return None
    session = Session(kept)
    if now - kept.seen >= sessions.SEEN_EVERY:
        await ctx.store.transact(session.actor(request), lambda work: sessions.mark_seen(work, kept))
    return session


def is_admin(grant: Grant) -> bool:
    """True for an admin's token; an IdP's or a gateway's opens no session."""
    return grant.connection_id is None and "admin" in grant.scopes


async def end(work: Work, session: Session, why: str) -> None:
    """End a session, for every copy of its cookie."""
    await sessions.end_session(work, session.id, why)


def form_key(_ctx: Context, session: Session) -> str:
    """What every form of a session carries: another site cannot know it."""
    return session.kept.form_key


def genuine_form(ctx: Context, session: Session, given: str) -> bool:
    """True when a form came from a page of this session."""
    return equal(form_key(ctx, session), given)
