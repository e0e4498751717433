"""Promises of the outermost layer: every answer carries a safe request id, every refusal is a problem."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.errors import Invalid, StoreUnavailable
from scim_bridge.kernel.json_keys import check_keys
from scim_bridge.kernel.web import endpoint, read_json, request_id


async def _echo(request: Request) -> Response:
    return PlainTextResponse(request_id(request))


async def _broken(_request: Request) -> Response:
    raise RuntimeError("secret insides")


async def _away(_request: Request) -> Response:
    raise StoreUnavailable


@endpoint
async def _post(request: Request) -> Response:
    return PlainTextResponse(str(await read_json(request, 100)))


async def _door(scope: Any, _receive: Any, send: Any) -> None:
    await PlainTextResponse(f"{scope['root_path']}|{scope['path']}")(scope, _receive, send)


def call(method: str, path: str, **options: Any) -> httpx2.Response:
    """One request to an application of these routes."""
    web = Starlette(
        routes=[
            Route("/echo", _echo),
            Route("/broken", _broken),
            Route("/away", _away),
            Route("/post", _post, methods=["POST"]),
        ],
        exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
    )
    app = Edge({"/scim/v2": _door}, web)

    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(main())


def test_a_harmless_request_id_is_kept_and_any_other_replaced() -> None:
    kept = call("GET", "/echo", headers={"x-request-id": "abc-123"})
    assert kept.headers["x-request-id"] == kept.text == "abc-123"
    for bad in ("a b", "x" * 65, '"><script>', "é"):
        answer = call("GET", "/echo", headers=[(b"x-request-id", bad.encode())])
        assert answer.headers["x-request-id"] == answer.text != bad
        assert len(answer.text) == 32


def test_a_door_is_entered_by_its_whole_first_segments_only() -> None:
    assert call("GET", "/scim/v2/Users").text == "/scim/v2|/scim/v2/Users"
    assert call("GET", "/scim/v2").text == "/scim/v2|/scim/v2"
    assert call("GET", "/scim/v23/Users").status_code == 404


@pytest.mark.parametrize("path", ["*", "", "x"])
def test_a_path_without_a_slash_is_refused_like_any_other(path: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "OPTIONS", "path": path, "raw_path": path.encode(), "headers": []}
    scope |= {
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("h", 80),
    }
    web = Starlette(routes=[Route("/echo", _echo)], exception_handlers={404: unrouted, 405: unrouted})
    asyncio.run(Edge({}, web)(scope, receive, send))
    assert sent[0]["status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "address-unknown"),
        ("DELETE", "/echo", 405, "method"),
        ("GET", "/broken", 500, "internal"),
        ("GET", "/away", 503, "store-unavailable"),
    ],
)
def test_every_refusal_is_a_problem_with_a_code(method: str, path: str, status: int, code: str) -> None:
    answer = call(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "secret insides" not in answer.text
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    if status == 405:
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[1]", 400), (b'"x"', 400), (b"\xff", 400), (b" " * 101, 413), (b'{"a": NaN}', 400)],
)
def test_a_body_that_is_no_small_json_object_is_refused(body: bytes, status: int) -> None:
    answer = call("POST", "/post", content=body)
    assert answer.status_code == status and answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"subject": 1, "subject": 2}', 400),
        (b'{"a": {"b": 1, "\\u0062": 2}}', 400),
        (b'{"a": [{"b\\"": "x", "b\\"": 1}]}', 400),
        (b"[" * 40 + b"]" * 40, 400),
        (b'{"a": "\\"b\\"", "b": {"a": ["\\\\", ""]}}', 200),
    ],
)
def test_a_body_that_says_one_thing_twice_is_refused(body: bytes, status: int) -> None:
    assert call("POST", "/post", content=body).status_code == status


def test_a_body_nested_too_deep_is_refused_and_no_defect() -> None:
    raw = b'{"a":' * 1000 + b"1" + b"}" * 1000
    with pytest.raises(Invalid, match="nested"):
        check_keys(raw, orjson.loads(raw))


def test_a_body_in_a_coding_is_refused_and_not_read_as_something_else() -> None:
    coded = call("POST", "/post", content=b"{}", headers={"content-encoding": "gzip"})
    assert (coded.status_code, coded.json()["code"]) == (415, "content-encoding")
    assert call("POST", "/post", content=b"{}", headers={"content-encoding": "identity"}).status_code == 200
