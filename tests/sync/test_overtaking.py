"""Promises of the stops' own lane: a stop overtakes what is under way, wins, and makes no second object."""

from __future__ import annotations

from scim_bridge.kernel.work import URGENT, Store
from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.idp.port import ENABLED, ObjectChange
from scim_bridge.sync.idp.rate import is_urgent
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.run import run
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.engine_bench import by_login, redescribe, three
from tests.sync.memory_idp import MemoryIdp


async def stops(bench: Bench) -> None:
    """Perform what waits in the stops' own lane."""
    rows = await bench.store.reads.all(
        "SELECT id FROM sb_effect WHERE state IN ('pending', 'handed') AND rank = ? ORDER BY created, id",
        URGENT,
    )
    for row in rows:
        await bench.effects.attempt(row["id"])


def held_while_written(bench: Bench, idp: MemoryIdp, agent_id: str) -> list[bool]:
    """Place a hold in the middle of the next write that is no stop, and let it overtake that write."""
    write = idp.write
    urgent: list[bool] = []

    async def slow(change: ObjectChange) -> str:
        if change.agent_id == agent_id:
            urgent.append(is_urgent())
        if change.agent_id == agent_id and len(urgent) == 1:
            await bench.hold(agent_id, "departure:1")
            await stops(bench)
        return await write(change)

    idp.write = slow  # type: ignore[method-assign]
    return urgent


async def stopped_and_released(bench: Bench, idp: MemoryIdp, agent_id: str) -> None:
    await bench.perform()
    assert by_login(idp, "triage")[ENABLED] is False
    assert (await bench.plan()).changes == 0
    await bench.hold(agent_id, "departure:1", release=True)
    await bench.perform()
    assert by_login(idp, "triage")[ENABLED] is True, "our own stop is ours to release"
    assert (await bench.plan()).changes == 0


def test_a_stop_wins_over_a_switch_on_that_is_being_written(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        await bench.hold(agents[0], "admin")
        await bench.perform()
        await bench.hold(agents[0], "admin", release=True)
        urgent = held_while_written(bench, idp, agents[0])
        await bench.perform()
        await bench.perform()
        assert urgent[0] is False and urgent[-1] is True
        await stopped_and_released(bench, idp, agents[0])

    on_store(body)


def test_a_stop_that_overtakes_a_change_of_facts_stays_ours(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        await redescribe(bench, agents[0], "another purpose")
        started = await bench.apply(perform=False)
        held_while_written(bench, idp, agents[0])
        await bench.perform()
        assert by_login(idp, "triage")["purpose"] == "another purpose"
        assert (await run(store.reads, started.id)).state == "OK"
        await stopped_and_released(bench, idp, agents[0])

    on_store(body)


def test_a_stop_of_an_agent_that_is_being_created_makes_no_second_object(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply(perform=False)
        held_while_written(bench, idp, agents[0])
        await bench.perform()
        assert len(idp.objects) == 3 and idp.made == 3
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is False and idp.made == 3
        await stopped_and_released(bench, idp, agents[0])

    on_store(body)


def test_an_agent_held_before_it_was_created_is_created_switched_off(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply(perform=False)
        await bench.hold(agents[0], "admin")
        await stops(bench)
        assert not idp.objects, "a stop creates nothing"
        await bench.perform()
        await bench.perform()
        assert len(idp.objects) == 3 and by_login(idp, "triage")[ENABLED] is False
        assert all(o[ENABLED] for o in idp.objects.values() if o["login"] != "triage@agents.test")

    on_store(body)


def test_a_plan_shows_and_writes_its_stops_first(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store, brake_percent=100)
        await bench.apply()
        await redescribe(bench, agents[0], "new")
        await redescribe(bench, agents[1], "new")
        await store.transact(TESTER, lambda work: delete_agent(work, agents[2], "gone"))
        plan = await bench.plan()
        assert plan.stops == 1
        assert next(kept.change.slug for kept in await changes_of(store.reads, plan.id)) == "deploy"
        idp.calls.clear()
        await bench.apply(plan, perform=False)
        await stops(bench)
        assert idp.writes == [("retire", "deploy")]
        await bench.perform()
        assert len(idp.writes) == 3

    on_store(body)
