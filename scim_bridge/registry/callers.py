"""Who calls the bridge's own API: an admin's or a gateway's token, never an IdP's."""

from __future__ import annotations

from starlette.requests import Request

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Unauthenticated
from scim_bridge.kernel.web import address_of, bearer, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.tokens import USED_EVERY, authenticate, mark_used


async def api_caller(ctx: Context, request: Request, scope: str) -> Actor:
    """The holder of an API token with this scope ("access", "activity" or "admin").

    Unauthenticated without a valid token; Forbidden when it is an IdP's or lacks the scope. An admin
    token may do everything the others may.
    """
    token = bearer(request)
    if token is None:
        raise Unauthenticated(
            "token-missing", "An access token is needed.", "Send Authorization: Bearer <token>."
        )
    now = ctx.store.clock.now()
    grant = await authenticate(ctx.store.reads, ctx.master, token, now)
    if grant.connection_id is not None or not grant.scopes & {scope, "admin"}:
        raise Forbidden(
            "scope-missing", f"This token lacks the scope {scope!r}.", f"Use tokens create --scope {scope}."
        )
    actor = Actor(
        "admin" if "admin" in grant.scopes else "gateway",
        grant.token_id,
        grant.label or f"token {grant.token_id[-6:]}",
        None,
        request_id(request),
        address_of(request),
    )
    if grant.anew is not None or grant.last_used is None or now - grant.last_used > USED_EVERY:
        await ctx.store.transact(actor, lambda work: mark_used(work, grant))
    return actor
