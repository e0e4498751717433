"""What guards the doors IdPs call: a connection's own secret, and a limit on what is refused and audited."""

from __future__ import annotations

import structlog
from starlette.requests import Request

from scim_bridge.audit.record import record_refusal
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, NotFound, Unauthenticated
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import address_of, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.registry.tokens import SIGNALS, Grant, authenticate

log = structlog.get_logger("scim_bridge.signals")

REFUSALS_A_MINUTE = 100


class Guard:
    """Who may push news for a connection, and what is kept of those who may not."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        # Each refusal is an audit row: a flood of forgeries must not fill the disk. Genuine calls pass.
        self._refusals = Throttle(ctx.store.clock, REFUSALS_A_MINUTE, 60)

    async def connection(self, request: Request, kind: str) -> Connection:
        """The connection a path names; NotFound unless it is of this kind of IdP."""
        found = await connection(self._ctx.store.reads, request.path_params["connection"])
        if found.kind != kind or found.name != request.path_params["connection"]:
            raise NotFound(
                "door-unknown", f"There is no {kind} connection of this name.", "See `connections list`."
            )
        return found

    async def granted(self, request: Request, chosen: Connection, door: str) -> Grant:
        """The token a call carries, of this connection and for signals; Unauthenticated, audited, otherwise.

        Tokens are found by a keyed digest: nothing is compared byte by byte. Several may be live at once.
        """
        given = request.headers.get("authorization", "")
        # Okta sends whatever was entered as the secret: the bare token, or one with its scheme.
        token = given.partition(" ")[2] if given[:7].casefold() == "bearer " else given
        try:
            grant = await authenticate(
                self._ctx.store.reads, self._ctx.master, token.strip(), self._ctx.store.clock.now()
            )
            if grant.connection_id != chosen.id or SIGNALS not in grant.scopes:
                raise Unauthenticated(
                    "token-invalid",
                    "The secret is not one of this connection's for signals.",
                    f"Make one: tokens create --connection {chosen.name} --scope {SIGNALS}.",
                )
        except Unauthenticated as error:
            await self.refused(request, chosen, door, error)
            raise
        return grant

    async def refused(self, request: Request, chosen: Connection, door: str, error: BridgeError) -> None:
        """Audit a call that is not acted on; TooManyRequests instead when there were many from there."""
        address = address_of(request) or "unknown"
        wait = self._refusals.wait(address)
        if wait is not None:
            raise TooManyRequests(
                "signal-flood",
                "Too many calls that are not genuine.",
                "Check the secret on both sides.",
                retry_after=wait,
            ) from error
        self._refusals.count(address)
        stranger = Actor("anonymous", address, "unproven sender", chosen.id, request_id(request), address)
        detail = {"door": door, "code": error.code, "reason": error.message}
        await record_refusal(self._ctx.store, stranger, "signal.refused", "signal", None, detail)
        log.warning("signal.refused", action="signal.refused", door=door, reason=error.code)

    def sender(self, request: Request, chosen: Connection) -> Actor:
        """Whom the audit names for a genuine call."""
        return Actor(
            "connection", chosen.id, chosen.name, chosen.id, request_id(request), address_of(request)
        )
