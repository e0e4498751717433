"""HTTP doors for signals: POST /signals/hr/{name} takes signed webhooks of HR systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.audit.record import record_refusal
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound
from scim_bridge.kernel.json_keys import check_keys
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import address_of, endpoint, json_response, read_body, request_id
from scim_bridge.kernel.webhook import Untrusted, check
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.signal import React
from scim_bridge.signals.heard import Event, Heard, Replayed, hear
from scim_bridge.signals.hr import mapping_for, read_notice, warning

log = structlog.get_logger("scim_bridge.signals")

MAX_BYTES = 65_536
FORGERIES_A_MINUTE = 100


def routes(ctx: Context, hr: Mapping[str, str], react: React) -> list[BaseRoute]:
    """The doors. `hr` gives each HR system's signing secrets, several separated by blanks."""
    return [Route("/signals/hr/{name}", endpoint(HrDoor(ctx, hr, react).receive), methods=["POST"])]


class HrDoor:
    """Takes webhooks: proves where they come from, keeps what it refuses, passes on what is news."""

    def __init__(self, ctx: Context, hr: Mapping[str, str], react: React) -> None:
        self._ctx = ctx
        self._secrets = {name.casefold(): value.split() for name, value in hr.items()}
        self._react = react
        # Each refusal is an audit row: a flood of forgeries must not fill the disk. Genuine events pass.
        self._forgeries = Throttle(ctx.store.clock, FORGERIES_A_MINUTE, 60)

    async def receive(self, request: Request) -> Response:
        """Answer one webhook; Untrusted or Invalid, audited, when it is not acted on."""
        name = request.path_params["name"].casefold()
        if not self._secrets.get(name):
            raise NotFound("hr-unknown", "No HR system is set up under this name.", "Set hr.<name>.")
        body = await read_body(request, MAX_BYTES)
        heard, warned = await self._taken(request, name, body)
        answer: dict[str, Any] = {"state": heard.value, "message": heard.message}
        if warned is not None:
            answer["warnings"] = [warned]
        if heard is Heard.IGNORED:
            mapping = mapping_for(name)
            answer["acted_on"] = sorted(mapping.leaving | mapping.returning)
        return json_response(answer, heard.status)

    async def _taken(self, request: Request, name: str, body: bytes) -> tuple[Heard, str | None]:
        """What became of a webhook, and what its sender should mend nevertheless."""
        now = self._ctx.store.clock.now()
        door = f"hr:{name}"
        event_id = await self._proven(request, door, body, self._secrets[name], now)
        sender = Actor("connection", door, door, None, request_id(request), address_of(request))
        event = Event(event_id, int(request.headers["webhook-timestamp"]))
        try:
            notice = read_notice(mapping_for(name), _object(body), now)
        except Invalid as error:
            # Genuine and unreadable: perhaps a leaver nobody stops. It must be found.
            await self._refused(sender, door, request, error)
            raise
        if notice is None:
            return Heard.IGNORED, None
        try:
            heard = await self._ctx.store.transact(
                sender, lambda work: hear(work, door, event, notice, self._react)
            )
        except Replayed as error:
            self._paced(address_of(request) or "unknown", error)
            await self._refused(sender, door, request, error)
            raise
        return heard, warning(notice)

    async def _proven(self, request: Request, door: str, body: bytes, secrets: list[str], now: int) -> str:
        try:
            return check(request.headers, body, secrets, now)
        except Untrusted as error:
            address = address_of(request)
            stranger = Actor(
                "anonymous", address or "unknown", "unproven sender", None, request_id(request), address
            )
            self._paced(stranger.id, error)
            await self._refused(stranger, door, request, error)
            raise

    def _paced(self, address: str, error: BridgeError) -> None:
        """Count a refusal that becomes an audit row; TooManyRequests instead when there were many."""
        wait = self._forgeries.wait(address)
        if wait is not None:
            raise TooManyRequests(
                "webhook-flood",
                "Too many messages that are not genuine, or not new.",
                "Check the secret, and that each event has an id of its own.",
                retry_after=wait,
            ) from error
        self._forgeries.count(address)

    async def _refused(self, actor: Actor, door: str, request: Request, error: BridgeError) -> None:
        event_id = request.headers.get("webhook-id", "")[:64]
        detail = {"door": door, "code": error.code, "reason": error.message, "webhook_id": event_id}
        await record_refusal(self._ctx.store, actor, "signal.refused", "signal", None, detail)
        log.warning("signal.refused", action="signal.refused", door=door, reason=error.code)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("json-invalid", f"The body is not JSON ({error}).", "Send a JSON object.") from error
    if not isinstance(found, dict):
        raise Invalid("json-object", "The body is not a JSON object.", "Send a JSON object.")
    # Of two dates of leave, whichever is believed may be the wrong one.
    check_keys(body, found)
    return found
