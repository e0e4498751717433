"""Promises of what an alert does by policy: it holds or slows down, never many at once, and lets go with its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.kernel.clock import HOUR, MINUTE
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.throttles import release_throttle, throttles
from scim_bridge.settings.watch import AlertResponseSettings, AlertSettings
from scim_bridge.watch import alerts as watch
from scim_bridge.watch.telling import RESOLVED, respond
from scim_bridge.watch.watcher import Watcher
from tests.conftest import TESTER, run_with_store
from tests.watch.activity import Sender, with_sender
from tests.watch.alerted import settings, told_effects, trained


def test_by_policy_an_agent_is_held_and_its_owner_asked_and_resolving_releases_only_that_hold(
    on_store, clock
) -> None:
    responses = (
        AlertResponseSettings("hold", ("undeclared-tool",), "medium"),
        AlertResponseSettings("ask", (), "medium"),
    )

    async def body(sender: Sender) -> None:
        agent = sender.agents["triage"]
        await sender.store.transact(
            TESTER, lambda work: place_hold(work, agent, "admin", "admin", "a reason", "an admin")
        )
        await sender.sent(sender.event(tool="shell"))
        [found] = await sender.looked(AlertSettings(responses=responses))
        assert orjson.loads(found["response"]) == ["hold", "ask"]
        assert [who for who, _ in sender.asked] == [agent]

        async def sources() -> set[str]:
            held = await find_agent(sender.store.reads, "triage")
            assert held is not None
            return {hold.source for hold in held.holds}

        assert await sources() == {"admin", "watch"}
        await sender.store.transact(TESTER, lambda work: watch.resolve(work, found["id"], "declared now"))
        assert await sources() == {"admin"}

    with_sender(on_store, clock, body)


def test_when_many_are_odd_at_once_no_more_are_held_and_somebody_is_told(sqlite_url, clock) -> None:
    chosen = AlertSettings(responses=(AlertResponseSettings("hold", (), "low"),), most_holds=1)

    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"), sender.event(agent="batch", tool="telnet"))
        rows = await sender.looked(chosen)
        assert sorted(orjson.loads(row["response"])[0] for row in rows) == ["hold", "hold withheld"]
        notices = await sender.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        assert any(orjson.loads(row["payload"])["template"] == "alert-holds-withheld" for row in notices)

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_a_second_alert_of_a_held_agent_keeps_the_hold_and_counts_for_no_other(sqlite_url, clock) -> None:
    chosen = AlertSettings(responses=(AlertResponseSettings("hold", (), "low"),), most_holds=1)

    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        [first] = await sender.looked(chosen)
        await sender.sent(sender.event(tool="telnet"))
        rows = await sender.looked(chosen)
        assert [orjson.loads(row["response"]) for row in rows] == [["hold"], ["hold"]]
        await sender.store.transact(TESTER, lambda work: watch.resolve(work, first["id"], "looked at"))
        held = await find_agent(sender.store.reads, "triage")
        assert held is not None and [hold.source for hold in held.holds] == ["watch"]

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_of_two_replicas_that_count_at_once_only_one_holds(postgres_url, clock) -> None:
    chosen = AlertSettings(responses=(AlertResponseSettings("hold", (), "low"),), most_holds=1)

    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"), sender.event(agent="batch", tool="telnet"))
        first, second = [await watch.alert(sender.store.reads, row["id"]) for row in await sender.looked()]
        counted, go_on = asyncio.Event(), asyncio.Event()

        async def one(work: Work) -> list[str]:
            done = await respond(work, chosen, first, _nobody)
            counted.set()
            await go_on.wait()
            return done

        slow = asyncio.create_task(sender.store.transact(SYSTEM, one))
        await counted.wait()
        quick = asyncio.create_task(
            sender.store.transact(SYSTEM, lambda work: respond(work, chosen, second, _nobody))
        )
        waits = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not quick.done() and not (await sender.store.reads.one(waits))["n"]:
            pass
        go_on.set()
        assert await asyncio.gather(slow, quick) == [["hold"], ["hold withheld"]]

    with_sender(lambda run: run_with_store(postgres_url, clock, run), clock, body)


def test_by_policy_an_agent_is_slowed_down_again_while_it_goes_on_and_no_more_when_a_person_says_so(
    on_store, clock
) -> None:
    slow = AlertResponseSettings("throttle", (), "medium", rate="6/h", burst=2, minutes=30)
    chosen = AlertSettings(responses=(slow, replace(slow, rate="100/m")), most_holds=1)

    async def body(sender: Sender) -> None:
        clock.advance(seconds=(HOUR - clock.now() % HOUR) / 1_000_000)

        async def slowed() -> list[tuple[str, str, int]]:
            rows = await throttles(sender.store.reads, clock.now())
            return [(row["agent"], row["pace"], row["until"] - clock.now()) for row in rows]

        await sender.sent(sender.event(tool="shell"), sender.event(agent="batch", tool="telnet"))
        rows = await sender.looked(chosen)
        assert sorted(orjson.loads(row["response"]) for row in rows) == [["throttle"], ["throttle withheld"]]
        ((name, pace, left),) = await slowed()
        assert (pace, left) == ("6/h, 2 at once", 30 * MINUTE)
        (alert,) = [row for row in rows if orjson.loads(row["response"]) == ["throttle"]]
        tool = alert["subject"]
        notices = await sender.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        (told,) = [
            one for row in notices if (one := orjson.loads(row["payload"]))["template"].startswith("alert")
        ]
        assert told["data"]["done"] == "slowed down"

        clock.advance(seconds=1200)
        await sender.sent(sender.event(agent=name, tool=tool))
        await sender.looked(chosen)
        assert (await slowed())[0][2] == 30 * MINUTE, "it goes on, so the time begins anew"
        clock.advance(seconds=2400)
        assert not await slowed()
        await sender.sent(sender.event(agent=name, tool=tool))
        await sender.looked(chosen)
        assert (await slowed())[0][2] == 30 * MINUTE, "it ended by itself, and the oddity is back"
        agent = sender.agents[name]
        await sender.store.transact(
            TESTER, lambda work: release_throttle(work, agent, "watch", "looked at it")
        )
        clock.advance(seconds=1200)
        await sender.sent(sender.event(agent=name, tool=tool))
        await sender.looked(chosen)
        assert not await slowed(), "a person ended it"

    with_sender(on_store, clock, body)


def test_resolving_the_alert_ends_its_throttle(sqlite_url, clock) -> None:
    chosen = AlertSettings(responses=(AlertResponseSettings("throttle", (), "low"),))

    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        await sender.sent(sender.event(tool="telnet"))
        rows = await sender.looked(chosen)
        for row in rows:
            assert len(await throttles(sender.store.reads, clock.now())) == 1, "until the last is resolved"
            await sender.store.transact(TESTER, lambda work, one=row["id"]: watch.resolve(work, one, "meant"))
        assert not await throttles(sender.store.reads, clock.now())

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_by_default_an_alert_holds_nobody(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        [found] = await sender.looked()
        assert found["response"] == "[]" and not sender.asked
        held = await find_agent(sender.store.reads, "triage")
        assert held is not None and not held.holds

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_what_does_not_come_back_ends_by_itself_but_never_a_hold(sqlite_url, clock) -> None:
    chosen = settings(responses=(AlertResponseSettings("hold", ("undeclared-tool",), "low"),))

    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        await sender.looked(chosen)
        await trained(sender, 15)
        clock.advance(days=1)
        await sender.sent(sender.event(resource="vault/root"))
        await sender.looked(chosen)
        clock.advance(days=8)
        watcher = Watcher(sender.ctx, chosen, _nobody)
        assert await watcher.end_quiet() == 1
        states = {row["kind"]: row["state"] for row in await sender.looked()}
        assert states == {"undeclared-tool": "open", "new-resource": "resolved"}
        assert {"route": "siem", "event": RESOLVED}.items() <= (await told_effects(sender))[-1].items()

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


async def _nobody(*_: Any) -> bool:
    return False
