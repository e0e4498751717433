"""What Entra's lifecycle policies find wrong with agents is read back, shown, and gone when it is mended."""

from __future__ import annotations

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.findings import findings_at, findings_of
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, attested, on_bench, upn


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


def born_long_ago(tenant: Tenant, name: str) -> None:
    """The identity is a year old, and nobody attested it."""
    store = tenant.running.sandbox.store
    value = store.get("servicePrincipal", tenant.identity(name)["id"])
    assert value is not None
    store.put("servicePrincipal", value["id"], {**value, "createdDateTime": "2025-01-01T00:00:00Z"})


def test_an_overdue_attestation_is_shown_until_the_owner_has_attested(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage = await bench.agent("triage", maria)
        await bench.agent("review", maria)
        await bench.apply()
        born_long_ago(tenant, "Triage")
        plan = await bench.plan()
        assert [note for note in plan.notes if "triage: Entra finds: " in note and "90 days" in note]
        (found,) = await findings_of(bench.store.reads, triage)
        assert (found.slug, found.finding.code) == ("triage", "AttestationOverdue")
        since = found.since
        clock.advance(days=1)
        await bench.plan()
        assert [one.since for one in await findings_of(bench.store.reads, triage)] == [since]
        await attested(bench, triage, "statement-1")
        assert (await bench.apply()).state == "OK"
        assert not (await bench.plan()).notes
        assert not await findings_of(bench.store.reads, triage)

    on_bench(sqlite_url, clock, tenant, body)


def test_a_tenant_without_lifecycle_policies_is_synced_all_the_same(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        tenant.configure(attest_versions=[])
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        assert (await bench.plan()).changes == 0
        assert not await findings_at(bench.store.reads, bench.connection.id)

    on_bench(sqlite_url, clock, tenant, body)


def test_where_the_settings_say_so_they_are_not_read(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        born_long_ago(tenant, "Triage")
        assert not (await bench.plan()).notes
        assert not [call for call in tenant.calls() if "complianceIssues" in call["url"]]

    on_bench(sqlite_url, clock, tenant, body, compliance_issues="off")
