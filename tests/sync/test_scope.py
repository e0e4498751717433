"""Promises of a connection's scope in sync: who is outside is not pushed; who left it can still be stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scim_bridge.kernel.work import Store
from scim_bridge.registry.agents import delete_agent, update_agent
from scim_bridge.registry.connections import configure_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.resources import load
from tests.conftest import MASTER, TESTER
from tests.sync.bench import Bench
from tests.sync.engine_bench import by_login
from tests.sync.memory_idp import MemoryIdp


async def redescribe(bench: Bench, agent_id: str, **facts: Any) -> None:
    async def body(work: Any) -> None:
        doc = (await load(work, agent_id, "agent")).doc
        await update_agent(work, agent_id, {**doc, AGENT_URN: {**doc[AGENT_URN], **facts}})

    await bench.store.transact(TESTER, body)


@pytest.fixture
def scoped(on_store: Any) -> Callable[..., None]:
    """Run a body with a bench whose connection sees production agents only: one is, one is not."""

    def runner(body: Callable[[Bench, MemoryIdp, str, str], Awaitable[None]], **settings: Any) -> None:
        async def main(store: Store) -> None:
            idp = MemoryIdp()
            bench = await Bench.open(store, idp, scope="environment=production", **settings)
            inside = await bench.agent("inside", environment="production")
            other = await bench.agent("other", environment="dev")
            await body(bench, idp, inside, other)

        on_store(main)

    return runner


def test_an_agent_outside_is_neither_planned_nor_pushed(scoped) -> None:
    async def body(bench: Bench, idp: MemoryIdp, inside: str, other: str) -> None:
        assert (await bench.apply()).total == 1
        assert [found["login"] for found in idp.objects.values()] == ["inside@agents.test"]
        await bench.hold(other, "watch:1")
        await bench.perform()
        await bench.store.transact(TESTER, lambda work: delete_agent(work, other, "over"))
        await bench.perform()
        assert len(idp.objects) == 1 and (await bench.plan()).changes == 0

    scoped(body)


def test_who_leaves_keeps_its_facts_there_is_told_of_and_is_still_stopped_started_and_retired(scoped) -> None:
    async def body(bench: Bench, idp: MemoryIdp, inside: str, other: str) -> None:
        await bench.apply()
        await redescribe(bench, inside, environment="dev", purpose="something else")
        plan = await bench.plan()
        assert plan.changes == 0 and any("inside left the connection's scope" in note for note in plan.notes)
        assert by_login(idp, "inside")["purpose"] == "the inside"
        for released in (False, True):
            await bench.hold(inside, "watch:1", release=released)
            await bench.perform()
            assert by_login(idp, "inside")["enabled"] is released
        await bench.store.transact(TESTER, lambda work: delete_agent(work, inside, "over"))
        assert (await bench.apply()).done == 1
        assert by_login(idp, "inside")["enabled"] is False

    scoped(body)


def test_who_leaves_a_connection_that_disables_is_switched_off_and_on_again_when_it_comes_back(
    scoped,
) -> None:
    async def body(bench: Bench, idp: MemoryIdp, inside: str, other: str) -> None:
        await bench.apply()
        await redescribe(bench, inside, environment="dev")
        await bench.apply()
        assert by_login(idp, "inside")["enabled"] is False
        assert (await bench.plan()).changes == 0
        await redescribe(bench, inside, environment="production")
        await bench.apply()
        assert by_login(idp, "inside")["enabled"] is True

    scoped(body, scope_exit="disable")


def test_who_left_and_is_gone_from_the_idp_is_not_made_anew(scoped) -> None:
    async def body(bench: Bench, idp: MemoryIdp, inside: str, other: str) -> None:
        await bench.apply()
        await redescribe(bench, inside, environment="dev")
        idp.objects.clear()
        assert (await bench.plan()).changes == 0

    scoped(body)


def test_a_wider_scope_brings_the_others(scoped) -> None:
    async def body(bench: Bench, idp: MemoryIdp, inside: str, other: str) -> None:
        await bench.apply()
        bench.connection = await bench.store.transact(
            TESTER, lambda work: configure_connection(work, MASTER, "there", settings={"scope": None})
        )
        assert (await bench.apply()).done == 1 and len(idp.objects) == 2

    scoped(body)
