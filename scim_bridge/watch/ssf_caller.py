"""Who manages a stream: the token decides whose it is, and nothing in a request can say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Unauthenticated
from scim_bridge.kernel.web import address_of, bearer, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.tokens import SSF_MANAGE, SSF_READ, USED_EVERY, authenticate, mark_used


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who calls. `owner` is the connection whose token it is, empty for the installation's own tokens."""

    actor: Actor
    owner: str


async def receiver(ctx: Context, request: Request, scope: str) -> Receiver:
    """The holder of a token with this scope (ssf.read, or ssf.manage, which may read as well); admin may all.

    Unauthenticated without a valid token, Forbidden without the scope.
    """
    token = bearer(request)
    if token is None:
        raise Unauthenticated(
            "token-missing", "An access token is needed.", "Send Authorization: Bearer <token>."
        )
    now = ctx.store.clock.now()
    grant = await authenticate(ctx.store.reads, ctx.master, token, now)
    enough = {SSF_MANAGE, scope} if scope == SSF_READ else {scope}
    own = grant.connection_id is None
    if not grant.scopes & (enough | ({"admin"} if own else set())):
        raise Forbidden(
            "scope-missing", f"This token lacks the scope {scope!r}.", f"Use tokens create --scope {scope}."
        )
    actor = Actor(
        "gateway" if own else "connection",
        grant.token_id if own else str(grant.connection_id),
        grant.label or f"token {grant.token_id[-6:]}",
        grant.connection_id,
        request_id(request),
        address_of(request),
    )
    if grant.last_used is None or now - grant.last_used > USED_EVERY:
        await ctx.store.transact(actor, lambda work: mark_used(work, grant))
    return Receiver(actor, grant.connection_id or "")
