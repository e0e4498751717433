"""The edge of a sandbox: every vendor call is journalled and may be struck by a fault; control needs its token."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scim_bridge.sandbox.kit.clock import http_date
from scim_bridge.sandbox.kit.faults import Fault, Faults
from scim_bridge.sandbox.kit.store import Store

CONTROL = "/sandbox"
MAX_BODY = 16 * 1024 * 1024


class Dropped(ConnectionError):
    """The connection was cut on purpose; seen only by callers in the same process."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Edge:
    """Pure ASGI: buffers a call and its answer, for both are small here and both are written down."""

    def __init__(self, app: ASGIApp, store: Store, faults: Faults, control_token: str) -> None:
        self._app = app
        self._store = store
        self._faults = faults
        self._control = f"Bearer {control_token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == CONTROL or scope["path"].startswith(f"{CONTROL}/"):
            await self._steer(scope, receive, send)
        else:
            await self._vendor(scope, receive, send)

    async def _steer(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(given, self._control):
            await self._app(scope, receive, send)
        else:
            await _send(send, json_reply(401, {"error": "The control token is missing or wrong."}))

    async def _vendor(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        fault = self._faults.strike(scope["method"], target)
        action = fault.action if fault is not None else ""
        reply: Reply | None = None
        try:
            if fault is not None and action == "status":
                reply = _scripted(fault)
            elif action != "drop_before":
                if fault is not None and action == "delay":
                    await asyncio.sleep(fault.seconds)
                if fault is not None and action == "alter":
                    body = re.sub(fault.find.encode(), fault.put.encode(), body)
                reply = await _answer(self._app, scope, body)
        finally:
            shown = None if action in ("drop_before", "drop_after") else reply
            self._write_down(scope, target, body, shown)
        reply = self._dated(reply) if reply is not None else None
        if fault is not None and action == "truncate" and reply is not None:
            await _send_part(send, reply, fault.bytes)
            await _cut(receive, send, flush=True)
        elif reply is None or action == "drop_after":
            await _cut(receive, send, flush=False)
        else:
            await _send(send, reply)

    def _dated(self, reply: Reply) -> Reply:
        """The answer with the sandbox's own time, to which its limits refer: the server's may be seconds old."""
        if any(name.lower() == b"date" for name, _ in reply.headers):
            return reply
        date = http_date(self._store.clock.now()).encode()
        return replace(reply, headers=[(b"date", date), *reply.headers])

    def _write_down(self, scope: Scope, target: str, body: bytes, reply: Reply | None) -> None:
        endpoint = scope.get("endpoint")
        headers = _text_headers(scope["headers"])
        self._store.record(
            "in",
            str(getattr(endpoint, "__name__", "") or "unknown"),
            scope["method"],
            target,
            readable(body, headers.get("content-type", "")),
            reply.status if reply is not None else 0,
            None
            if reply is None
            else readable(reply.body, _text_headers(reply.headers).get("content-type", "")),
            headers,
        )


def readable(body: bytes, content_type: str) -> Any:
    """A body as the journal keeps it: parsed JSON, a form as an object, else text; None when empty."""
    if not body:
        return None
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")[:65536]


def json_reply(status: int, content: object, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON."""
    sent = {"content-type": "application/json", **(headers or {})}
    return Reply(
        status,
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
        orjson.dumps(content),
    )


def _scripted(fault: Fault) -> Reply:
    if isinstance(fault.body, str):
        content_type = {name.lower(): value for name, value in fault.headers.items()}.get(
            "content-type", "text/html"
        )
        headers = {**{k: v for k, v in fault.headers.items() if k.lower() != "content-type"}}
        pairs = [
            (b"content-type", content_type.encode()),
            *((k.encode(), v.encode()) for k, v in headers.items()),
        ]
        return Reply(fault.status, pairs, fault.body.encode())
    if fault.body is None:
        return Reply(fault.status, [(k.encode(), v.encode()) for k, v in fault.headers.items()], b"")
    return json_reply(fault.status, fault.body, fault.headers)


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise ValueError("a body of more than 16 MiB was sent to a sandbox")
        if not message.get("more_body", False):
            return bytes(body)


async def _answer(app: ASGIApp, scope: Scope, body: bytes) -> Reply:
    given = iter([{"type": "http.request", "body": body, "more_body": False}])
    start: dict[str, Any] = {}
    parts: list[bytes] = []

    async def receive() -> Message:
        return next(given, {"type": "http.disconnect"})

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return Reply(start["status"], list(start.get("headers", [])), b"".join(parts))


def _text_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _start(reply: Reply) -> Message:
    headers = [pair for pair in reply.headers if pair[0].lower() != b"content-length"]
    if reply.status not in (204, 304):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


async def _send(send: Send, reply: Reply) -> None:
    await send(_start(reply))
    await send({"type": "http.response.body", "body": reply.body})


async def _send_part(send: Send, reply: Reply, count: int) -> None:
    await send(_start(reply))
    await send({"type": "http.response.body", "body": reply.body[:count], "more_body": True})


async def _cut(receive: Receive, send: Send, *, flush: bool) -> None:
    """Close the connection as a crashed process would; what was sent before arrives only with `flush`.

    ASGI has no word for that, so this reaches for uvicorn's transport, whose request cycle owns `send`.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise Dropped("the connection was cut by a scripted fault")
    if flush:
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
