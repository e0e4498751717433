"""Who is signed in: a sealed cookie that names an admin's token, for eight hours at most."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from http.cookies import SimpleCookie

import orjson
from starlette.requests import Request

from scim_bridge.kernel.clock import HOUR, SECOND, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import Tampered
from scim_bridge.kernel.web import address_of, request_id
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.tokens import Grant, still_granted

LONGEST = 8 * HOUR
PLACE = "console:session"
PATH = "/console"
PLAIN, SECURE = "sb_console", "__Secure-sb_console"
SIGNED_OUT = "console.signed_out:"
AFTER_SIGNED_OUT = "console.signed_out;"


@dataclass(frozen=True, slots=True)
class Session:
    """One admin at one browser, until `until` (microseconds)."""

    id: str
    token_id: str
    name: str
    until: int

    def actor(self, request: Request) -> Actor:
        """Who acts in this session."""
        return Actor("admin", self.token_id, self.name, None, request_id(request), address_of(request))


def name_of(grant: Grant) -> str:
    """What the holder of a token is called."""
    return grant.label or f"token {grant.token_id[-6:]}"


def opened(grant: Grant, now: int) -> Session:
    """A fresh session for an admin's token; it ends with the token at the latest."""
    until = now + LONGEST if grant.expires is None else min(now + LONGEST, grant.expires)
    return Session(os.urandom(16).hex(), grant.token_id, name_of(grant), until)


def over_https(ctx: Context, request: Request) -> bool:
    """True when the browser's connection is encrypted, here or at a proxy in front."""
    return request.url.scheme == "https" or ctx.public_url.startswith("https://")


def cookie(ctx: Context, request: Request, session: Session | None) -> str:
    """The Set-Cookie header that starts a session, or ends it when there is none."""
    secure = over_https(ctx, request)
    jar: SimpleCookie = SimpleCookie()
    name = SECURE if secure else PLAIN
    jar[name] = "" if session is None else _sealed(ctx, session)
    morsel = jar[name]
    morsel["path"] = PATH
    morsel["httponly"] = True
    morsel["samesite"] = "Strict"
    left = 0 if session is None else (session.until - ctx.store.clock.now()) // SECOND
    morsel["max-age"] = str(max(0, left))
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()


def _sealed(ctx: Context, session: Session) -> str:
    said = orjson.dumps([session.id, session.token_id, session.name, session.until])
    # Without padding: an equals sign would make browsers' and proxies' quoting of cookies matter.
    return base64.urlsafe_b64encode(ctx.master.seal(PLACE, said)).decode().rstrip("=")


def _unsealed(ctx: Context, value: str) -> Session | None:
    try:
        sealed = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        session_id, token_id, name, until = orjson.loads(ctx.master.unseal(PLACE, sealed))
    except (Tampered, ValueError):
        return None
    return Session(session_id, token_id, name, until)


async def session_of(ctx: Context, request: Request) -> Session | None:
    """The session of a request; None when there is none, it ended, or its token is no longer good."""
    value = request.cookies.get(SECURE if over_https(ctx, request) else PLAIN)
    session = _unsealed(ctx, value) if value else None
    now = ctx.store.clock.now()
    if session is None or session.until <= now:
        return None
    ended = await ctx.store.reads.one("SELECT 1 AS x FROM sb_fact WHERE name = ?", SIGNED_OUT + session.id)
    grant = await still_granted(ctx.store.reads, session.token_id, now)
    if ended is not None or grant is None or not is_admin(grant):
        return None
    return session


def is_admin(grant: Grant) -> bool:
    """True for an admin's token; an IdP's or a gateway's opens no session."""
    return grant.connection_id is None and "admin" in grant.scopes


async def end(work: Work, session: Session) -> None:
    """Remember that a session was signed out, as long as its cookie would be good."""
    await work.tx.run(
        "DELETE FROM sb_fact WHERE name >= ? AND name < ? AND value < ?",
        SIGNED_OUT,
        AFTER_SIGNED_OUT,
        iso(work.now),
    )
    await work.tx.run(
        "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
        SIGNED_OUT + session.id,
        iso(session.until),
        work.now,
    )


def form_key(ctx: Context, session: Session) -> str:
    """What every form of a session carries: another site cannot know it."""
    return ctx.master.digest("console-form", session.id)


def genuine_form(ctx: Context, session: Session, given: str) -> bool:
    """True when a form came from a page of this session."""
    return ctx.master.matches("console-form", session.id, given)
