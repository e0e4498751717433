"""POST /signals/ssf/{connection}: security events as a transmitter pushes them (RFC 8935)."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.audit.record import record_refusal
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.peppered import outdated, shows, stated
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import (
    TooLarge,
    WrongMedia,
    address_of,
    endpoint,
    json_response,
    read_body,
    request_id,
)
from scim_bridge.kernel.work import SYSTEM, Actor
from scim_bridge.registry.connections import NAME
from scim_bridge.registry.signal import React
from scim_bridge.signals.secevent import (
    MAX_BYTES,
    SecEvent,
    SetRefused,
    check_signature,
    claimed_at,
    read_set,
    read_token,
)
from scim_bridge.signals.stream_keys import key_for
from scim_bridge.signals.streams import PUSH, PUSH_HEADER, Stream, push_digest_anew, stream
from scim_bridge.signals.take_set import take

log = structlog.get_logger("scim_bridge.signals")

MEDIA = "application/secevent+jwt"
REFUSALS_A_MINUTE = 100


def routes(ctx: Context, react: React) -> list[BaseRoute]:
    """The door for pushed security events."""
    return [Route("/signals/ssf/{connection}", endpoint(SsfDoor(ctx, react).receive), methods=["POST"])]


async def genuine(ctx: Context, found: Stream, raw: bytes) -> SecEvent:
    """The SET in these bytes, proven and of this stream; SetRefused, or KeysAwaited while that cannot be told."""
    token = read_token(raw, found.algorithm)
    now = ctx.store.clock.now()
    check_signature(token, await key_for(ctx, found, token.kid, claimed_at(token, now)), found.algorithm)
    return read_set(token, found.issuer, found.audiences, now)


class SsfDoor:
    """Takes one SET a request: 202 when it is kept, 400 with the code of the RFC when it is not taken."""

    def __init__(self, ctx: Context, react: React) -> None:
        self._ctx = ctx
        self._react = react
        # Each refusal is an audit row: a flood of forgeries must not fill the disk. Genuine events pass.
        self._refusals = Throttle(ctx.store.clock, REFUSALS_A_MINUTE, 60)

    async def receive(self, request: Request) -> Response:
        """Answer one push. KeysAwaited is 503: the transmitter sends the same again (RFC 8935 section 2)."""
        name = request.path_params["connection"]
        if not NAME.fullmatch(name):
            raise NotFound("stream-unknown", "There is no stream of security events here.")
        found = await stream(self._ctx.store.reads, name)
        if found.method != PUSH:
            raise NotFound("stream-polled", "This stream is polled; nothing is pushed to it.")
        try:
            await self._taken(request, found)
        except SetRefused as error:
            await self._refused(request, found, error)
            return told(error.err, error.text())
        return Response(status_code=202, headers={"cache-control": "no-store"})

    async def _taken(self, request: Request, found: Stream) -> None:
        await self._authorized(request, found)
        media = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
        if media != MEDIA:
            raise SetRefused("invalid_request", "set-form", f"The body is not {MEDIA}.")
        try:
            body = await read_body(request, MAX_BYTES)
        except (TooLarge, WrongMedia) as error:
            raise SetRefused("invalid_request", "set-form", error.message, error.fix) from error
        event = await genuine(self._ctx, found, body)
        actor = Actor(
            "connection",
            found.connection_id,
            found.door,
            found.connection_id,
            request_id(request),
            address_of(request),
        )
        taken = await self._ctx.store.transact(actor, lambda work: take(work, found, event, self._react))
        log.info("ssf.taken", action="ssf.taken", door=found.door, taken=taken.value)

    async def _authorized(self, request: Request, found: Stream) -> None:
        if found.push_digest is None:
            return
        given = request.headers.get("authorization", "")
        if not shows(self._ctx.master, PUSH_HEADER, given, found.push_digest):
            raise SetRefused(
                "authentication_failed", "set-unauthorized", "The Authorization header is not the agreed one."
            )
        if outdated(self._ctx.master, found.push_digest):
            fresh = stated(self._ctx.master, PUSH_HEADER, given)
            await self._ctx.store.transact(
                SYSTEM,
                lambda work: push_digest_anew(work, found.connection_id, str(found.push_digest), fresh),
            )

    async def _refused(self, request: Request, found: Stream, error: SetRefused) -> None:
        address = address_of(request) or "unknown"
        wait = self._refusals.wait(address)
        if wait is not None:
            raise TooManyRequests(
                "set-flood",
                "Too many events that cannot be taken.",
                "Check issuer, audience and keys of the stream.",
                retry_after=wait,
            ) from error
        self._refusals.count(address)
        stranger = Actor("anonymous", address, "unproven transmitter", None, request_id(request), address)
        detail = {"door": found.door, "code": error.code, "err": error.err, "reason": error.message}
        await record_refusal(self._ctx.store, stranger, "signal.refused", "signal", None, detail)
        log.warning("signal.refused", action="signal.refused", door=found.door, reason=error.code)


def told(err: str, description: str) -> Response:
    """The answer to a SET that is not taken (RFC 8935 section 2.3)."""
    return json_response({"err": err, "description": description}, 400, {"content-language": "en"})
