"""Promises of Entra's change notifications and delta: genuine news is looked into, and no listing removes anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.kernel.clock import DAY, SECOND, iso
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import configure_connection
from scim_bridge.sandbox.entra.app import build
from scim_bridge.signals.idp import graph_delta, graph_subscription
from scim_bridge.signals.idp.listeners import listener
from tests.conftest import MASTER, TESTER, run_with_store
from tests.sandbox.servers import Running, running
from tests.signals.idp_stage import Stage, real_time, stage
from tests.sync.entra_tenant import Tenant, upn

ROLES = ["User.Read.All", "User-LifeCycleInfo.Read.All"]
Body = Callable[[Stage, Tenant], Awaitable[None]]
# The tenant's too: subscriptions end by it.
CLOCK = real_time()
NOTICES = "/signals/entra/acme"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A tenant that runs as long as this file's tests."""
    with running("entra", build, Path(tmp_path_factory.mktemp("entra")), CLOCK) as made:
        yield made


@pytest.fixture
def on_entra(sandbox: Running, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a test with Maria, who owns an agent, in a tenant that calls us; on SQLite, or the URL that is given."""

    def runner(body: Body, url: str = "", roles: list[str] = ROLES) -> None:
        tenant = Tenant.fresh(sandbox, roles=roles)
        sandbox.control.post("/notices/settings", json={"hold": True}).raise_for_status()

        async def main(store: Store) -> None:
            async with stage(store, CLOCK, sandbox, "entra", tenant.settings, tenant.secrets) as made:
                await made.owner("maria", user(tenant, "maria")["id"])
                await body(made, tenant)

        run_with_store(url or request.getfixturevalue("sqlite_url"), CLOCK, main)

    return runner


def user(tenant: Tenant, name: str) -> dict[str, Any]:
    """A user of the tenant."""
    (found,) = [one for one in tenant.objects("user") if one["userPrincipalName"] == upn(name)]
    return found


async def change(made: Stage, name: str, **facts: Any) -> None:
    """What an admin changes of a user in Entra's portal."""
    await made.control("POST", "/directory", {"users": [{"userPrincipalName": upn(name), **facts}]})


async def subscribe(made: Stage) -> None:
    """Have the subscription seen to, whenever its turn is."""
    made.clock.advance(seconds=graph_subscription.EVERY // SECOND)
    await graph_subscription.tend(made.ctx, made.idps.news)


async def ask(made: Stage) -> int:
    """Let a turn pass, and ask who changed; how many are looked at."""
    made.clock.advance(seconds=graph_delta.EVERY // SECOND)
    return await graph_delta.poll(made.ctx, made.idps.news)


def test_a_person_disabled_at_entra_has_no_agent_that_acts_and_a_receipt_closes(
    on_entra, database_url
) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await subscribe(made)
        (there,) = tenant.objects("subscription")
        assert there["notificationUrl"] == f"{made.url}{NOTICES}"
        await change(made, "maria", accountEnabled=False)
        await made.control("POST", "/notices/send")
        assert await made.look() == 1
        assert await made.signals() == [("person.left", "maria")]
        assert not await made.active("maria-bot")
        await made.finish()
        assert [(case["state"], case["source"]) for case in await made.cases()] == [("closed", "entra:acme")]

    on_entra(body, database_url)


def test_told_twice_and_replayed_it_is_one_departure_and_back_and_away_again_are_two(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await subscribe(made)
        await made.control("POST", "/notices/settings", {"copies": 2, "reverse": True})
        await change(made, "maria", accountEnabled=False)
        await made.control("POST", "/notices/send")
        await made.look()
        made.clock.advance(seconds=5)
        assert (await made.control("POST", "/notices/misbehave", {"flaw": "replay"}))["status"] == 202
        await made.look()
        assert await made.signals() == [("person.left", "maria")]
        for enabled in (True, False):
            made.clock.advance(seconds=5)
            await change(made, "maria", accountEnabled=enabled)
            await made.control("POST", "/notices/send")
            await made.look()
        kinds = [kind for kind, _ in await made.signals()]
        assert kinds == ["person.left", "person.returned", "person.left"]

    on_entra(body)


def test_a_notice_without_our_client_state_is_refused_and_audited(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await subscribe(made)
        await change(made, "maria", accountEnabled=False)
        await made.control("POST", "/notices/send")
        for flaw in ("forged", "no_state"):
            assert (await made.control("POST", "/notices/misbehave", {"flaw": flaw}))["status"] == 401
        assert len(await made.audited("signal.refused")) == 2
        for odd in ({}, {"value": "x"}, {"value": [1, None, {"clientState": 5}]}):
            assert (await made.call("POST", NOTICES, json=odd)).status_code in (400, 401)
        assert (await made.call("POST", "/signals/entra/nobody", json={"value": []})).status_code == 404

    on_entra(body)


def test_the_validation_token_comes_back_as_text_and_nothing_else(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        token = "<script>alert(1)</script> & +"
        answer = await made.call("POST", NOTICES, params={"validationToken": token})
        assert (answer.status_code, answer.text) == (200, token)
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await made.call("POST", NOTICES, params={"validationToken": ""})).status_code == 400

    on_entra(body)


def test_the_subscription_is_renewed_every_day_and_made_anew_when_it_is_gone(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await subscribe(made)
        (first,) = tenant.objects("subscription")
        before = len(tenant.calls())
        await subscribe(made)
        assert len(tenant.calls()) == before
        made.clock.advance(days=1)
        await subscribe(made)
        (renewed,) = tenant.objects("subscription")
        assert renewed["id"] == first["id"]
        assert renewed["expires"] > first["expires"]
        sandbox = made.running.sandbox.store
        sandbox.delete("subscription", first["id"])
        made.clock.advance(days=1)
        await subscribe(made)
        (anew,) = tenant.objects("subscription")
        assert anew["id"] != first["id"]
        (gap,) = (await made.door("graph-notice")).gaps
        assert "gone" in gap.why
        kept = await listener(made.store.reads, "graph-notice:acme")
        assert kept is not None
        assert kept.remote_id == anew["id"]

    on_entra(body)


def test_what_entra_says_of_the_subscription_itself_is_followed(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await subscribe(made)
        await ask(made)
        (first,) = tenant.objects("subscription")
        await made.control("POST", "/notices/lifecycle", {"event": "reauthorizationRequired"})
        await graph_subscription.tend(made.ctx, made.idps.news)
        assert [call["method"] for call in tenant.calls()][-1] == "PATCH"
        await change(made, "maria", accountEnabled=False)
        await made.control("POST", "/notices/lifecycle", {"event": "missed"})
        # The delta is asked at once, not a minute later.
        assert await graph_delta.poll(made.ctx, made.idps.news) == 1
        await made.look()
        assert not await made.active("maria-bot")
        await made.control("POST", "/notices/lifecycle", {"event": "subscriptionRemoved"})
        await graph_subscription.tend(made.ctx, made.idps.news)
        (anew,) = tenant.objects("subscription")
        assert anew["id"] != first["id"]
        assert len((await made.door("graph-notice")).gaps) == 2

    on_entra(body)


def test_deleted_restored_and_purged_people_are_read_before_anything_follows(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await ask(made)
        await made.look()
        maria = user(tenant, "maria")["id"]
        directory = made.running.sandbox.store
        from scim_bridge.sandbox.entra.tenant import Tenant as Directory

        there = Directory(directory, made.running.url)
        there.delete("user", maria)
        assert await ask(made) == 1
        await made.look()
        assert await made.signals() == [("person.deleted", "maria")]
        there.restore(maria)
        assert await ask(made) == 1
        await made.look()
        assert [kind for kind, _ in await made.signals()] == ["person.deleted", "person.returned"]

    on_entra(body)


def test_a_listing_that_comes_back_short_or_empty_removes_nobody(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await ask(made)
        await made.look()
        link = f"{made.running.url}/v1.0/users/delta?$deltatoken=x"
        for rows in ([], [{"id": user(tenant, "maria")["id"], "@removed": {"reason": "changed"}}]):
            empty = {"value": rows, "@odata.deltaLink": link}
            fault = {"match": {"method": "GET", "path": "/users/delta"}, "times": 1, "action": "status"}
            await made.control("PUT", "/faults", {"faults": [{**fault, "status": 200, "body": empty}]})
            await ask(made)
            await made.look()
        assert await made.active("maria-bot")
        assert await made.signals() == []

    on_entra(body)


def test_an_expired_delta_token_is_a_gap_and_who_went_meanwhile_is_found_all_the_same(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await ask(made)
        await made.look()
        from scim_bridge.sandbox.entra.tenant import Tenant as Directory

        Directory(made.running.sandbox.store, made.running.url).delete("user", user(tenant, "maria")["id"])
        tenant.configure(delta_days=0)
        assert await ask(made) == 0
        await made.look()
        assert await made.signals() == [("person.deleted", "maria")]
        (gap,) = (await made.door("graph-delta")).gaps
        assert "syncStateNotFound" in gap.why
        tenant.configure(delta_days=7)
        await ask(made)
        assert (await made.door("graph-delta")).trouble == ""

    on_entra(body)


def test_many_who_went_while_the_token_expired_are_held_by_the_brake_and_nobody_who_is_there_is_touched(
    on_entra,
) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        from scim_bridge.sandbox.entra.tenant import Tenant as Directory

        names = [f"p{number:02}" for number in range(9)]
        await made.control("POST", "/directory", {"users": [{"userPrincipalName": upn(n)} for n in names]})
        for name in names:
            await made.owner(name, user(tenant, name)["id"])
        await ask(made)
        await made.look()
        there = Directory(made.running.sandbox.store, made.running.url)
        for name in names[:6]:
            there.delete("user", user(tenant, name)["id"])
        await change(made, names[6], accountEnabled=False)
        lost = {"error": {"code": "resyncRequired", "message": "The delta token is expired."}}
        fault = {"match": {"path": "deltatoken"}, "times": 1, "action": "status", "status": 410, "body": lost}
        await made.control("PUT", "/faults", {"faults": [fault]})
        assert await ask(made) == 0
        assert await ask(made) == 4, "everybody who is there is listed anew"
        await made.look()
        signals = await made.signals()
        assert sorted(name for _, name in signals) == names[:7]
        assert {kind for kind, _ in signals} == {"person.deleted", "person.left"}
        states = [case["state"] for case in await made.cases()]
        assert len(states) == 7 and states.count("held") >= 4, states
        for name in (*names[7:], "maria"):
            assert await made.active(f"{name}-bot")
        (gap,) = (await made.door("graph-delta")).gaps
        assert "resyncRequired" in gap.why

    on_entra(body)


def test_a_leave_date_plans_moves_and_cancels(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await ask(made)
        for days in (3, 5):
            await change(made, "maria", employeeLeaveDateTime=iso(made.clock.now() + days * DAY))
            await ask(made)
            await made.look()
            (case,) = await made.cases()
            assert case["state"] == "planned"
        await change(made, "maria", employeeLeaveDateTime=None)
        await ask(made)
        await made.look()
        assert [case["state"] for case in await made.cases()] == ["cancelled"]
        assert await made.active("maria-bot")

    on_entra(body)


def test_without_the_permission_for_leave_dates_the_rest_is_read(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await change(made, "maria", accountEnabled=False)
        assert await ask(made) == 1
        await made.look()
        assert not await made.active("maria-bot")

    on_entra(body, roles=["User.Read.All"])


def test_entra_away_is_trouble_of_the_door_and_it_catches_up(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await ask(made)
        tenant.faults({"match": {"path": "/users/delta"}, "times": 1, "action": "status", "status": 503})
        await change(made, "maria", accountEnabled=False)
        assert await ask(made) == 0
        assert (await made.door("graph-delta")).trouble
        assert await ask(made) == 1
        await made.look()
        assert not await made.active("maria-bot")
        assert (await made.door("graph-delta")).trouble == ""

    on_entra(body)


def test_people_nobody_knows_here_are_nobodys_news(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        await made.owner("bob")
        assert await ask(made) == 2
        before = len(tenant.calls())
        await made.look()
        assert len([call for call in tenant.calls()[before:] if call["method"] == "GET"]) == 2
        for name in ("bob", "carol", "dave"):
            await change(made, name, accountEnabled=False)
        assert await ask(made) == 1
        await made.look()
        assert await made.signals() == [("person.left", "bob")]

    on_entra(body)


def test_switched_off_entra_calls_no_more_and_switched_on_it_does_again(on_entra) -> None:
    async def body(made: Stage, tenant: Tenant) -> None:
        async def switch(value: str | None) -> None:
            async def configured(work: Work) -> None:
                await configure_connection(work, MASTER, "acme", settings={"graph_notices": value})

            await made.store.transact(TESTER, configured)
            await subscribe(made)

        for value, orders in ((None, 1), ("off", 0), ("off", 0), (None, 1)):
            await switch(value)
            assert len(tenant.objects("subscription")) == orders

    on_entra(body)
