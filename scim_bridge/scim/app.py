"""The front door: one raw-ASGI dispatcher, from token to answer (docs/adr/0005-doors-before-the-router.md)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from scim_bridge.kernel import tracing
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Defect, given_id
from scim_bridge.kernel.errors import BridgeError, NotFound, Unauthenticated
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.kernel.telemetry import LATENCY, REQUESTS, REWRITES, SCIM_REQUESTS, call_line
from scim_bridge.kernel.work import Work
from scim_bridge.registry.signal import React, Signal
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.callers import Callers
from scim_bridge.scim.catalogue import catalogue
from scim_bridge.scim.dialects.table import dialect
from scim_bridge.scim.door import Accept, Call, Door
from scim_bridge.scim.exchange import (
    Answered,
    Asked,
    body_from,
    check_media,
    headers_of,
    parts_of,
    query_of,
    refusal,
    send_answer,
    token_of,
)
from scim_bridge.scim.firsts import Firsts
from scim_bridge.scim.pace import Pace
from scim_bridge.scim.routing import EACH, route
from scim_bridge.settings.scim import ScimSettings
from scim_bridge.signals.service import accept

log = structlog.get_logger("scim_bridge.scim")

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
BODIED = frozenset(("POST", "PUT", "PATCH"))


@dataclass(slots=True)
class Story:
    """What is told of one call in log and metrics: never a token, never a body."""

    request_id: str
    connection: str = ""
    dialect: str = ""
    template: str = ""
    applied: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)


class ScimApp:
    """The SCIM server as an ASGI application, mounted at /scim/v2.

    `react` decides what follows from a signal about a person, in the transaction of the call. `events` are the
    security events that are told of what happens here (RFC 9967), to be announced.
    """

    def __init__(
        self, ctx: Context, settings: ScimSettings, react: React, *, events: Sequence[str] = ()
    ) -> None:
        async def accepted(work: Work, signal: Signal) -> bool:
            return await accept(work, signal, react)

        told: Accept = accepted
        self._door = Door(ctx, settings, told, catalogue=catalogue(settings.attributes), events=tuple(events))
        ctx.store.on_change(self._door.anchors.changed)
        ctx.store.on_change(self._door.roles.changed)
        self._callers = Callers(ctx, ctx.public_url + SCIM_PATH, settings.agent_mail_domain)
        self._pace = Pace(ctx.store.clock, settings)
        self._firsts = Firsts(ctx.store)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request; every answer is SCIM's, whatever happens."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        identity = scope.get("state", {}).get("request_id")
        story = Story(str(identity or given_id(scope)))
        answer = await self._answer(scope, receive, story)
        if tracing.on():
            told = {"route": SCIM_PATH + story.template, "connection": story.connection or None}
            scope.setdefault("state", {}).update(told)
        if identity is None:
            stamp = (b"x-request-id", story.request_id.encode())
            answer = answer._replace(headers=(*answer.headers, stamp))
        await send_answer(send, answer, bare=scope["method"] == "HEAD")
        _tell(scope["method"], answer.status, story, time.perf_counter() - began)

    async def _answer(self, scope: Any, receive: Any, story: Story) -> Answered:
        try:
            return await self._handled(scope, receive, story)
        except BridgeError as error:
            if error.status == 500:
                log.error("scim.failed", action="scim.failed", request_id=story.request_id, exc_info=error)
            return refusal(error)
        except Exception as error:
            # A defect of ours is told in the log and not to the caller.
            log.error("scim.failed", action="scim.failed", request_id=story.request_id, exc_info=error)
            fix = f"It was logged under request id {story.request_id}."
            return refusal(Defect("internal", "Something went wrong on our side.", fix))

    async def _handled(self, scope: Any, receive: Any, story: Story) -> Answered:
        headers = headers_of(scope)
        client = scope.get("client")
        address = client[0] if client else None
        try:
            token = token_of(headers.get(b"authorization", ""))
            caller = await self._callers.identify(token, story.request_id, address)
        except Unauthenticated as error:
            raise self._pace.refused(error, address) from error
        story.connection = caller.connection.name
        story.dialect = caller.connection.dialect
        self._pace.count(caller.connection)
        method = scope["method"]
        parts = parts_of(scope)
        found, resource_id = route(parts)
        story.template = found.template
        handler, needed = found.handler(method)
        if needed != EACH:
            caller.need(needed)
        if "\0" in resource_id:
            raise NotFound("resource-unknown", "No id contains a NUL character.", "Look it up with a filter.")
        body = b""
        if method in BODIED:
            check_media(headers)
            body = await body_from(receive, headers, self._door.max_body)
        asked = Asked(
            "GET" if method == "HEAD" else method,
            parts,
            query_of(scope),
            body,
            headers.get(b"if-match"),
            headers.get(b"if-none-match"),
        )
        answer = await handler(self._call(caller, asked, story, found.endpoint, resource_id))
        await self._firsts.note(caller, asked, found.template)
        return answer

    def _call(self, caller: Caller, asked: Asked, story: Story, endpoint: Any, resource_id: str) -> Call:
        spoken = dialect(caller.connection.dialect)
        return Call(self._door, caller, spoken, asked, endpoint, resource_id, story.applied, story.ignored)


def _counted(method: str, status: int) -> Any:
    """The counter of calls of this kind."""
    known = _COUNTERS.get((method, status))
    if known is None:
        shown = method if method in METHODS else "OTHER"
        known = _COUNTERS[shown, status] = REQUESTS.labels("scim", shown, str(status))
    return known


def _counted_by_connection(story: Story, method: str, status: int) -> Any:
    """The counter of calls of a connection at a route."""
    key = (story.connection, story.dialect, story.template, method, status // 100)
    known = _BY_CONNECTION.get(key)
    if known is None:
        shown = method if method in METHODS else "OTHER"
        labels = (story.connection, story.dialect, story.template, shown, f"{status // 100}xx")
        known = SCIM_REQUESTS.labels(*labels)
        if method in METHODS:
            _BY_CONNECTION[key] = known
    return known


_BY_CONNECTION: dict[tuple[str, str, str, str, int], Any] = {}
# Looking a counter up by its labels costs five times as much as counting.
_COUNTERS: dict[tuple[str, int], Any] = {}
_SECONDS = LATENCY.labels("scim")


def _tell(method: str, status: int, story: Story, seconds: float) -> None:
    """Count a call and write its line."""
    _counted(method, status).inc()
    if story.connection:
        _counted_by_connection(story, method, status).inc()
    _SECONDS.observe(seconds)
    for name in story.applied:
        REWRITES.labels(story.connection, name).inc()
    call_line(
        "scim.call",
        action="scim.call",
        connection=story.connection,
        method=method[:20],
        path=story.template,
        status=status,
        rewrites=sorted(story.applied),
        ignored=len(story.ignored),
        ms=round(seconds * 1000, 2),
        request_id=story.request_id,
    )
