"""Promises of the engine: what is shown is what is written, once, and nothing is left to plan."""

from __future__ import annotations

import asyncio

import pytest

from scim_bridge.kernel.effects import revive
from scim_bridge.kernel.errors import Conflict, Refused
from scim_bridge.kernel.work import Store, derived_id
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.connections import configure_connection, connection
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people_refs import find_person
from scim_bridge.sync.idp.port import ENABLED, IdpError
from scim_bridge.sync.mapping import Row
from scim_bridge.sync.mapping_store import keep_mapping
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.run import RUNNING, SYNC_CHANGE, cancel_run, run
from scim_bridge.sync.service import status
from tests.conftest import MASTER, TESTER
from tests.sync.engine_bench import by_login, redescribe, remote, three


def test_a_plan_writes_nothing_and_an_applied_plan_leaves_nothing_to_plan(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        plan = await bench.plan()
        assert (plan.creates, plan.updates, plan.retires, plan.state) == (3, 0, 0, "ready")
        assert plan.setup == (("type", "agent"),)
        assert not idp.objects and not idp.prepared and not idp.writes
        done = await bench.apply(plan)
        assert (done.state, done.total, done.done, done.failed) == ("OK", 3, 3, 0)
        assert idp.prepared == 1 and len(idp.objects) == 3
        again = await bench.plan()
        assert again.changes == 0 and again.agents == 3
        assert (await bench.apply()).state == "OK"
        assert len(idp.writes) == 3 and idp.prepared == 1

    on_store(body)


def test_the_same_plan_is_applied_once(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        plan = await bench.plan()
        first = await bench.apply(plan, perform=False)
        assert first.state == RUNNING
        with pytest.raises(Refused):
            await bench.apply(plan)
        with pytest.raises(Refused):
            await bench.apply()
        await bench.perform()
        await bench.perform()
        assert len(idp.writes) == 3
        assert (await run(store.reads, first.id)).state == "OK"

    on_store(body)


def test_two_starts_of_one_plan_at_once_give_one_run(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        plan = await bench.plan()
        found = await asyncio.gather(
            *(bench.apply(plan, perform=False) for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(one, Refused) for one in found) == 3
        await bench.perform()
        assert len(idp.writes) == 3

    on_store(body)


def test_changes_name_old_and_new_and_why(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        await redescribe(bench, agents[0], "another purpose")
        by_login(idp, "review")["owner"] = "mallory@corp.test"
        del idp.objects[remote(idp, "deploy")]
        plan = await bench.plan()
        changes = {kept.change.slug: kept for kept in await changes_of(store.reads, plan.id)}
        assert changes["triage"].change.before == {"purpose": "the triage"}
        assert changes["triage"].change.after == {"purpose": "another purpose"}
        assert changes["triage"].reasons == {"purpose": "changed here"}
        assert changes["review"].reasons == {"owner": "changed at the IdP since it was last written"}
        assert changes["deploy"].change.action == "create"
        assert changes["deploy"].reasons["purpose"] == "it is gone from the IdP"
        assert (await bench.apply(plan)).state == "OK"
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_a_plan_the_registry_moved_under_is_refused_by_name_and_nothing_is_written(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        plan = await bench.plan()
        await redescribe(bench, agents[1], "changed meanwhile")
        with pytest.raises(Conflict) as refusal:
            await bench.apply(plan)
        assert refusal.value.code == "plan-moved" and "review" in refusal.value.message
        assert not idp.writes and not idp.prepared
        assert (await bench.apply()).state == "OK"

    on_store(body)


def test_a_plan_made_for_other_settings_or_another_mapping_writes_nothing(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        plan = await bench.plan()
        rows = [Row("purpose", "agent.purpose", "push", "")]
        for change in (
            lambda work: configure_connection(
                work, MASTER, "there", settings={"org_url": "https://b.example"}
            ),
            lambda work: keep_mapping(work, bench.connection, rows),
        ):
            await store.transact(TESTER, change)
            bench.connection = await connection(store.reads, "there")
            with pytest.raises(Conflict) as refusal:
                await bench.apply(plan)
            assert refusal.value.code == "plan-moved" and "settings or the mapping" in refusal.value.message
            plan = await bench.plan()
        await store.transact(
            TESTER, lambda work: configure_connection(work, MASTER, "there", settings={"brake_count": 7})
        )
        bench.connection = await connection(store.reads, "there")
        assert not idp.writes
        assert (await bench.apply(plan)).state == "OK"

    on_store(body)


def test_what_moved_between_plan_and_write_is_left_alone_and_said(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        await bench.apply()
        for agent in agents:
            await redescribe(bench, agent, "new")
        started = await bench.apply(perform=False)
        by_login(idp, "triage")["purpose"] = "somebody else's"
        await redescribe(bench, agents[1], "newer")
        await bench.perform()
        found = await run(store.reads, started.id)
        assert (found.state, found.done, found.moved) == ("WARNING", 1, 2)
        assert by_login(idp, "triage")["purpose"] == "somebody else's"
        assert by_login(idp, "review")["purpose"] == "the review"
        seen = await status(store.reads, bench.connection)
        told = {trouble.change.change.slug: trouble.reason for trouble in seen.troubles}
        assert "somebody else's" in told["triage"] and "changed here" in told["review"]
        assert (await bench.apply()).state == "OK"
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_one_bad_object_is_parked_and_the_others_are_written(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        idp.broken["review"] = IdpError("memory-403", "E0000006: no permission", transient=False)
        found = await bench.apply()
        assert (found.state, found.done, found.failed) == ("WARNING", 2, 1)
        (trouble,) = (await status(store.reads, bench.connection)).troubles
        assert trouble.change.change.slug == "review" and "E0000006" in trouble.reason
        idp.broken.clear()

        async def note(work) -> None:
            work.bookkeeping("test")

        await revive(store, TESTER, trouble.effect_id, note)
        await bench.perform()
        mended = await run(store.reads, found.id)
        assert (mended.state, mended.done, mended.failed, mended.reason) == ("OK", 3, 0, "")

    on_store(body)


def test_nothing_written_is_a_failed_run(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        for slug in ("triage", "review", "deploy"):
            idp.broken[slug] = IdpError("memory-403", "no permission", transient=False)
        assert (await bench.apply()).state == "FAILED"

    on_store(body)


def test_an_idp_that_cannot_be_read_is_a_failed_run_with_the_reason(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)

        async def refuse():
            raise IdpError("memory-401", "the token is not valid", "Check it.", transient=False)

        idp.missing = refuse  # type: ignore[method-assign]
        found = await bench.apply()
        assert (found.state, found.stage, found.total) == ("FAILED", "reading", 0)
        assert "the token is not valid" in found.reason

    on_store(body)


def test_a_write_whose_answer_was_lost_makes_no_second_object(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        idp.lost = 2
        found = await bench.apply()
        assert (found.state, found.done) == ("OK", 3)
        assert len(idp.objects) == 3
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_a_throttled_write_waits_as_long_as_the_idp_says(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        idp.throttled = 1
        started = await bench.apply(perform=False)
        pauses = []
        rows = await store.reads.all(
            "SELECT id FROM sb_effect WHERE kind = 'sync.change' ORDER BY created, id"
        )
        pauses.append(await bench.effects.attempt(rows[0]["id"]))
        assert pauses == [7.0]
        seen = await status(store.reads, bench.connection)
        assert seen.next_try == store.clock.now() + 7_000_000
        assert "too many requests" in seen.troubles[0].reason
        await bench.perform()
        assert (await run(store.reads, started.id)).state == "OK"

    on_store(body)


def test_an_object_of_the_same_name_without_our_mark_is_adopted(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        idp.objects["x1"] = {"login": "Triage@Agents.test", ENABLED: True, "hobby": "chess"}
        plan = await bench.plan()
        assert (plan.creates, plan.updates) == (2, 1)
        assert (await bench.apply(plan)).state == "OK"
        assert len(idp.objects) == 3
        assert idp.objects["x1"]["mark"] == agents[0] and idp.objects["x1"]["hobby"] == "chess"
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_a_cancelled_run_finishes_what_is_under_way_and_the_next_apply_does_the_rest(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await three(store)
        started = await bench.apply(perform=False)
        (first, *_) = await changes_of(store.reads, started.plan_id or "")
        await bench.effects.attempt(derived_id(SYNC_CHANGE, first.id))
        assert await store.transact(TESTER, lambda work: cancel_run(work, started.id, "Ctrl-C"))
        found = await run(store.reads, started.id)
        assert (found.state, found.done, found.cancelled) == ("WARNING", 1, 2)
        await bench.perform()
        assert len(idp.writes) == 1
        assert not await store.transact(TESTER, lambda work: cancel_run(work, started.id, "again"))
        rest = await bench.apply()
        assert (rest.state, rest.done) == ("OK", 2)
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_a_new_owner_is_an_update_of_the_owner(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, agents = await three(store)
        await bench.apply()
        await bench.person("omar@corp.test")

        async def hand_over(work) -> None:
            omar = await find_person(work.tx, "omar@corp.test")
            await set_owners(work, agents[0], Owners(omar))

        await store.transact(TESTER, hand_over)
        plan = await bench.plan()
        (kept,) = await changes_of(store.reads, plan.id)
        assert kept.change.before == {"owner": "maria@corp.test"}
        assert kept.change.after == {"owner": "omar@corp.test"}
        assert (await bench.apply(plan)).state == "OK"

    on_store(body)


def test_an_apply_reads_again_when_agents_change_while_it_reads_but_not_for_ever(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await three(store)
        observe = idp.observe
        edits = 0

        async def edited(agent, remote_id):
            nonlocal edits
            if edits > 0 and agent.agent_id == agents[0]:
                edits -= 1
                await redescribe(bench, agents[0], f"edit {edits}")
            return await observe(agent, remote_id)

        idp.observe = edited  # type: ignore[method-assign]
        edits = 99
        with pytest.raises(Conflict):
            await bench.apply()
        assert not idp.writes
        edits = 2
        assert (await bench.apply()).state == "OK"
        assert (await bench.plan()).changes == 0

    on_store(body)
