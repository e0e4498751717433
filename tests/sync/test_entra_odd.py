"""What Entra does in the middle of a reading or a run: nothing is doubled, nothing differs for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scim_bridge.kernel.clock import ManualClock
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.drift_bench import drifts, facts
from tests.sync.entra_tenant import Tenant, on_bench, upn

PATCH = {"method": "PATCH", "path": "/servicePrincipals/"}
LOST = {"error": {"code": "syncStateNotFound", "message": "The token is expired."}}
NO_OBJECT = {"error": {"code": "Request_ResourceNotFound", "message": "It does not exist."}}


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


def test_a_listing_whose_place_is_forgotten_is_read_anew_and_one_that_always_is_fails_with_the_reason(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.entra.reading.TOP", "1")

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        for slug in ("triage", "review", "deploy"):
            await bench.agent(slug, maria)
        assert (await bench.apply()).state == "OK"
        lost = {"match": {"path": "skiptoken"}, "after": 1, "action": "status", "status": 410, "body": LOST}
        tenant.faults(lost)
        plan = await bench.plan()
        assert (plan.changes, plan.listed, plan.state) == (0, 3, "ready")
        tenant.faults({**lost, "times": None})
        run = await bench.apply()
        assert run.state == "FAILED" and "syncStateNotFound" in run.reason

    on_bench(sqlite_url, clock, tenant, body)


def test_an_identity_that_is_deleted_in_the_middle_of_a_run_is_told_and_made_by_the_next_plan(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        store = tenant.running.sandbox.store
        for slug in ("triage", "review"):
            await bench.agent(slug, maria)
        assert (await bench.apply()).state == "OK"
        for kept in tenant.identities():
            store.put("servicePrincipal", kept["id"], {**kept, "displayName": f"{kept['displayName']} X"})
        plan = await bench.plan()
        assert plan.updates == 2
        store.delete("servicePrincipal", tenant.identity("Triage X")["id"])
        # The other one goes between our look and our write.
        tenant.faults({"match": PATCH, "action": "status", "status": 404, "body": NO_OBJECT})
        run = await bench.apply(plan)
        assert (run.moved, run.failed) == (1, 1)
        rows = await bench.store.reads.all("SELECT slug, reason FROM sb_change WHERE plan_id = ?", plan.id)
        assert {row["slug"]: row["reason"].split(":")[0] for row in rows} == {
            "triage": "the object is gone from the IdP",
            "review": "Entra did not change the agent identity",
        }
        done = await bench.apply()
        assert (done.state, done.done) == ("OK", 2)
        assert sorted(one["displayName"] for one in tenant.identities()) == ["Review", "Triage"]

    on_bench(sqlite_url, clock, tenant, body)


def test_a_secret_that_expires_in_the_middle_of_a_run_parks_nothing_and_a_new_one_goes_on(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    over = {"error": {"code": "InvalidAuthenticationToken", "message": "The lifetime is over."}}
    expired = {
        "error": "invalid_client",
        "error_description": "AADSTS7000222: The provided client secret keys are expired.",
        "error_codes": [7000222],
    }

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        for slug in ("triage", "review"):
            await bench.agent(slug, maria)
        await bench.apply(perform=False)
        refused = {"action": "status", "status": 401, "times": None}
        tenant.faults(
            {"match": {"path": "/v1.0/"}, "after": 4, "body": over, **refused},
            {"match": {"path": "/oauth2/v2.0/token"}, "body": expired, **refused},
        )
        await bench.perform()
        rows = await bench.store.reads.all("SELECT state, reason FROM sb_change")
        assert {row["state"] for row in rows} == {"pending", "done"}
        (row,) = await bench.store.reads.all(
            "SELECT DISTINCT last_error FROM sb_effect WHERE state = 'pending'"
        )
        assert "AADSTS7000222" in row["last_error"] and "make a new one" in row["last_error"]
        tenant.faults()
        await bench.perform()
        run = await bench.store.reads.one("SELECT state FROM sb_run")
        assert run is not None and run["state"] == "OK" and len(tenant.identities()) == 2

    on_bench(sqlite_url, clock, tenant, body)


@pytest.mark.parametrize("rule", ["", "displayName:ask", "displayName:theirs"])
def test_a_name_that_entra_keeps_in_a_form_of_its_own_is_no_drift_and_taken_over_by_nobody(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, rule: str
) -> None:
    async def body(bench: Bench) -> None:
        bench.connection = replace(bench.connection, settings={"drift": rule})
        await bench.agent("triage", await bench.person(upn("maria")))
        shouts = {"action": "alter", "find": "Triage", "put": "TRIAGE", "times": None}
        tenant.faults({"match": {"path": "servicePrincipals|batch"}, **shouts})
        assert (await bench.apply()).state == "OK"
        assert tenant.identities()[0]["displayName"] == "TRIAGE"
        run = await bench.apply()
        assert (run.state, run.total) == ("OK", 0)
        assert await drifts(bench) == []
        assert (await facts(bench, "triage")).resource.doc["displayName"] == "Triage"

    on_bench(sqlite_url, clock, tenant, body)


def test_an_object_without_an_id_is_passed_over_in_the_listing_and_never_taken_for_absent(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("draft", "idp.entra.graph"):
        monkeypatch.setattr(f"scim_bridge.sync.{place}.PATIENCE", 0)

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        nameless = {"value": [{"displayName": "Triage"}, {"id": None}, {"id": 7, "tags": ["scim-bridge:x"]}]}
        odd = {"action": "status", "status": 200, "body": nameless, "times": None}
        listing = r"/servicePrincipals/microsoft\.graph\.agentIdentity\?.*top="
        tenant.faults({"match": {"method": "GET", "path": listing}, **odd})
        plan = await bench.plan()
        assert (plan.changes, plan.listed, plan.state) == (0, 0, "held")
        await bench.agent("review", await bench.person(upn("bob")))
        tenant.faults({"match": {"method": "GET", "path": r"agentIdentity\?.*filter="}, **odd})
        run = await bench.apply()
        assert run.state == "FAILED" and "an object in its answer has no id" in run.reason
        assert len(tenant.identities()) == 1

    on_bench(sqlite_url, clock, tenant, body)
