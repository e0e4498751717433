"""HTTP doors for signals: POST /signals/hr/{name} takes signed webhooks of HR systems, /signals/ssf/ events."""

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
from scim_bridge.kernel.vendor_webhook import Event, proven, timely
from scim_bridge.kernel.web import address_of, endpoint, json_response, read_body, request_id
from scim_bridge.kernel.webhook import Untrusted
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import employee_numbers
from scim_bridge.registry.own_secrets import live_secrets
from scim_bridge.registry.signal import React
from scim_bridge.signals import ssf_routes
from scim_bridge.signals.doors import note_trouble
from scim_bridge.signals.heard import Heard, Replayed, hear_all
from scim_bridge.signals.hr import HrMapping, Notice, items, read_notice, warning
from scim_bridge.signals.hr_mappings import KNOWN, mapping_for

log = structlog.get_logger("scim_bridge.signals")

MAX_BYTES = 65_536
FORGERIES_A_MINUTE = 100


def routes(
    ctx: Context,
    hr: Mapping[str, str],
    react: React,
    mappings: Mapping[str, HrMapping] = KNOWN,
) -> list[BaseRoute]:
    """The doors. `hr` gives each HR system's signing secrets, several separated by blanks."""
    receive = HrDoor(ctx, hr, react, mappings).receive
    return [
        Route("/signals/hr/{name}", endpoint(receive), methods=["POST"]),
        *ssf_routes.routes(ctx, react),
    ]


class HrDoor:
    """Takes webhooks: proves where they come from, keeps what it refuses, passes on what is news."""

    def __init__(
        self,
        ctx: Context,
        hr: Mapping[str, str],
        react: React,
        mappings: Mapping[str, HrMapping] = KNOWN,
    ) -> None:
        self._ctx = ctx
        self._secrets = {name.casefold(): value.split() for name, value in hr.items()}
        self._react = react
        self._mappings = mappings
        # Each refusal is an audit row: a flood of forgeries must not fill the disk. Genuine events pass.
        self._forgeries = Throttle(ctx.store.clock, FORGERIES_A_MINUTE, 60)

    async def receive(self, request: Request) -> Response:
        """Answer one webhook; Untrusted or Invalid, audited, when it is not acted on."""
        name = request.path_params["name"].casefold()
        if not self._secrets.get(name):
            raise NotFound("hr-unknown", "No HR system is set up under this name.", "Set hr.<name>.")
        body = await read_body(request, MAX_BYTES)
        mapping = mapping_for(name, self._mappings)
        heard, warned = await self._taken(request, name, mapping, body)
        answer: dict[str, Any] = {"state": heard.value, "message": heard.message}
        if warned:
            answer["warnings"] = warned
        if heard is Heard.IGNORED:
            answer["acted_on"] = sorted(mapping.kinds)
        return json_response(answer, heard.status)

    async def _taken(
        self, request: Request, name: str, mapping: HrMapping, body: bytes
    ) -> tuple[Heard, list[str]]:
        """What became of a webhook, and what its sender should mend nevertheless."""
        now, door = self._ctx.store.clock.now(), f"hr:{name}"
        event = await self._proven(request, door, mapping, body, now)
        sender = Actor("connection", door, door, None, request_id(request), address_of(request))
        notices, faults = self._read(mapping, body, now)
        for fault in faults:
            # Genuine and unreadable: perhaps a leaver nobody stops. It must be found.
            await self._refused(sender, door, request, fault)
        if faults and not notices:
            await self._ctx.store.transact(sender, lambda work: _troubled(work, door, faults[0]))
            raise faults[0]
        numbers = employee_numbers.ready(self._ctx.store)
        try:
            for notice in filter(None, notices):
                timely(event, notice.happened, now)
            heard = await self._ctx.store.transact(
                sender, lambda work: hear_all(work, door, event, notices, self._react, numbers=numbers)
            )
        except (Replayed, Untrusted) as error:
            self._paced(address_of(request) or "unknown", error)
            await self._refused(sender, door, request, error)
            raise
        if faults:
            await self._ctx.store.transact(sender, lambda work: _troubled(work, door, faults[0]))
        warned = [said for notice in notices if notice is not None and (said := warning(notice)) is not None]
        return heard, [*warned, *(fault.text() for fault in faults)]

    @staticmethod
    def _read(mapping: HrMapping, body: bytes, now: int) -> tuple[list[Notice | None], list[Invalid]]:
        """What a message says of each person, and what of it cannot be read."""
        if body.decode(errors="replace") in mapping.pings:
            return [None], []
        notices: list[Notice | None] = []
        faults: list[Invalid] = []
        try:
            for item in items(mapping, _object(body)):
                try:
                    notices.append(read_notice(mapping, item, now))
                except Invalid as error:
                    faults.append(error)
        except Invalid as error:
            faults.append(error)
        return notices, faults

    async def _proven(self, request: Request, door: str, mapping: HrMapping, body: bytes, now: int) -> Event:
        name = door.removeprefix("hr:")
        secrets = await live_secrets(
            self._ctx.store.reads, self._ctx.master, f"hr.{name}", " ".join(self._secrets[name]), now
        )
        try:
            return proven(mapping.signing, request.headers, body, secrets, now)
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


async def _troubled(work: Work, door: str, fault: Invalid) -> None:
    work.bookkeeping("a message that cannot be read; its refusal is audited")
    await note_trouble(work, door, "hr", f"A genuine message could not be read: {fault.text()}")
