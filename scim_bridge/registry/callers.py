"""Who calls the bridge's own API: an admin's or a gateway's token, never an IdP's."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Unauthenticated
from scim_bridge.kernel.web import address_of, bearer, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.roles import ADMIN, AUDITOR, OPERATOR, VIEWER
from scim_bridge.registry.tokens import ADMIN_READ, USED_EVERY, Grant, authenticate, mark_used

# What the holder of a token is here: the scopes that are roles. Whoever owns agents is a person, and signs in.
ROLE_OF: Mapping[str, str] = {
    "admin": ADMIN,
    ADMIN_READ: AUDITOR,
    AUDITOR: AUDITOR,
    OPERATOR: OPERATOR,
    VIEWER: VIEWER,
}
CHANGING = {ADMIN, OPERATOR}


async def api_caller(ctx: Context, request: Request, scope: str) -> Actor:
    """The holder of an API token with this scope ("access", "activity" or "admin").

    Unauthenticated without a valid token; Forbidden when it is an IdP's or lacks the scope. An admin
    token may do everything the others may.
    """
    grant = await _grant(ctx, request)
    if grant.connection_id is not None or not grant.scopes & {scope, "admin"}:
        raise Forbidden(
            "scope-missing", f"This token lacks the scope {scope!r}.", f"Use tokens create --scope {scope}."
        )
    return await _seen(ctx, request, grant, "admin" if "admin" in grant.scopes else "gateway")


async def role_caller(ctx: Context, request: Request) -> tuple[Actor, tuple[str, ...], str | None]:
    """The holder of an API token that is a role here: who, which roles, and the token's label.

    Unauthenticated without a valid token; Forbidden when it is an IdP's, or no role.
    """
    grant = await _grant(ctx, request)
    roles = tuple(dict.fromkeys(role for scope, role in ROLE_OF.items() if scope in grant.scopes))
    if grant.connection_id is not None or not roles:
        raise Forbidden(
            "scope-missing",
            "This token is no role here.",
            f"Use tokens create --scope {' or '.join(ROLE_OF)}.",
        )
    kind = "admin" if CHANGING & set(roles) else "gateway"
    return await _seen(ctx, request, grant, kind), roles, grant.label or None


async def _grant(ctx: Context, request: Request) -> Grant:
    token = bearer(request)
    if token is None:
        raise Unauthenticated(
            "token-missing", "An access token is needed.", "Send Authorization: Bearer <token>."
        )
    return await authenticate(ctx.store.reads, ctx.master, token, ctx.store.clock.now())


async def _seen(ctx: Context, request: Request, grant: Grant, kind: str) -> Actor:
    """The holder as the audit names them, with the token's use kept."""
    label = grant.label or f"token {grant.token_id[-6:]}"
    actor = Actor(kind, grant.token_id, label, None, request_id(request), address_of(request))
    now = ctx.store.clock.now()
    if grant.anew is not None or grant.last_used is None or now - grant.last_used > USED_EVERY:
        await ctx.store.transact(actor, lambda work: mark_used(work, grant))
    return actor
