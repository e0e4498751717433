"""Promises of the simulated Entra's change notifications: validated, sent until taken, ended when their time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from scim_bridge.sandbox.entra import people
from scim_bridge.sandbox.entra.notices.sending import Sender
from scim_bridge.sandbox.kit.clock import iso
from tests.sandbox.entra.world import Api, World

URL = "https://bridge.test/signals/entra/acme"
MINUTE = 60


@dataclass
class Subscriber:
    """Who is called: keeps every call, answers as scripted, echoes tokens unless told otherwise."""

    notices: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    echo: str | None = None

    async def take(self, request: Request) -> Response:
        """Answer one call."""
        token = request.query_params.get("validationToken")
        if token is not None:
            return PlainTextResponse(token if self.echo is None else self.echo)
        self.notices += (await request.json())["value"]
        return Response(status_code=self.answers.pop(0) if self.answers else 202)


@dataclass
class Stage:
    """A tenant with a person, an application that may subscribe, and whom it has called."""

    world: World
    api: Api
    sender: Sender
    subscriber: Subscriber

    def wish(self, minutes: float = 24 * 60, **changes: Any) -> dict[str, Any]:
        """The body of a new subscription."""
        made = {
            "changeType": "updated,deleted",
            "notificationUrl": URL,
            "lifecycleNotificationUrl": URL,
            "resource": "/users",
            "expirationDateTime": iso(self.world.clock.now() + int(minutes * MINUTE * 1_000_000)),
            "clientState": "only-we-know",
        }
        return {**made, **changes}

    async def subscribe(self, **changes: Any) -> dict[str, Any]:
        """A subscription that counts."""
        answer = await self.sender.proven(self.api.call("POST", "/subscriptions", self.wish(**changes)))
        assert answer.status == 201, answer.body
        return dict(answer.body)

    def change(self, **facts: Any) -> None:
        """Change Maria."""
        people.fill(self.world.tenant, {"users": [{"userPrincipalName": "maria@corp.test", **facts}]})


@pytest.fixture
def on_stage(world: World) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Run a test on a stage."""

    def run(test: Callable[[Stage], Awaitable[None]]) -> None:
        subscriber = Subscriber()
        there = Starlette(routes=[Route("/{path:path}", subscriber.take, methods=["POST"])])
        sender = Sender(world.tenant, "", httpx2.ASGITransport(app=there))
        stage = Stage(world, world.app("User.Read.All"), sender, subscriber)
        stage.change()

        async def main() -> None:
            await test(stage)

        asyncio.run(main())

    return run


def test_a_subscription_whose_address_does_not_echo_is_not_made(on_stage) -> None:
    async def test(stage: Stage) -> None:
        stage.subscriber.echo = "something else"
        answer = await stage.sender.proven(stage.api.call("POST", "/subscriptions", stage.wish()))
        assert (answer.status, answer.body["error"]["code"]) == (400, "ValidationError")
        assert stage.api.listed("/subscriptions") == []
        stage.subscriber.echo = None
        made = await stage.subscribe()
        (listed,) = stage.api.listed("/subscriptions")
        assert listed["id"] == made["id"]
        assert listed["clientState"] is None

    on_stage(test)


def test_a_notice_names_the_user_and_nothing_else_and_is_sent_until_it_is_taken(on_stage) -> None:
    async def test(stage: Stage) -> None:
        made = await stage.subscribe()
        stage.change(accountEnabled=False)
        stage.subscriber.answers = [503]
        await stage.sender.run()
        stage.world.clock.move(2)
        await stage.sender.run()
        first, again = stage.subscriber.notices
        assert first == again
        assert first["clientState"] == "only-we-know"
        assert first["subscriptionId"] == made["id"]
        assert set(first["resourceData"]) == {"@odata.type", "@odata.id", "id"}
        maria = stage.world.tenant.user_named("maria@corp.test")
        assert maria is not None
        assert first["resourceData"]["id"] == maria["id"]
        await stage.sender.run()
        assert len(stage.subscriber.notices) == 2
        stage.world.tenant.delete("user", maria["id"])
        await stage.sender.run()
        assert stage.subscriber.notices[-1]["changeType"] == "deleted"

    on_stage(test)


def test_it_ends_when_its_time_is_up_unless_it_is_renewed_and_says_so_before(on_stage) -> None:
    async def test(stage: Stage) -> None:
        made = await stage.subscribe(minutes=24 * 60)
        await stage.sender.run()
        assert stage.subscriber.notices == []
        later = {"expirationDateTime": stage.wish(minutes=25 * 60)["expirationDateTime"]}
        stage.api.ok("PATCH", f"/subscriptions/{made['id']}", later)
        stage.world.clock.move(14 * 60 * MINUTE)
        await stage.sender.run()
        await stage.sender.run()
        (asked,) = stage.subscriber.notices
        assert asked["lifecycleEvent"] == "reauthorizationRequired"
        stage.world.clock.move(12 * 60 * MINUTE)
        stage.change(department="Sales")
        await stage.sender.run()
        assert stage.world.store.all("subscription") == []
        assert len([one for one in stage.subscriber.notices if "changeType" in one]) == 0

    on_stage(test)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"minutes": 41_761}, 400),
        ({"minutes": -1}, 400),
        ({"notificationUrl": "http://bridge.test"}, 400),
        ({"notificationUrl": None}, 400),
        ({"resource": "/servicePrincipals"}, 400),
        ({"changeType": "renamed"}, 400),
        ({"clientState": "x" * 129}, 400),
        ({"expirationDateTime": "soon"}, 400),
    ],
)
def test_what_graph_would_not_take_is_refused(on_stage, changes, status) -> None:
    async def test(stage: Stage) -> None:
        assert stage.api.refused("POST", "/subscriptions", stage.wish(**changes))[0] == status

    on_stage(test)


def test_others_subscriptions_are_not_there_and_a_role_is_needed(on_stage) -> None:
    async def test(stage: Stage) -> None:
        made = await stage.subscribe()
        other = stage.world.app("User.Read.All")
        assert other.listed("/subscriptions") == []
        assert other.refused("DELETE", f"/subscriptions/{made['id']}")[0] == 404
        assert stage.world.app("Group.Read.All").refused("POST", "/subscriptions", stage.wish())[0] == 403
        stage.api.ok("POST", f"/subscriptions/{made['id']}/reauthorize")
        stage.api.ok("DELETE", f"/subscriptions/{made['id']}")
        assert stage.api.listed("/subscriptions") == []

    on_stage(test)
