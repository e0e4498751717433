"""HTTP at the edge of every room: JSON in and out, problem answers, who calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from scim_bridge.kernel.errors import BridgeError, Invalid
from scim_bridge.kernel.json_keys import check_keys
from scim_bridge.kernel.work import Actor

Handler = Callable[[Request], Awaitable[Response]]
Authorize = Callable[[Request, str], Awaitable[Actor]]
"""Who calls, when they may: raises Unauthenticated or Forbidden for a missing scope."""

JSON = "application/json"
PROBLEM = "application/problem+json"


class WrongMedia(Invalid):
    """The body is in a form that is not read here."""

    status = 415


class TooLarge(Invalid):
    """The body is larger than this address accepts."""

    status = 413


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON, never kept by caches in between."""
    return Response(
        orjson.dumps(content),
        status,
        media_type=JSON,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def problem_headers(error: BridgeError) -> dict[str, str]:
    """The headers an error's status asks for (RFC 9110 sections 10.2.3 and 11.6.1)."""
    headers = {"cache-control": "no-store"}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, error.retry_after))
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="scim-bridge"'
    return headers


def problem_response(error: BridgeError) -> Response:
    """An error as application/problem+json (RFC 9457)."""
    return Response(
        orjson.dumps(error.problem()), error.status, media_type=PROBLEM, headers=problem_headers(error)
    )


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body; TooLarge as soon as it is known to be longer than `max_bytes`."""
    coding = request.headers.get("content-encoding", "").strip().casefold()
    if coding not in ("", "identity"):
        raise WrongMedia(
            "content-encoding", f"Bodies coded as {coding[:60]!r} are not read here.", "Send it as it is."
        )
    refusal = TooLarge("body-too-large", f"The body is larger than {max_bytes} bytes.", "Send less at once.")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise refusal
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise refusal
    except ClientDisconnect as error:
        raise Invalid("body-incomplete", "The body ended early.", "Send it again.") from error
    return bytes(body)


async def read_json(request: Request, max_bytes: int = 262_144) -> dict[str, Any]:
    """The body as a JSON object in which no key comes twice; Invalid otherwise."""
    raw = await read_body(request, max_bytes)
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid("json-invalid", f"The body is not JSON ({error}).", "Send a JSON object.") from error
    if not isinstance(found, dict):
        raise Invalid("json-object", "The body is not a JSON object.", "Send a JSON object.")
    check_keys(raw, found)
    return found


def endpoint(handler: Handler) -> Handler:
    """Answer a BridgeError as a problem, so that a handler only states its promise."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BridgeError as error:
            return problem_response(error)

    return answer


def bearer(request: Request) -> str | None:
    """The bearer token of a request, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.casefold() == "bearer" else None


def address_of(request: Request) -> str | None:
    """The address of the client's end of the connection."""
    return request.client.host if request.client is not None else None


def request_id(request: Request) -> str:
    """The id this request has in logs and audit."""
    return str(request.scope.get("state", {}).get("request_id", ""))
