"""One line and one count for each call, with nothing in them that must not be there."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from scim_bridge.kernel import telemetry
from scim_bridge.kernel.telemetry import REQUESTS, SCIM_REQUESTS
from tests.scim.bridge import Bridge


def counted(method: str, status: int) -> float:
    """How many calls of a kind were counted so far."""
    return float(REQUESTS.labels("scim", method, str(status))._value.get())


def by_connection(*labels: str) -> float:
    """How many calls of a connection were counted so far: connection, dialect, route, method, class of status."""
    return float(SCIM_REQUESTS.labels(*labels)._value.get())


def test_calls_are_counted_by_connection_dialect_and_route(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("acme", "entra")
        kinds = [
            ("acme", "entra", "/Users", "GET", "2xx"),
            ("acme", "entra", "/Users/{id}", "GET", "4xx"),
            ("acme", "entra", "/Groups", "OTHER", "4xx"),
        ]
        before = [by_connection(*kind) for kind in kinds]
        await client.get("/Users?count=1")
        await client.get("/Users/nobody")
        await client.call("BREW", "/Groups")
        await client.get("/Users", authorization="Bearer sbr_not-a-token")
        assert [by_connection(*kind) for kind in kinds] == [count + 1 for count in before]

    sqlite_door(body)


def test_each_call_is_one_line_and_one_count_without_secrets(
    sqlite_door, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another test of this process may have started the program, which writes the lines itself.
    monkeypatch.setattr(telemetry, "_line", None)

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta", "okta-put")
        before = counted("POST", 201), counted("OTHER", 405)
        quiet = structlog.get_config()["wrapper_class"]
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
        with capture_logs() as lines:
            sent = {"userName": "maria@x.test", "password": "hunter2", "active": "True"}
            made = await client.post("/Users", sent, x_request_id="call-7")
            await client.get(f"/Users/{made['id']}")
            await client.get('/Users?filter=userName eq "maria@x.test"')
            await client.call("BREW", "/Users")
            await client.get("/Users", authorization="Bearer sbr_not-a-token")
        structlog.configure(wrapper_class=quiet)
        assert (counted("POST", 201), counted("OTHER", 405)) == (before[0] + 1, before[1] + 1)
        calls: list[dict[str, Any]] = [dict(line) for line in lines if line["event"] == "scim.call"]
        assert [(c["method"], c["path"], c["status"]) for c in calls] == [
            ("POST", "/Users", 201),
            ("GET", "/Users/{id}", 200),
            ("GET", "/Users", 200),
            ("BREW", "/Users", 405),
            ("GET", "", 401),
        ]
        assert calls[0]["connection"] == "okta"
        assert calls[0]["request_id"] == "call-7"
        assert calls[0]["rewrites"] == ["text-booleans"]
        assert all(isinstance(c["ms"], float) for c in calls)
        told = repr(lines)
        for secret in (client.token, "hunter2", "maria", made["id"], "not-a-token"):
            assert str(secret) not in told

    sqlite_door(body)
