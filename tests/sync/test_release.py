"""Promises of the brake's release: by a named person with a reason, by two different ones for a mass stop."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.kernel.work import Actor, Store
from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.apply import apply_now, apply_plan
from scim_bridge.sync.idp.port import ENABLED
from scim_bridge.sync.plan import Plan
from scim_bridge.sync.run import Run, run
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.engine_bench import three

ALICE = Actor("cli", "alice", "alice")
BOB = Actor("cli", "bob", "bob")


async def let_go(bench: Bench, plan: Plan, who: Actor, why: str) -> Run:
    run_id = await apply_plan(bench.ctx, who, bench.connection, bench.idp, plan, release=why)
    # Not what each deletion pushes for itself: this is about the plan.
    await bench.perform(("sync.change",))
    return await run(bench.store.reads, run_id)


async def all_deleted(store: Store, **settings) -> tuple[Bench, object, Plan]:
    bench, idp, agents = await three(store, **settings)
    await bench.apply()
    for agent in agents:
        await store.transact(TESTER, lambda work, agent=agent: delete_agent(work, agent, "gone"))
    plan = await bench.plan()
    assert (plan.state, plan.stops) == ("held", 3)
    return bench, idp, plan


async def audited(store: Store, action: str) -> list[str]:
    rows = await store.reads.all("SELECT detail FROM sb_audit WHERE action = ? ORDER BY at, id", action)
    return [row["detail"] for row in rows]


def test_blanks_are_nobodys_reason(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, plan = await all_deleted(store)
        assert (await let_go(bench, plan, ALICE, " \t ")).state == "HELD"
        assert all(o[ENABLED] for o in idp.objects.values()) and not await audited(store, "sync.released")

    on_store(body)


def test_a_mass_stop_takes_two_different_persons_and_the_audit_names_both(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, plan = await all_deleted(store, four_eyes=2)
        first = await let_go(bench, plan, ALICE, "the platform is closed")
        assert first.state == "HELD" and "two persons" in first.reason and "alice" in first.reason
        again = await let_go(bench, plan, ALICE, "really")
        assert again.state == "HELD"
        assert all(o[ENABLED] for o in idp.objects.values())
        second = await let_go(bench, plan, BOB, "I know of it")
        assert (second.state, second.done) == ("OK", 3)
        assert not any(o[ENABLED] for o in idp.objects.values())
        words = await audited(store, "sync.released")
        assert len(words) == 3 and "the platform is closed" in words[0]
        assert "alice" in words[2] and "bob" in words[2] and "I know of it" in words[2]

    on_store(body)


def test_below_the_setting_one_person_is_enough(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, plan = await all_deleted(store)
        assert (await let_go(bench, plan, ALICE, "meant")).state == "OK"

    on_store(body)


def test_a_word_counts_for_another_plan_only_while_it_would_do_the_same_and_for_a_day(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, plan = await all_deleted(store, four_eyes=0)
        assert (await let_go(bench, plan, ALICE, "meant")).state == "HELD"
        same = await bench.plan()
        assert same.id != plan.id and same.digest == plan.digest
        store.clock.advance(seconds=86_401)  # type: ignore[attr-defined]
        assert (await let_go(bench, same, BOB, "yes")).state == "HELD", "Alice's word is of yesterday"
        run_id = await apply_now(bench.ctx, ALICE, bench.connection, bench.idp, release="still meant")
        await bench.perform(("sync.change",))
        assert (await run(store.reads, run_id)).state == "OK"

    on_store(body)


def test_a_person_named_twice_in_other_letters_is_one(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, plan = await all_deleted(store, four_eyes=0)
        assert (await let_go(bench, plan, ALICE, "meant")).state == "HELD"
        assert (await let_go(bench, plan, replace(ALICE, name="ALICE"), "meant")).state == "HELD"

    on_store(body)


def test_many_agents_to_switch_off_at_once_are_held_like_many_to_retire(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        for agent in agents:
            await bench.hold(agent, "admin")
        plan = await bench.plan()
        assert plan.state == "held" and "3 of 3 agents would be switched off" in plan.reason
        assert all(o[ENABLED] for o in idp.objects.values())
        # The brake is for what a listing or a mistake made many of: each hold's own push is not held.
        await bench.perform(("idp.push",))
        assert not any(o[ENABLED] for o in idp.objects.values())
        assert (await bench.plan()).changes == 0

    on_store(body)
