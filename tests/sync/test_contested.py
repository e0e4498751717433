"""An object we wrote that was given another agent's mark at the IdP: told and left, never replaced, still stopped."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.one import look_at
from scim_bridge.sync.plan import Plan, changes_of
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.drift_bench import strangers
from tests.sync.entra_tenant import Tenant, on_bench, upn


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


async def two_agents(bench: Bench) -> tuple[str, str]:
    maria = await bench.person(upn("maria"))
    made = await bench.agent("triage", maria), await bench.agent("review", maria)
    assert (await bench.apply()).state == "OK"
    return made


def tagged(tenant: Tenant, name: str, agent_id: str) -> dict[str, Any]:
    """Somebody puts this agent's mark in the place of the one that is there."""
    store = tenant.running.sandbox.store
    kept = store.get("servicePrincipal", tenant.identity(name)["id"])
    store.put("servicePrincipal", kept["id"], {**kept, "tags": [f"scim-bridge:{agent_id}"]})
    return dict(kept)


def told(plan: Plan, *slugs: str) -> None:
    words = [note for note in plan.notes if "carries another agent's mark" in note]
    assert sorted(note.split(":")[0] for note in words) == sorted(slugs), plan.notes


def test_an_object_with_another_agents_mark_is_neither_changed_nor_replaced(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage, review = await two_agents(bench)
        tagged(tenant, "Triage", review)
        plan = await bench.plan()
        told(plan, "triage")
        assert plan.changes == 0 and plan.state == "ready"
        assert await strangers(bench) == []
        assert (await bench.apply()).state == "OK"
        assert len(tenant.identities()) == 2
        assert (await look_at(bench.ctx, bench.connection, bench.idp, "triage")).found.change is None
        tagged(tenant, "Triage", triage)
        assert (await bench.plan()).notes == ()

    on_bench(sqlite_url, clock, tenant, body)


def test_of_two_objects_whose_marks_were_swapped_each_stays_the_one_it_was_written_for(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage, review = await two_agents(bench)
        tagged(tenant, "Triage", review)
        tagged(tenant, "Review", triage)
        plan = await bench.plan()
        told(plan, "triage", "review")
        assert plan.changes == 0
        await bench.hold(triage, "admin")
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is False, "what triage acts with is stopped"
        assert tenant.identity("Review")["accountEnabled"] is True
        assert tenant.identity("Triage")["tags"] == [f"scim-bridge:{review}"]
        await bench.hold(triage, "admin", release=True)
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is False, "nobody knows whose it is"
        for name in ("Triage", "Review"):
            store = tenant.running.sandbox.store
            kept = store.get("servicePrincipal", tenant.identity(name)["id"])
            store.put("servicePrincipal", kept["id"], {**kept, "tags": []})
        assert (await bench.apply()).state == "OK"
        assert tenant.identity("Triage")["tags"] == [f"scim-bridge:{triage}"]
        assert tenant.identity("Triage")["accountEnabled"] is True
        assert (await bench.plan()).changes == 0 and len(tenant.identities()) == 2

    on_bench(sqlite_url, clock, tenant, body)


def test_a_deleted_agents_object_is_switched_off_whatever_mark_it_was_given(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage, review = await two_agents(bench)
        tagged(tenant, "Triage", review)
        await bench.store.transact(TESTER, lambda work: delete_agent(work, triage, "over"))
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert (kept.change.action, set(kept.change.after)) == ("retire", {"enabled"})
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.identity("Triage")["accountEnabled"] is False
        assert tenant.identity("Review")["accountEnabled"] is True
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)


def test_a_mark_that_came_after_the_plan_keeps_everything_but_the_stop_from_being_written(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        _triage, review = await two_agents(bench)
        store = tenant.running.sandbox.store
        kept = tenant.identity("Triage")
        store.put("servicePrincipal", kept["id"], {**kept, "displayName": "Sorter"})
        plan = await bench.plan()
        assert plan.updates == 1
        tagged(tenant, "Sorter", review)
        run = await bench.apply(plan)
        row = await bench.store.reads.one("SELECT reason FROM sb_change WHERE plan_id = ?", plan.id)
        assert run.done == 0 and "another agent's mark" in row["reason"]
        assert tenant.identity("Sorter")["tags"] == [f"scim-bridge:{review}"]

    on_bench(sqlite_url, clock, tenant, body)


def test_an_agent_that_is_not_there_yet_does_not_take_another_agents_object_by_a_mark_it_was_given(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await two_agents(bench)
        late = await bench.agent("late", await bench.person(upn("bob")))
        tagged(tenant, "Triage", late)
        plan = await bench.plan()
        assert plan.changes == 0
        assert [note for note in plan.notes if note.startswith("late: an object with its mark, Triage")]
        look = await look_at(bench.ctx, bench.connection, bench.idp, "late")
        assert "was written for another agent" in look.stopped
        await bench.perform()
        assert sorted(one["displayName"] for one in tenant.identities()) == ["Review", "Triage"]

    on_bench(sqlite_url, clock, tenant, body)
