"""Agents that have a user account in Entra: made, stopped and started with the identity, and never left behind."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.cli.story.opening import ENTRA_ROLES
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.idp.entra.agent_users import account_name
from scim_bridge.sync.idp.port import GONE
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, on_bench, upn

USERS = {"agent_users": "corp.test"}


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox, roles=[*ENTRA_ROLES, "AgentIdUser.ReadWrite.All"])


def accounts(tenant: Tenant) -> dict[str, dict[str, Any]]:
    return {one["userPrincipalName"]: one for one in tenant.objects("user") if one.get("identityParentId")}


def remove_identity(tenant: Tenant, name: str) -> None:
    """An administrator deletes an identity in the admin center, and Entra leaves its account behind."""
    store = tenant.running.sandbox.store
    identity = store.get("servicePrincipal", tenant.identity(name)["id"])
    assert identity is not None
    store.delete("servicePrincipal", identity["id"])
    gone = {
        **identity,
        "deletedDateTime": "2026-11-30T12:00:00Z",
        "$": {**identity["$"], "kind": "servicePrincipal"},
    }
    store.put("deletedItem", identity["id"], gone)


def test_each_agent_gets_an_account_of_its_identity_and_the_second_plan_is_empty(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        held = await bench.agent("review", maria)
        await bench.hold(held, "admin")
        for slug in ("triage", "deploy"):
            await bench.agent(slug, maria)
        assert (await bench.apply()).state == "OK"
        made = accounts(tenant)
        assert sorted(made) == [upn("deploy"), upn("review"), upn("triage")]
        triage = made[upn("triage")]
        assert triage["identityParentId"] == tenant.identity("Triage")["id"]
        assert (triage["mailNickname"], triage["employeeType"]) == ("triage", "Agent")
        assert triage["accountEnabled"] is True and made[upn("review")]["accountEnabled"] is False
        began = len(tenant.calls())
        assert (await bench.plan()).changes == 0
        reads = [call for call in tenant.calls()[began:] if "agentUser" in call["url"]]
        assert len([call for call in reads if call["operation"] != "batch step"]) == 1, (
            "a read for each agent"
        )

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_a_hold_stops_the_account_right_after_the_identity_and_both_start_again_together(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        began = len(tenant.writes())
        await bench.hold(triage, "departure:1")
        await bench.perform()
        assert accounts(tenant)[upn("triage")]["accountEnabled"] is False
        first, second = tenant.writes()[began : began + 2]
        assert first.endswith("/microsoft.graph.agentIdentity") and second.endswith(
            "/microsoft.graph.agentUser"
        )
        await bench.hold(triage, "departure:1", release=True)
        await bench.perform()
        assert accounts(tenant)[upn("triage")]["accountEnabled"] is True
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_an_account_that_entra_switched_off_is_not_switched_on(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        account = tenant.running.sandbox.store.get("user", accounts(tenant)[upn("triage")]["id"])
        assert account is not None
        tenant.running.sandbox.store.put("user", account["id"], {**account, "accountEnabled": False})
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_a_deleted_agent_has_no_account_any_more(sqlite_url: str, clock: ManualClock, tenant: Tenant) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        await bench.store.transact(TESTER, lambda work: delete_agent(work, triage, "over"))
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is False
        assert accounts(tenant) == {}
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_what_an_identity_left_behind_is_found_and_removed(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    """Entra's own pages disagree whether an account goes with its identity: here it does not."""

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage = await bench.agent("triage", maria)
        await bench.agent("review", maria)
        await bench.apply()
        remove_identity(tenant, "Triage")
        await bench.store.transact(TESTER, lambda work: delete_agent(work, triage, "over"))
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert (kept.change.action, dict(kept.change.after)) == ("retire", {"agentUser": None})
        await bench.apply(plan, perform=False)
        await bench.perform(("sync.change",))
        assert sorted(accounts(tenant)) == [upn("review")]
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_an_identity_that_was_deleted_there_comes_back_with_an_account_of_its_own(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        for slug in ("triage", "review"):
            await bench.agent(slug, maria)
        await bench.apply()
        before = accounts(tenant)[upn("triage")]
        remove_identity(tenant, "Triage")
        assert (await bench.apply()).state == "OK"
        now = accounts(tenant)[upn("triage")]
        assert now["id"] != before["id"]
        assert now["identityParentId"] == tenant.identity("Triage")["id"]
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_a_name_that_somebody_else_has_parks_that_agent_and_touches_nobody(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        await bench.agent("bob", maria)
        await bench.agent("triage", maria)
        done = await bench.apply()
        assert (done.done, done.failed) == (1, 1)
        row = await bench.store.reads.one("SELECT reason FROM sb_change WHERE slug = 'bob'")
        assert "is taken in this tenant" in row["reason"] and "agent_users" in row["reason"]
        assert upn("bob") in [one["userPrincipalName"] for one in tenant.objects("user")]
        assert sorted(accounts(tenant)) == [upn("triage")]

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_a_lost_answer_and_a_fresh_identity_make_no_second_account(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        tenant.configure(settle_misses=1)
        tenant.faults({"match": {"method": "POST", "path": "agentUser$"}, "action": "drop_after"})
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        assert sorted(accounts(tenant)) == [upn("triage")]
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_a_domain_that_is_not_the_tenants_parks_the_account_with_entras_words(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).failed == 1
        row = await bench.store.reads.one("SELECT reason FROM sb_change")
        assert "verified domain names" in row["reason"]

    on_bench(sqlite_url, clock, tenant, body, agent_users="elsewhere.example")


def test_a_domain_known_not_to_be_the_tenants_parks_nobody_and_the_plan_says_so_before_anything_is_written(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox, roles=[*ENTRA_ROLES, "AgentIdUser.ReadWrite.All", "Domain.Read.All"])

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        plan = await bench.plan()
        assert any("elsewhere.example is no verified domain" in note for note in plan.notes), plan.notes
        assert (await bench.apply(plan)).state == "OK"
        assert [one["displayName"] for one in tenant.identities()] == ["Triage"] and accounts(tenant) == {}
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, agent_users="elsewhere.example")


@pytest.mark.parametrize("more", [[], ["Domain.Read.All"]])
def test_whether_the_domain_is_the_tenants_is_shown_or_that_nobody_may_ask(
    sqlite_url: str, clock: ManualClock, sandbox: Running, more: list[str]
) -> None:
    tenant = Tenant.fresh(sandbox, roles=[*ENTRA_ROLES, "AgentIdUser.ReadWrite.All", *more])

    async def body(bench: Bench) -> None:
        (found,) = [one for one in await bench.idp.features() if one.name == "agent users"]
        assert found.usable and ("Domain.Read.All" in found.reason) is not bool(more)

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_without_the_permission_agents_are_written_without_accounts_and_the_plan_says_so(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox)

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        plan = await bench.plan()
        assert any(note.startswith("agent users: ") and "AgentIdUser" in note for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"
        assert accounts(tenant) == {}

    on_bench(sqlite_url, clock, tenant, body, **USERS)


def test_long_names_are_cut_and_stay_apart() -> None:
    one = account_name("x" * 80, "0192a1b2-c3d4-7e5f-8a6b-000000000001", "corp.test")
    other = account_name("x" * 80, "0192a1b2-c3d4-7e5f-8a6b-000000000002", "corp.test")
    assert one != other and len(one.partition("@")[0]) == 64
    assert account_name("triage", "id", "Corp.Test") == "triage@corp.test"


@pytest.mark.parametrize("lost", [False, True])
def test_a_deleted_agent_is_deleted_there_where_the_settings_say_so_account_first(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, lost: bool
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage = await bench.agent("triage", maria)
        await bench.agent("review", maria)
        await bench.apply()
        await bench.store.transact(TESTER, lambda work: delete_agent(work, triage, "over"))
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert kept.change.after == {"enabled": False, "object": GONE, "agentUser": None}
        began = len(tenant.writes())
        if lost:
            tenant.faults({"match": {"method": "DELETE", "path": "agentIdentity$"}, "action": "drop_after"})
        await bench.apply(plan, perform=False)
        await bench.perform(("sync.change",))
        lines = [line.split()[0] for line in tenant.writes()[began:]][:3]
        assert lines == ["PATCH", "DELETE", "DELETE"], "not stopped first, or the identity went first"
        assert [one["displayName"] for one in tenant.identities()] == ["Review"]
        assert sorted(accounts(tenant)) == [upn("review")]
        row = await bench.store.reads.one("SELECT state FROM sb_change WHERE plan_id = ?", plan.id)
        assert row["state"] == "done"
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **USERS, retire_action="delete")
