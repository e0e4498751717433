"""Promises of the log: no secret is in a line, at any depth, and a line inside a request says which one it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2
import orjson
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from scim_bridge.kernel import telemetry
from scim_bridge.kernel.edge import Edge
from scim_bridge.registry.tokens import new_token

TOKEN = new_token()


@pytest.fixture
def configured() -> Iterator[None]:
    """The program's own logging, and what was there before it afterwards."""
    before, line = structlog.get_config(), telemetry._line
    telemetry.configure_logging("info", "json")
    yield
    structlog.configure(**before)
    telemetry._line = line


@pytest.mark.parametrize(
    "said",
    [
        {"client_secret": "hunter2"},
        {"headers": {"Authorization": "hunter2"}},
        {"calls": [{"deep": {"password": "hunter2"}}]},
        {"reason": f"the peer answered {TOKEN} was wrong"},
        {"reason": "sent Authorization: Bearer hunter2hunter2"},
        {"why": ["whsec_" + "aHVudGVyMmh1bnRlcjJodW50ZXIy"]},
    ],
)
def test_no_secret_is_in_a_line_at_any_depth(said: dict[str, object], configured: None, capsys) -> None:
    structlog.get_logger().warning("something", action="x", **said)
    told = capsys.readouterr().err
    assert "***" in told and orjson.loads(told)["action"] == "x"
    for secret in ("hunter2", TOKEN, "aHVudGVy"):
        assert secret not in told


def test_no_secret_is_in_a_traceback(configured: None, capsys) -> None:
    try:
        raise RuntimeError(f"401 for Bearer {TOKEN}")
    except RuntimeError:
        structlog.get_logger().exception("it broke", action="x")
    told = capsys.readouterr().err
    assert "RuntimeError" in told and TOKEN not in told


@pytest.mark.parametrize(
    "text",
    ["sbr_ is how ours begin", "send Authorization: Bearer <token>", "rows in sb_resource", "whsec_", ""],
)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert telemetry.masked(None, "info", {"reason": text}) == {"reason": text}


def test_every_line_inside_a_request_says_which_one_it_was(configured: None, capsys) -> None:
    async def work(_request: Request) -> Response:
        structlog.get_logger("a room deep inside").warning("something", action="deep")
        return PlainTextResponse("")

    async def main() -> None:
        transport = httpx2.ASGITransport(app=Edge({}, Starlette(routes=[Route("/work", work)])))
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            # As the server does it: each request in a task of its own.
            calls = [client.get("/work", headers={"x-request-id": name}) for name in ("one", "two")]
            await asyncio.gather(*(asyncio.create_task(call) for call in calls))
        structlog.get_logger().warning("afterwards", action="outside")

    asyncio.run(main())
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert sorted(line["request_id"] for line in lines if line["action"] == "deep") == ["one", "two"]
    assert "request_id" not in lines[-1]
