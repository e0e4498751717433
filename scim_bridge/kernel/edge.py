"""The outermost layer of HTTP: request ids, metrics, and the doors that skip the router.

Pure ASGI: Starlette's BaseHTTPMiddleware costs 113 microseconds a request, this costs about two.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.kernel import tracing
from scim_bridge.kernel.errors import BridgeError, NotFound, StoreUnavailable
from scim_bridge.kernel.telemetry import LATENCY, REQUEST_ID, REQUESTS
from scim_bridge.kernel.web import problem_response, request_id

log = structlog.get_logger("scim_bridge.http")

GIVEN = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")
DOORS = ("access", "api", "attest", "console", "signals", "oauth")


class WrongMethod(BridgeError):
    """The address exists and does not know this method."""

    status = 405


class Defect(BridgeError):
    """Something broke in our own code; the log has the story under the request's id."""

    status = 500


def given_id(scope: Any) -> str:
    """The caller's request id when it is a harmless one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if GIVEN.fullmatch(text):
                return str(text)
    # Not a secret, and without asking the operating system for randomness at each request.
    return f"{random.getrandbits(128):032x}"


class Edge:
    """Dispatches by prefix to raw ASGI doors, everything else to the web application."""

    def __init__(self, doors: Mapping[str, Any], web: Any) -> None:
        self._doors = tuple(doors.items())
        self._web = web

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            await self._web(scope, receive, send)
            return
        identity = given_id(scope)
        # Each request is a task of its own: whatever logs in it, logs with its id.
        REQUEST_ID.set(identity)
        scope.setdefault("state", {})["request_id"] = identity
        stamp = (b"x-request-id", identity.encode())

        async def stamped(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), stamp]
                scope["state"]["status"] = message["status"]
            await send(message)

        if tracing.on() and scope["path"] not in tracing.PROBES:
            await self._traced(scope, receive, stamped)
        else:
            await self._dispatched(scope, receive, stamped)

    async def _traced(self, scope: Any, receive: Any, send: Any) -> None:
        with tracing.request(scope["headers"], scope["method"]) as span:
            try:
                await self._dispatched(scope, receive, send)
            finally:
                _describe(span, scope)

    async def _dispatched(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        for prefix, door in self._doors:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                inner = {**scope, "root_path": scope.get("root_path", "") + prefix}
                await door(inner, receive, send)
                return
        await self._measured(scope, receive, send)

    async def _measured(self, scope: Any, receive: Any, send: Any) -> None:
        began = time.perf_counter()
        # "OPTIONS *" and a bare "?" come with a path that has no slash.
        first = scope["path"].lstrip("/").split("/", 1)[0]
        door = first if first in DOORS else "other"
        try:
            await self._web(scope, receive, send)
        finally:
            status = scope["state"].get("status", 0)
            REQUESTS.labels(door, scope["method"], str(status)).inc()
            LATENCY.labels(door).observe(time.perf_counter() - began)


def _describe(span: tracing.Off, scope: Any) -> None:
    """Name a span by the route alone: a path may hold what is secret (the link of a notice)."""
    state = scope["state"]
    route = state.get("route") or getattr(scope.get("route"), "path", None)
    status = state.get("status", 0)
    if route is not None:
        span.named(f"{scope['method']} {route}")
    span.told(
        {
            "http.route": route,
            "http.response.status_code": status,
            "scim_bridge.connection": state.get("connection"),
            "scim_bridge.request_id": state["request_id"],
        }
    )
    if status >= 500:
        span.failed(str(status))


async def unrouted(request: Request, error: Exception) -> Response:
    """An unknown address or method as a problem."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        answer = problem_response(
            WrongMethod("method", f"{request.method[:20]} is not known here.", "Use another method.")
        )
        allow = (error.headers or {}).get("Allow") if isinstance(error, HTTPException) else None
        if allow:
            answer.headers["allow"] = allow
        return answer
    return problem_response(
        NotFound("address-unknown", "There is nothing at this address.", "Check the URL.")
    )


async def unexpected(request: Request, error: Exception) -> Response:
    """A defect of ours, or the database gone in the middle: logged with the request's id, told without insides."""
    if isinstance(error, StoreUnavailable):
        return problem_response(error)
    log.error("http.failed", action="http.failed", request_id=request_id(request), exc_info=error)
    fix = f"It was logged under request id {request_id(request)}."
    return problem_response(Defect("internal", "Something went wrong on our side.", fix))
