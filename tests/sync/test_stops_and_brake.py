"""Promises of the engine: stops are told and never undone for others, nobody is retired by a listing."""

from __future__ import annotations

from scim_bridge.kernel.work import Store
from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.idp.port import ENABLED
from tests.conftest import TESTER
from tests.sync.engine_bench import by_login, remote, three


def test_a_hold_is_pushed_and_its_release_too_and_no_plan_is_left(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        await bench.hold(agents[0], "departure:1")
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is False
        assert (await bench.plan()).changes == 0
        await bench.hold(agents[0], "departure:1", release=True)
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is True
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_a_stop_whose_answer_was_lost_is_still_ours_to_release(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        await bench.hold(agents[0], "admin")
        idp.lost = 1
        await bench.perform(tries=1)
        assert by_login(idp, "triage")[ENABLED] is False
        await bench.hold(agents[0], "admin", release=True)
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is True

    on_store(body)


def test_a_connection_is_not_told_its_own_hold_and_its_own_stop_is_not_undone(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        own = bench.connection.hold_source
        by_login(idp, "triage")[ENABLED] = False
        await bench.hold(agents[0], own)
        await bench.perform()
        plan = await bench.plan()
        assert by_login(idp, "triage")[ENABLED] is False and plan.changes == 0
        assert any("not by us" in note for note in plan.notes)
        # Another reason comes and goes: still the IdP's own stop.
        await bench.hold(agents[0], "departure:1")
        await bench.perform()
        await bench.hold(agents[0], "departure:1", release=True)
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is False

    on_store(body)


def test_a_deleted_agent_is_retired_once_and_never_wiped(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        await store.transact(TESTER, lambda work: delete_agent(work, agents[2], "obsolete"))
        plan = await bench.plan()
        assert (plan.creates, plan.updates, plan.retires) == (0, 0, 1)
        await bench.perform()
        gone = by_login(idp, "deploy")
        assert gone[ENABLED] is False and gone["retired"] is True and gone["purpose"] == "the deploy"
        assert (await bench.plan()).changes == 0
        idp.calls.clear()
        del idp.objects[remote(idp, "deploy")]
        assert (await bench.plan()).changes == 0 and not idp.calls, "a retired agent is not looked for again"

    on_store(body)


def test_agents_that_were_never_written_are_not_retired(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await store.transact(TESTER, lambda work: delete_agent(work, agents[2], "obsolete"))
        await bench.perform()
        assert (await bench.apply()).total == 2
        assert not idp.writes[2:]

    on_store(body)


def test_nothing_is_pushed_to_a_tenant_before_a_person_applied_a_plan(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.hold(agents[0], "admin")
        assert not await bench.perform()
        assert not idp.calls
        row = await store.reads.one("SELECT state, result FROM sb_effect WHERE kind = 'idp.push'")
        assert row["state"] == "done" and "no plan was applied" in row["result"]

    on_store(body)


def test_a_listing_that_came_back_empty_holds_the_plan_until_a_named_person_lets_it_go(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        await bench.apply()
        kept = dict(idp.objects)
        idp.objects.clear()
        plan = await bench.plan()
        assert plan.state == "held" and "empty" in plan.reason
        stopped = await bench.apply(plan)
        assert (stopped.state, stopped.stage) == ("HELD", "held") and not idp.objects
        assert (await bench.apply()).state == "HELD"
        idp.objects.update(kept)
        assert (await bench.plan()).state == "ready"
        idp.objects.clear()
        released = await bench.apply(await bench.plan(), release="the tenant was reset on purpose")
        assert released.state == "OK" and len(idp.objects) == 3
        audited = await store.reads.one(
            "SELECT actor_name, detail FROM sb_audit WHERE action = 'sync.started' ORDER BY at DESC, id DESC LIMIT 1"
        )
        assert audited["actor_name"] == "tester" and "reset on purpose" in audited["detail"]

    on_store(body)


def test_a_listing_that_breaks_off_is_never_acted_on(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        idp.cut = True
        plan = await bench.plan()
        assert plan.state == "held" and "last page" in plan.reason

    on_store(body)


def test_a_listing_that_lags_behind_makes_no_change(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        await bench.apply()
        idp.hidden = {remote(idp, "triage")}
        plan = await bench.plan()
        assert plan.changes == 0 and plan.state == "ready"

    on_store(body)


def test_many_retirements_at_once_are_held(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, agents = await three(store)
        await bench.apply()
        for agent in agents:
            await store.transact(TESTER, lambda work, agent=agent: delete_agent(work, agent, "gone"))
        plan = await bench.plan()
        assert plan.state == "held" and plan.reason.startswith("3 of 3 agents")

    on_store(body)


def test_objects_already_as_wanted_are_recognised_and_count_for_the_brake(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, agents = await three(store)
        await bench.apply()

        async def forget(work) -> None:
            work.bookkeeping("test")
            await work.tx.run("DELETE FROM sb_pushed")

        await store.transact(TESTER, forget)
        assert (await bench.plan()).changes == 0
        row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_pushed WHERE remote_id <> ''")
        assert row["n"] == len(agents)

    on_store(body)


def test_an_object_with_the_mark_of_an_unknown_agent_is_left_alone_and_told(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        idp.objects["x9"] = {"login": "ghost@agents.test", "mark": "nobody", ENABLED: True}
        plan = await bench.plan()
        assert any("ghost@agents.test" in note for note in plan.notes)
        await bench.apply(plan)
        assert idp.objects["x9"] == {"login": "ghost@agents.test", "mark": "nobody", ENABLED: True}

    on_store(body)


def test_a_deleted_agent_that_is_off_already_is_not_looked_for_again(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        idp.objects[remote(idp, "triage")] |= {ENABLED: False, "retired": True}
        idp.objects[remote(idp, "review")] |= {ENABLED: False, "retired": True}
        del idp.objects[remote(idp, "deploy")]
        for agent in agents:
            await store.transact(TESTER, lambda work, agent=agent: delete_agent(work, agent, "gone"))
        await bench.plan()
        idp.calls.clear()
        plan = await bench.plan()
        assert plan.changes == 0 and plan.state == "ready" and not idp.calls

    on_store(body)
