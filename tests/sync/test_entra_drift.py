"""What others change and make in an Entra tenant: told from the directory's audit, settled and adopted here."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from scim_bridge.cli.story.opening import ENTRA_ROLES
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.sandbox.entra.app import build
from scim_bridge.sync import adopting
from scim_bridge.sync.idp.entra.reading import identity
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER
from tests.sandbox.servers import Running, running
from tests.sync.bench import Bench
from tests.sync.drift_bench import drifts, facts, settled, strangers
from tests.sync.entra_tenant import Tenant, on_bench, upn

WITH_LOG = [*ENTRA_ROLES, "AuditLog.Read.All"]
GRANTED = {"roles": WITH_LOG}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory):
    """A tenant that runs as long as this file's tests."""
    with running("entra", build, tmp_path_factory.mktemp("entra")) as made:
        yield made


@pytest.fixture
def now() -> ManualClock:
    """The tenant's own time, so that its log and we speak of the same instants."""
    return ManualClock(time.time_ns() // 1000)


async def as_portal(tenant: Tenant, bench: Bench, what: str, method: str, path: str, body: Any) -> Any:
    """Another application of the tenant does something."""
    wish = {"secret": True, "roles": WITH_LOG, "display_name": "Entra admin center"}
    made = tenant.running.control.post("/app-registrations", json=wish).raise_for_status().json()
    secrets = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    portal = Tenant(tenant.running, tenant.settings, secrets).open(bench.store)
    try:
        return (await portal._graph.call(what, method, path, body)).body
    finally:
        await portal.close()


def facts_of(**values: Any) -> dict[str, Any]:
    kind = "#Microsoft.DirectoryServices.CustomSecurityAttributeValue"
    return {"customSecurityAttributes": {"scimBridge": {"@odata.type": kind, **values}}}


def test_a_foreign_change_is_drift_with_its_author_and_taken_or_written_over(
    sqlite_url: str, now: ManualClock, directory: Running
) -> None:
    tenant = Tenant.fresh(directory, **GRANTED)

    async def body(bench: Bench) -> None:
        bench.connection = replace(bench.connection, settings={"drift": "purpose:ask; displayName:ask"})
        maria = await bench.person(upn("maria"))
        await bench.agent("triage", maria)
        assert (await bench.apply()).state == "OK"
        remote = tenant.identity("Triage")["id"]
        change = facts_of(purpose="sorts tickets", riskTier="low")
        await as_portal(tenant, bench, "edit", "PATCH", identity(remote), {**change, "displayName": "Sorter"})
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert set(kept.change.after) == {"scimBridge_riskTier"}
        rows = {row.attribute: row for row in await drifts(bench)}
        assert set(rows) == {"scimBridge_purpose", "scimBridge_riskTier", "displayName"}
        assert {(row.changed_by, row.unknown) for row in rows.values()} == {("Entra admin center", "")}
        await settled(bench, "triage", "purpose", "theirs")
        await settled(bench, "triage", "displayName", "ours")
        await bench.perform()
        assert (await facts(bench, "triage")).extension["purpose"] == "sorts tickets"
        assert tenant.identity("Triage")["id"] == remote
        assert tenant.facts("Triage")["riskTier"] == "high"
        assert (await bench.plan()).changes == 0 and await drifts(bench) == []

    on_bench(sqlite_url, now, tenant, body)


def test_without_the_permission_for_the_log_drift_is_kept_and_says_so(
    sqlite_url: str, now: ManualClock, directory: Running
) -> None:
    tenant = Tenant.fresh(directory)

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        place = identity(tenant.identity("Triage")["id"])
        await as_portal(tenant, bench, "edit", "PATCH", place, facts_of(purpose="mining"))
        await bench.plan()
        (row,) = await drifts(bench)
        assert (row.theirs, row.changed_by) == ("mining", "") and "not readable" in row.unknown

    on_bench(sqlite_url, now, tenant, body)


def test_identities_of_nobody_are_found_whatever_their_blueprint_and_never_taken_by_their_name(
    sqlite_url: str, now: ManualClock, directory: Running
) -> None:
    tenant = Tenant.fresh(directory, **GRANTED)

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        await bench.agent("triage", maria)
        assert (await bench.apply()).state == "OK"
        ours = tenant.identity("Triage")
        store = tenant.running.sandbox.store
        base = store.get("servicePrincipal", ours["id"])
        hidden = {k: v for k, v in base["$"].items() if k != "attributes"}
        for number, name in ((1, "Review"), (2, "Deploy")):
            blueprint = (
                {"agentIdentityBlueprintId": "33333333-3333-4333-8333-333333333333"} if number == 2 else {}
            )
            one = {
                **base,
                "id": f"{number}" * 8 + "-1111-4111-8111-111111111111",
                "displayName": name,
                **blueprint,
            }
            store.put("servicePrincipal", one["id"], {**one, "tags": ["kept"], "$": hidden})
        plan = await bench.plan()
        assert plan.changes == 0 and plan.listed == 2
        rows = {row.name: row for row in await strangers(bench)}
        assert set(rows) == {"Review", "Deploy"}
        assert {row.owner for row in rows.values()} == {upn("maria")} and all(
            row.made for row in rows.values()
        )
        await bench.agent("review", maria)
        await bench.agent("deploy", maria)
        assert (await bench.plan()).creates == 2, "a display name makes nothing an agent's"
        for name, into in (("Review", "review"), ("Deploy", "deploy")):
            remote = rows[name].remote_id
            await bench.store.transact(
                TESTER,
                lambda work, remote=remote, into=into: adopting.adopt_into(
                    work, bench.connection, remote, into, "it"
                ),
            )
        plan = await bench.plan()
        assert (plan.creates, plan.updates, plan.state) == (0, 2, "ready")
        assert (await bench.apply(plan)).state == "OK"
        for name in rows:
            assert tenant.identity(name)["id"] == rows[name].remote_id
            assert len(tenant.identity(name)["tags"]) == 2, "what others tagged stays, our mark is there"
        assert (await bench.plan()).changes == 0 and await strangers(bench) == []

    on_bench(sqlite_url, now, tenant, body)
