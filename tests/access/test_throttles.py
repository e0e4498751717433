"""Throttles: an agent that may act only so often hears why and when, until it ends by itself or is released."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.access.facts import facts_about
from scim_bridge.access.foresee import foresee
from scim_bridge.access.model import Question
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, iso
from scim_bridge.kernel.frequency import read_frequency, written_frequency
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.throttles import (
    Pace,
    end_throttles,
    place_throttle,
    release_throttle,
    throttles,
)
from tests.access.gateway import Gateway, OnStore, with_gateway
from tests.conftest import TESTER

SLOW = Pace(2, MINUTE, 2)


async def agent_of(gateway: Gateway, slug: str = "code-review") -> str:
    found = await find_agent(gateway.store.reads, slug)
    assert found is not None
    return found.resource.id


async def audited(gateway: Gateway) -> list[str]:
    rows = await gateway.store.reads.all(
        "SELECT action FROM sb_audit WHERE action LIKE 'agent.throttle%' ORDER BY at, id"
    )
    return [row["action"] for row in rows]


def test_a_throttled_agent_hears_why_and_when_and_is_as_before_when_the_time_is_over(
    on_store: OnStore, clock: ManualClock
) -> None:
    async def body(gateway: Gateway) -> None:
        store, agent = gateway.store, await agent_of(gateway)
        until = clock.now() + HOUR

        async def slow(work: Work) -> bool:
            return await place_throttle(work, agent, "watch", "alert-rate", "Far too many.", SLOW, until)

        assert await store.transact(TESTER, slow)
        answers = [await gateway.ask() for _ in range(3)]
        assert [one["decision"] for one in answers] == [True, True, False]
        context = answers[-1]["context"]
        (reason,) = context["reasons"]
        assert reason["id"] == "throttle:alert-rate" and context["retry_after"] == 30
        for word in ("2/m", iso(until), "watch", "Far too many", "There is room again"):
            assert word in reason["text"]
        assert (await gateway.ask("deploy-conductor"))["context"]["reasons"][0]["id"] != "throttle:alert-rate"
        clock.advance(seconds=30)
        assert [(await gateway.ask())["decision"] for _ in range(2)] == [True, False]
        clock.advance(seconds=3600)
        assert all([(await gateway.ask())["decision"] for _ in range(4)]), (
            "nobody has to note the end for that"
        )
        assert await throttles(store.reads, clock.now()) == []
        assert (await end_throttles(store), await end_throttles(store)) == (1, 0)
        assert await audited(gateway) == ["agent.throttled", "agent.throttle_ended"]
        row = await store.reads.one("SELECT ended, ended_by, until FROM sb_throttle")
        assert row["ended"] == row["until"] == until and row["ended_by"] is None

    with_gateway(on_store, body)


def test_a_throttle_is_placed_once_made_longer_and_released_by_its_source_alone(
    on_store: OnStore, clock: ManualClock
) -> None:
    async def body(gateway: Gateway) -> None:
        store, agent = gateway.store, await agent_of(gateway)

        def slow(source: str, pace: Pace, minutes: int) -> Any:
            until = clock.now() + minutes * MINUTE

            async def change(work: Work) -> bool:
                work.bookkeeping("as it was")
                return await place_throttle(work, agent, source, "admin", "A load test.", pace, until)

            return store.transact(TESTER, change)

        assert [await slow("admin", SLOW, 60), await slow("admin", SLOW, 30)] == [True, False]
        assert await slow("admin", Pace(1, HOUR, 1), 30), "another pace, and the later end stays"
        (one,) = await throttles(store.reads, clock.now(), agent)
        assert (one["pace"], one["until"], one["agent"]) == ("1/h", clock.now() + HOUR, "code-review")
        assert await slow("watch", SLOW, 60)
        assert [(await gateway.ask())["decision"] for _ in range(2)] == [True, False], "the slower one counts"

        async def release(work: Work, source: str) -> bool:
            work.bookkeeping("it has none")
            return await release_throttle(work, agent, source, "it is over")

        assert await store.transact(TESTER, lambda work: release(work, "admin"))
        assert not await store.transact(TESTER, lambda work: release(work, "admin"))
        assert [(await gateway.ask())["decision"] for _ in range(2)] == [True, False], "the other one stands"
        assert await audited(gateway) == ["agent.throttled"] * 3 + ["agent.throttle_released"]

    with_gateway(on_store, body)


def test_a_faster_pace_counts_at_once_and_one_that_is_over_is_another(
    on_store: OnStore, clock: ManualClock
) -> None:
    async def body(gateway: Gateway) -> None:
        store, agent = gateway.store, await agent_of(gateway)

        async def slow(pace: Pace, minutes: int = 60) -> None:
            until = clock.now() + minutes * MINUTE
            await store.transact(
                TESTER, lambda work: place_throttle(work, agent, "admin", "admin", "A test.", pace, until)
            )

        async def left() -> int:
            [facts] = await facts_about(store.reads, "code-review")
            [foreseen] = await foresee(
                store.reads,
                (),
                Question("agent", "code-review", "read", "repository", "storefront"),
                facts,
                clock.now(),
            )
            return foreseen.left

        await slow(Pace(1, DAY, 1))
        assert [(await gateway.ask())["decision"] for _ in range(2)] == [True, False]
        await slow(Pace(60, MINUTE, 60))
        refused = await gateway.ask()
        assert refused["context"]["retry_after"] == 1, "not what was left of the day"
        clock.advance(seconds=10)
        assert await left() == 10
        assert [(await gateway.ask())["decision"] for _ in range(11)] == [True] * 10 + [False]
        clock.advance(seconds=2 * 3600)
        began = clock.now()
        await slow(SLOW)
        [one] = await throttles(store.reads, clock.now(), agent)
        assert one["placed"] == began
        assert await audited(gateway) == [
            "agent.throttled",
            "agent.throttled",
            "agent.throttle_ended",
            "agent.throttled",
        ]

    with_gateway(on_store, body)


@pytest.mark.parametrize(("said", "means"), [("10/s", (10, SECOND)), (" 500 / h ", (500, HOUR))])
def test_a_frequency_is_read_as_it_is_written(said: str, means: tuple[int, int]) -> None:
    assert read_frequency(said) == means
    assert read_frequency(written_frequency(*means)) == means


@pytest.mark.parametrize("said", ["", "0/s", "-1/m", "10", "10/x", "1e3/s", "10/s/m", "١/s", "9999999/s"])
def test_what_is_no_frequency_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="frequency"):
        read_frequency(said)
