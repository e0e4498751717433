"""Recognising callers: a token is looked up once a second, not at every request."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Invalid, Unauthenticated
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.registry.scope import Scope, parse_scope
from scim_bridge.registry.tokens import USED_EVERY, Grant, authenticate, mark_used
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.dialects.table import dialect

# For so long another process may have revoked a token, or changed a connection, unnoticed here.
REMEMBERED = SECOND
MOST = 4096


@dataclass(slots=True)
class _Known:
    """A token that was looked up, and from when until when that holds."""

    connection: Connection
    grant: Grant
    scope: Scope
    since: int
    until: int
    used: int


class Callers:
    """The callers of one process. What this process itself changes about tokens is noticed at once."""

    def __init__(self, ctx: Context, base_url: str, mail_domain: str) -> None:
        self._ctx = ctx
        self._mail_domain = mail_domain
        self._base_url = base_url
        self._known: dict[bytes, _Known] = {}
        self._changes = 0
        ctx.store.on_change(self._changed)

    def _changed(self, changed: list[tuple[str, str]]) -> None:
        if any(kind in ("token", "connection") for kind, _ in changed):
            self._changes += 1
            self._known.clear()

    async def identify(self, token: str | None, request_id: str, address: str | None) -> Caller:
        """The caller behind a bearer token; Unauthenticated or Forbidden otherwise."""
        if token is None:
            raise Unauthenticated(
                "token-missing", "An access token is needed.", "Send Authorization: Bearer <token>."
            )
        now = self._ctx.store.clock.now()
        # A digest, so that no memory dump of this table gives tokens away.
        key = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._known.get(key)
        if known is None or not known.since <= now < known.until:
            known = await self._look_up(key, token, now)
        domain = self._mail_domain if dialect(known.connection.dialect).fills_in else None
        caller = Caller(
            known.connection, known.grant, known.scope, self._base_url, request_id, address, domain
        )
        if now - known.used > USED_EVERY:
            known.used = now
            await self._mark_used(caller.actor, known.grant)
        return caller

    async def _look_up(self, key: bytes, token: str, now: int) -> _Known:
        changes, reads = self._changes, self._ctx.store.reads
        grant = await authenticate(reads, self._ctx.master, token, now)
        if grant.connection_id is None:
            raise Forbidden(
                "token-not-scim", "This token is not for a connection.", "Use tokens create --connection."
            )
        found = await connection(reads, grant.connection_id)
        until = now + REMEMBERED if grant.expires is None else min(now + REMEMBERED, grant.expires)
        before = self._known.get(key)
        used = max(grant.last_used or 0, 0 if before is None else before.used)
        if grant.anew is not None:
            # Being used is when a digest by an earlier key is replaced: not only once a minute.
            used = 0
        scope = _scope_of(found)
        known = _Known(found, grant, scope, now, until, used)
        # What was revoked while it was being looked up is looked up again by the next request.
        if changes == self._changes:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = known
        return known

    async def _mark_used(self, actor: Actor, grant: Grant) -> None:
        await self._ctx.store.transact(actor, lambda work: mark_used(work, grant))


def _scope_of(found: Connection) -> Scope:
    """The agents a connection sees. Where that cannot be told it sees nothing, and is told so."""
    try:
        return parse_scope(str(found.settings.get("scope") or ""))
    except Invalid as error:
        raise Forbidden(
            "scope-unreadable",
            f"The scope of connection {found.name!r} cannot be read: {error.message}",
            "Set it again: connections configure --set scope=…",
        ) from error
