"""Agents in Entra's groups and with app roles there: only ours are put in and taken out, and reasons are given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scim_bridge.cli.story.opening import ENTRA_ROLES
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.groups import add_members, create_group, delete_group, remove_members
from scim_bridge.sync.idp.entra.groups import judged, nickname, unique
from scim_bridge.sync.idp.entra.joining import Joining
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, on_bench, upn

ROLES = [*ENTRA_ROLES, "Group.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"]
EVERY = {"push_groups": "*", "create_groups": "yes"}
INVOICES = "a1111111-1111-4111-8111-111111111111"


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox, roles=ROLES)


async def group(bench: Bench, name: str, *members: str) -> str:
    """A group of the registry with these agents in it."""

    async def body(work: Any) -> str:
        made = await create_group(work, {"displayName": name}, origin="test")
        await add_members(work, made.id, [(member, None) for member in members])
        return made.id

    return str(await bench.store.transact(TESTER, body))


async def leaves(bench: Bench, group_id: str, *members: str) -> None:
    await bench.store.transact(TESTER, lambda work: remove_members(work, group_id, members))


def there(tenant: Tenant, name: str) -> dict[str, Any]:
    (found,) = [one for one in tenant.objects("group") if one["displayName"] == name]
    return found


def inside(tenant: Tenant, name: str) -> list[str]:
    names = {one["id"]: one["displayName"] for one in [*tenant.identities(), *tenant.objects("user")]}
    return sorted(names[member] for member in there(tenant, name)["$"].get("members", []))


def make(tenant: Tenant, *groups: dict[str, Any]) -> None:
    tenant.running.control.post("/directory", json={"groups": list(groups)}).raise_for_status()


def test_agents_are_in_the_groups_they_are_in_here_and_the_second_plan_is_empty(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage, review = await bench.agent("triage", maria), await bench.agent("review", maria)
        make(tenant, {"displayName": "Payments", "members": [upn("maria")]})
        payments = await group(bench, "Payments", triage, review)
        await group(bench, "Support", triage)
        assert (await bench.apply()).state == "OK"
        assert inside(tenant, "Payments") == ["Review", "Triage", "maria"]
        assert inside(tenant, "Support") == ["Triage"]
        made = there(tenant, "Support")
        assert (made["securityEnabled"], made["mailEnabled"]) == (True, False)
        assert (await bench.plan()).changes == 0
        await leaves(bench, payments, triage)
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert kept.change.after == {"groups": ["Support"]}
        assert (await bench.apply(plan)).state == "OK"
        assert inside(tenant, "Payments") == ["Review", "maria"], "somebody else was taken out"
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **EVERY)


def test_an_agent_leaves_the_group_of_a_bundle_that_is_no_more(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        payments = await group(bench, "Payments", triage)
        await bench.apply()
        await bench.store.transact(TESTER, lambda work: delete_group(work, payments, "over"))
        assert (await bench.apply()).state == "OK"
        assert inside(tenant, "Payments") == []
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **EVERY)


def test_what_an_administrator_put_an_agent_into_stays(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await group(bench, "Payments", triage)
        review = await bench.agent("review", await bench.person(upn("bob")))
        await group(bench, "Support", review)
        await bench.apply()
        store = tenant.running.sandbox.store
        support = store.get("group", there(tenant, "Support")["id"])
        assert support is not None
        members = [*support["$"]["members"], tenant.identity("Triage")["id"]]
        store.put("group", support["id"], {**support, "$": {**support["$"], "members": members}})
        assert (await bench.plan()).changes == 0
        assert inside(tenant, "Support") == ["Review", "Triage"]

    on_bench(sqlite_url, clock, tenant, body, **EVERY)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"groupTypes": ["DynamicMembership"]}, "dynamic"),
        ({"isAssignableToRole": True}, "assigned to Entra roles"),
        ({"onPremisesSyncEnabled": True}, "another directory"),
        ({"groupTypes": ["Unified"], "mailEnabled": True, "securityEnabled": False}, "Microsoft 365"),
        ({"mailEnabled": True}, "mail-enabled"),
        ({"securityEnabled": False}, "no security group"),
    ],
)
def test_a_group_that_agents_cannot_be_put_into_is_left_with_its_reason_and_the_rest_is_written(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, facts: dict[str, Any], words: str
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        make(tenant, {"displayName": "Payments", **facts})
        await group(bench, "Payments", triage)
        await group(bench, "Support", triage)
        plan = await bench.plan()
        assert any("Payments" in note and words in note for note in plan.notes), plan.notes
        assert (await bench.apply(plan)).state == "OK"
        assert inside(tenant, "Payments") == [] and inside(tenant, "Support") == ["Triage"]

    on_bench(sqlite_url, clock, tenant, body, **EVERY)


def test_only_groups_that_are_chosen_and_there_are_filled_when_none_may_be_made(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        make(tenant, {"displayName": "Payments"}, {"displayName": "Support"})
        for name in ("Payments", "Support", "Reports"):
            await group(bench, name, triage)
        plan = await bench.plan()
        assert any("Reports" in note and "create_groups=yes" in note for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"
        assert inside(tenant, "Payments") == ["Triage"] and inside(tenant, "Support") == []
        assert "Reports" not in [one["displayName"] for one in tenant.objects("group")]

    on_bench(sqlite_url, clock, tenant, body, push_groups="payments; Reports")


def test_members_that_come_together_are_put_into_a_group_together_and_a_bad_one_alone_is_refused(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        for number in range(23):
            await bench.agent(f"agent-{number:02}", maria)
        await bench.apply(release="first")
        make(tenant, {"displayName": "Payments"})
        key = there(tenant, "Payments")["id"]
        joining = Joining(bench.idp._people._graph)  # type: ignore[attr-defined]
        ids = [one["id"] for one in tenant.identities()]
        began = len(tenant.writes())
        await asyncio.gather(*(joining.join(key, "Payments", one) for one in ids))
        assert len(tenant.writes()[began:]) == 2, "twenty and three"
        assert len(inside(tenant, "Payments")) == 23
        await asyncio.gather(*(joining.join(key, "Payments", one) for one in ids[:3]))
        application = tenant.objects("application")[0]["id"]
        results = await asyncio.gather(
            joining.join(key, "Payments", ids[0]),
            joining.join(key, "Payments", application),
            return_exceptions=True,
        )
        assert results[0] is None and "an application cannot be a member" in str(results[1])

    on_bench(sqlite_url, clock, tenant, body)


def test_without_the_permission_nobody_is_put_into_a_group_and_the_plan_says_so(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox)

    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await group(bench, "Payments", triage)
        plan = await bench.plan()
        assert any(note.startswith("groups: ") and "Group" in note for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"

    on_bench(sqlite_url, clock, tenant, body, **EVERY)


def test_groups_are_read_without_a_call_for_each_agent_or_group(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        agents = [await bench.agent(f"agent-{number:02}", maria) for number in range(12)]
        for number in range(17):
            await group(bench, f"Group {number}", agents[number % 12])
        assert (await bench.apply(release="first")).state == "OK"
        began = len(tenant.calls())
        assert (await bench.plan()).changes == 0
        reads = [call for call in tenant.calls()[began:] if call["operation"] != "batch step"]
        assert len(reads) <= 14, [(call["method"], call["url"]) for call in reads]

    on_bench(sqlite_url, clock, tenant, body, **EVERY)


def invoices(tenant: Tenant, *roles: dict[str, Any]) -> str:
    """An application of the tenant with app roles; the id of its service principal."""
    store = tenant.running.sandbox.store
    listed = [
        {"id": f"b000000{n}-0000-4000-8000-000000000000", "isEnabled": True, **role}
        for n, role in enumerate(roles)
    ]
    value = {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": "c1111111-1111-4111-8111-111111111111",
        "appId": INVOICES,
        "displayName": "Invoices",
        "servicePrincipalType": "Application",
        "accountEnabled": True,
        "tags": [],
        "appRoles": listed,
        "$": {},
    }
    store.put("servicePrincipal", value["id"], value)
    store.put("index", f"principal:{INVOICES}", {"id": value["id"]})
    return str(value["id"])


def roles_of(tenant: Tenant, name: str) -> list[str]:
    own = tenant.identity(name)["id"]
    return sorted(
        one["appRoleId"][:8] for one in tenant.objects("appRoleAssignment") if one["principalId"] == own
    )


def test_app_roles_follow_groups_and_only_ours_are_taken_back(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    invoices(
        tenant,
        {"value": "Invoices.Read", "allowedMemberTypes": ["Application"]},
        {"value": "Agent.Known", "allowedMemberTypes": ["User", "Application"]},
        {"value": "Invoices.Approve", "allowedMemberTypes": ["User"]},
        {"value": "Invoices.Pay", "allowedMemberTypes": ["Application"]},
    )
    mapping = f"Payments={INVOICES}/Invoices.Read; *={INVOICES}/Agent.Known"

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage, _ = await bench.agent("triage", maria), await bench.agent("review", maria)
        payments = await group(bench, "Payments", triage)
        assert (await bench.apply()).state == "OK"
        assert roles_of(tenant, "Triage") == ["b0000000", "b0000001"]
        assert roles_of(tenant, "Review") == ["b0000001"]
        assert (await bench.plan()).changes == 0
        foreign = {
            "id": "foreign",
            "principalId": tenant.identity("Triage")["id"],
            "resourceId": "c1111111-1111-4111-8111-111111111111",
            "appRoleId": "b0000003-0000-4000-8000-000000000000",
        }
        tenant.running.sandbox.store.put("appRoleAssignment", "foreign", foreign)
        assert (await bench.plan()).changes == 0, "an assignment of somebody else's is drift"
        await leaves(bench, payments, triage)
        assert (await bench.apply()).state == "OK"
        assert roles_of(tenant, "Triage") == ["b0000001", "b0000003"]
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, app_roles=mapping)


def test_an_app_role_given_by_hand_stays_where_the_mapping_gives_the_same_one_and_takes_it_back(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    invoices(tenant, {"value": "Invoices.Read", "allowedMemberTypes": ["Application"]})

    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        payments = await group(bench, "Payments")
        assert (await bench.apply()).state == "OK"
        by_hand = {
            "id": "foreign",
            "principalId": tenant.identity("Triage")["id"],
            "resourceId": "c1111111-1111-4111-8111-111111111111",
            "appRoleId": "b0000000-0000-4000-8000-000000000000",
        }
        tenant.running.sandbox.store.put("appRoleAssignment", "foreign", by_hand)
        assert (await bench.plan()).changes == 0
        await bench.store.transact(TESTER, lambda work: add_members(work, payments, [(triage, None)]))
        assert (await bench.apply()).state == "OK"
        await leaves(bench, payments, triage)
        assert (await bench.apply()).state == "OK"
        assert roles_of(tenant, "Triage") == ["b0000000"]

    on_bench(sqlite_url, clock, tenant, body, app_roles=f"Payments={INVOICES}/Invoices.Read")


def test_app_roles_that_cannot_be_given_are_said_and_the_rest_is_written(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    invoices(tenant, {"value": "Invoices.Approve", "allowedMemberTypes": ["User"]})
    nowhere = "d1111111-1111-4111-8111-111111111111"
    mapping = f"*={INVOICES}/Invoices.Approve; *={INVOICES}/Missing; *={nowhere}/X"

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        plan = await bench.plan()
        for words in ("for people only", "has no app role Missing", f"No application {nowhere}"):
            assert any(words in note for note in plan.notes), plan.notes
        assert (await bench.apply(plan)).state == "OK"
        assert roles_of(tenant, "Triage") == []

    on_bench(sqlite_url, clock, tenant, body, app_roles=mapping)


def test_names_of_groups_become_keys_that_are_always_the_same() -> None:
    assert unique("Payments") == unique("PAYMENTS") != unique("Payment")
    assert nickname("Zahlungen & Mahnungen / EU") == "Zahlungen---Mahnungen---EU"
    assert nickname("支払い") == "group" and len(nickname("x" * 200)) == 64
    assert judged("Payments", [{"id": "1"}, {"id": "2"}]).why == "2 groups have that name"


def test_fresh_objects_and_lost_answers_make_no_group_and_no_member_twice(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        agents = [await bench.agent(slug, maria) for slug in ("triage", "review")]
        await group(bench, "Payments", *agents)
        tenant.configure(settle_misses=1)
        tenant.faults(
            {"match": {"method": "PATCH", "path": "/groups"}, "action": "drop_after"},
            {"match": {"method": "POST", "path": "members"}, "action": "drop_after"},
        )
        await bench.apply()
        await bench.perform()
        assert inside(tenant, "Payments") == ["Review", "Triage"]
        assert len(tenant.objects("group")) == 1 and len(tenant.identities()) == 2
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body, **EVERY)
