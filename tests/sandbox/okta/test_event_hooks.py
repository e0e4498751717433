"""Promises of the simulated Okta's event hooks: made, verified, delivered and refused as the real ones are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scim_bridge.sandbox.kit.server import application, open_sandbox
from scim_bridge.sandbox.okta.app import build

URI = "https://bridge.test/signals/okta/acme"
ITEMS = ["user.lifecycle.suspend", "user.lifecycle.unsuspend", "user.lifecycle.deactivate"]


@dataclass
class Subscriber:
    """Who is called: keeps every call, answers as scripted, echoes the challenge unless told otherwise."""

    calls: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    honest: bool = True

    async def take(self, request: Request) -> Response:
        """Answer one call."""
        if request.method == "GET":
            challenge = request.headers["x-okta-verification-challenge"]
            return JSONResponse({"verification": challenge if self.honest else "something"})
        self.calls.append((dict(request.headers), await request.json()))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    def uuids(self) -> list[list[str]]:
        """The events of each call."""
        return [[event["uuid"] for event in body["data"]["events"]] for _, body in self.calls]


@dataclass
class World:
    """An org without a network, its API as an admin calls it, and a subscriber."""

    api: httpx2.AsyncClient
    control: httpx2.AsyncClient
    subscriber: Subscriber

    async def hook(self, **changes: Any) -> httpx2.Response:
        """Create a hook."""
        scheme = {"type": "HEADER", "key": "Authorization", "value": "s3cret"}
        config = {"uri": URI, "headers": [{"key": "X-Tenant", "value": "a"}], "authScheme": scheme}
        body = {
            "name": "scim-bridge",
            "events": {"type": "EVENT_TYPE", "items": ITEMS, "filter": None},
            "channel": {
                "type": "HTTP",
                "version": "1.0.0",
                "config": {**config, **changes.pop("config", {})},
            },
        }
        return await self.api.post("/api/v1/eventHooks", json={**body, **changes})

    async def verified(self) -> str:
        """A hook that counts; its id."""
        made = (await self.hook()).json()
        answer = await self.api.post(f"/api/v1/eventHooks/{made['id']}/lifecycle/verify")
        assert answer.json()["verificationStatus"] == "VERIFIED"
        return str(made["id"])

    async def happen(self, *actions: str) -> None:
        """Something happens to Maria, and hooks are called."""
        for action in actions:
            body = {"login": "maria@corp.test", "action": action}
            assert (await self.control.post("/sandbox/people/lifecycle", json=body)).status_code == 200
        await self.control.post("/sandbox/hooks/deliver")


@pytest.fixture
def in_org(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    """Run a test in an org where Maria works."""

    def run(test: Callable[[World], Awaitable[None]]) -> None:
        async def main() -> None:
            subscriber = Subscriber()
            there = Starlette(routes=[Route("/{path:path}", subscriber.take, methods=["GET", "POST"])])
            sandbox = open_sandbox("okta", tmp_path, "https://org.test")
            app = application(sandbox, build(sandbox, httpx2.ASGITransport(app=there)), "t")
            async with (
                httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(app=app), base_url="https://org.test"
                ) as api,
                httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(app=app),
                    base_url="https://org.test",
                    headers={"authorization": "Bearer t"},
                ) as control,
            ):
                token = (await control.post("/sandbox/api-tokens", json={})).json()["token"]
                api.headers["authorization"] = f"SSWS {token}"
                user = {"login": "maria@corp.test", "email": "m@corp.test", "firstName": "M", "lastName": "C"}
                await control.post("/sandbox/directory", json={"users": [user]})
                await test(World(api, control, subscriber))
            sandbox.close()

        asyncio.run(main())

    return run


def test_a_hook_counts_once_it_is_verified_and_its_secret_is_never_shown(in_org) -> None:
    async def test(world: World) -> None:
        made = (await world.hook()).json()
        assert made["verificationStatus"] == "UNVERIFIED"
        assert "s3cret" not in str(made)
        await world.happen("suspend")
        assert world.subscriber.calls == []
        here = f"/api/v1/eventHooks/{made['id']}"
        world.subscriber.honest = False
        refused = await world.api.post(f"{here}/lifecycle/verify")
        assert (refused.status_code, refused.json()["errorCode"]) == (400, "E0000001")
        world.subscriber.honest = True
        assert (await world.api.post(f"{here}/lifecycle/verify")).status_code == 200
        await world.happen("unsuspend")
        ((headers, body),) = world.subscriber.calls
        assert headers["authorization"] == "s3cret"
        assert headers["x-tenant"] == "a"
        assert body["eventType"] == "com.okta.event_hook"
        assert body["source"] == f"https://org.test{here}"
        (event,) = body["data"]["events"]
        assert event["eventType"] == "user.lifecycle.unsuspend"
        assert event["target"][0]["type"] == "User"
        listed = (await world.api.get("/api/v1/logs")).json()
        assert event["uuid"] in [one["uuid"] for one in listed]

    in_org(test)


def test_a_call_is_made_once_more_after_a_server_error_and_never_after_a_client_error(in_org) -> None:
    async def test(world: World) -> None:
        await world.verified()
        world.subscriber.answers = [503, 200]
        await world.happen("suspend")
        first, second = world.subscriber.uuids()
        assert first == second
        world.subscriber.answers = [500, 500, 200]
        await world.happen("unsuspend")
        assert len(world.subscriber.calls) == 4
        world.subscriber.answers = [400]
        await world.happen("suspend")
        assert len(world.subscriber.calls) == 5
        found = (await world.control.get("/sandbox/hooks/deliveries")).json()["deliveries"]
        assert [one["state"] for one in found] == ["delivered", "failed", "failed"]

    in_org(test)


def test_events_come_together_or_reversed_twice_or_never_as_it_is_told(in_org) -> None:
    async def test(world: World) -> None:
        await world.verified()
        await world.control.post("/sandbox/hooks/settings", json={"hold": True})
        await world.happen("suspend", "unsuspend")
        ((_, body),) = world.subscriber.calls
        assert len(body["data"]["events"]) == 2
        await world.control.post("/sandbox/hooks/settings", json={"reverse": True, "copies": 2})
        await world.happen("suspend", "unsuspend")
        kinds = [body["data"]["events"][0]["eventType"] for _, body in world.subscriber.calls[1:]]
        assert [kind.rpartition(".")[2] for kind in kinds] == ["unsuspend", "unsuspend", "suspend", "suspend"]
        await world.control.post("/sandbox/hooks/settings", json={"lose": 1, "reverse": False, "copies": 1})
        await world.happen("suspend")
        assert len(world.subscriber.calls) == 5
        assert (await world.control.post("/sandbox/hooks/settings", json={"loose": 1})).status_code == 400

    in_org(test)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"config": {"uri": "http://bridge.test"}}, "https"),
        ({"config": {"authScheme": {"type": "HEADER", "key": "Authorization"}}}, "authScheme"),
        (
            {"events": {"type": "EVENT_TYPE", "items": ["user.lifecycle.delete.completed"]}},
            "not an event type",
        ),
        ({"events": {"type": "EVENT_TYPE", "items": []}}, "between 1 and 300"),
        ({"events": {"type": "FLOW", "items": ITEMS}}, "EVENT_TYPE"),
        ({"name": ""}, "blank"),
    ],
)
def test_what_okta_would_not_take_is_refused(in_org, changes, cause) -> None:
    async def test(world: World) -> None:
        answer = await world.hook(**changes)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "E0000001")
        assert cause in str(answer.json()["errorCauses"])

    in_org(test)


def test_a_changed_channel_is_to_be_verified_anew_and_only_an_inactive_hook_is_deleted(in_org) -> None:
    async def test(world: World) -> None:
        key = await world.verified()
        here = f"/api/v1/eventHooks/{key}"
        body = {name: (await world.api.get(here)).json()[name] for name in ("name", "events", "channel")}
        scheme = {"type": "HEADER", "key": "Authorization", "value": "s3cret"}
        body["channel"]["config"]["authScheme"] = scheme
        assert (await world.api.put(here, json=body)).json()["verificationStatus"] == "VERIFIED"
        scheme["value"] = "another"
        assert (await world.api.put(here, json=body)).json()["verificationStatus"] == "UNVERIFIED"
        assert (await world.api.delete(here)).status_code == 400
        assert (await world.api.post(f"{here}/lifecycle/deactivate")).json()["status"] == "INACTIVE"
        assert (await world.api.delete(here)).status_code == 204
        assert (await world.api.get(here)).status_code == 404

    in_org(test)
