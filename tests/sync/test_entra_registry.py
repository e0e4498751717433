"""Agents in Microsoft's agent registry, where a tenant has it: one entry each, in step, and gone with the agent."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.cli.story.opening import ENTRA_ROLES
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.agents import delete_agent
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, answer_for, on_bench, upn

ON = {"agent_registry": "on"}


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox, roles=[*ENTRA_ROLES, "AgentRegistration.ReadWrite.All"])


def entries(tenant: Tenant) -> dict[str, dict[str, Any]]:
    return {one["displayName"]: one for one in tenant.objects("agentRegistration")}


def test_each_agent_has_one_entry_that_follows_it(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria, purpose="Reads tickets")
        await bench.agent("review", maria)
        assert (await bench.apply()).state == "OK"
        users = {user["userPrincipalName"]: user["id"] for user in tenant.objects("user")}
        made = entries(tenant)
        assert sorted(made) == ["Review", "Triage"]
        one = made["Triage"]
        assert (one["sourceAgentId"], one["originatingStore"]) == (triage, "scim-bridge")
        assert one["agentIdentityId"] == tenant.identity("Triage")["id"]
        assert (one["description"], one["ownerIds"]) == ("Reads tickets", [users[upn("maria")]])
        assert (await bench.plan()).changes == 0
        await answer_for(bench, triage, bob)
        assert (await bench.apply()).state == "OK"
        assert entries(tenant)["Triage"]["ownerIds"] == [users[upn("bob")]]
        await bench.store.transact(TESTER, lambda work: delete_agent(work, triage, "over"))
        await bench.perform()
        assert sorted(entries(tenant)) == ["Review"]
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **ON)


def test_an_entry_whose_create_was_not_answered_is_not_made_twice(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        tenant.faults({"match": {"method": "POST", "path": "agentRegistrations$"}, "action": "drop_after"})
        assert (await bench.apply()).state == "OK"
        assert len(tenant.objects("agentRegistration")) == 1

    on_bench(sqlite_url, clock, tenant, body, **ON)


def test_entries_of_others_are_left_alone(sqlite_url: str, clock: ManualClock, tenant: Tenant) -> None:
    async def body(bench: Bench) -> None:
        other = {"id": "9" * 8, "displayName": "Copilot", "originatingStore": "Copilot Studio"}
        tenant.running.sandbox.store.put("agentRegistration", other["id"], other)
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        assert entries(tenant)["Copilot"] == other

    on_bench(sqlite_url, clock, tenant, body, **ON)


@pytest.mark.parametrize(
    ("enabled", "role", "words"), [(False, True, "not enabled"), (True, False, "AgentReg")]
)
def test_where_the_tenant_has_no_registry_or_the_app_may_not_use_it_the_rest_is_written_and_the_reason_said(
    sqlite_url: str, clock: ManualClock, sandbox: Running, enabled: bool, role: bool, words: str
) -> None:
    more = ["AgentRegistration.ReadWrite.All"] if role else []
    tenant = Tenant.fresh(sandbox, roles=[*ENTRA_ROLES, *more])
    tenant.configure(agent_registry=enabled)

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        plan = await bench.plan()
        assert any(note.startswith("agent registry: ") and words in note for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"
        assert entries(tenant) == {}

    on_bench(sqlite_url, clock, tenant, body, **ON)


def test_an_answer_that_is_no_entry_makes_no_second_one(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    """A proxy's page with status 200 was taken for an entry that is gone."""

    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria)
        assert (await bench.apply()).state == "OK"
        await answer_for(bench, triage, bob)
        page = {"action": "status", "status": 200, "body": "<html>"}
        tenant.faults({"match": {"method": "GET", "path": "/agentRegistrations/"}, **page})
        assert (await bench.apply()).state == "OK"
        assert len(tenant.objects("agentRegistration")) == 1

    on_bench(sqlite_url, clock, tenant, body, **ON)
