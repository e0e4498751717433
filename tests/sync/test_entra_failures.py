"""What goes wrong between here and Entra: nothing is doubled, nothing is lost, and every message helps."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.sync.idp.port import IdpError
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, answer_for, attested, on_bench, upn

CREATE = {"method": "POST", "path": r"/servicePrincipals/microsoft\.graph\.agentIdentity$"}
PATCH = {"method": "PATCH", "path": r"/servicePrincipals/"}


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


async def one_agent(bench: Bench) -> str:
    return await bench.agent("triage", await bench.person(upn("maria")))


@pytest.mark.parametrize("action", ["drop_after", "truncate", "drop_before"])
def test_a_create_whose_answer_is_lost_makes_no_second_object(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, action: str
) -> None:
    async def body(bench: Bench) -> None:
        await one_agent(bench)
        tenant.faults({"match": CREATE, "action": action})
        assert (await bench.apply()).state == "OK"
        assert len(tenant.identities()) == 1
        assert tenant.facts("Triage")["slug"] == "triage"
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)


def test_whatever_answer_of_a_first_sync_is_lost_everything_is_there_once(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setup, creates, attributes, sponsors, attest: many writes lose their answer."""
    monkeypatch.setattr("scim_bridge.sync.draft.PATIENCE", 0)

    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        for slug in ("triage", "review", "deploy"):
            agent = await bench.agent(slug, maria)
            await answer_for(bench, agent, maria, (bob,))
            await attested(bench, agent, f"statement-{slug}")
        write = {"method": "POST|PATCH", "path": "^/(v1.0|beta)/(?!.batch)"}
        tenant.faults(
            *({"match": {**write, "method": m}, "action": "drop_after", "after": n, "times": 1}
              for m in ("POST", "PATCH") for n in (0, 2, 4, 7, 11, 16))
        )  # fmt: skip
        for _ in range(12):
            done = await bench.apply()
            if done.state == "OK":
                break
        assert done.state == "OK", done
        assert (await bench.plan()).changes == 0
        assert sorted(one["displayName"] for one in tenant.identities()) == ["Deploy", "Review", "Triage"]
        blueprints = [one for one in tenant.objects("application") if one.get("uniqueName")]
        assert len(blueprints) == 1
        assert [one["$"]["attestations"] for one in tenant.identities()] == [1, 1, 1], "attested twice"

    on_bench(sqlite_url, clock, tenant, body)


def test_a_fresh_object_that_is_not_seen_everywhere_yet_is_waited_for(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        tenant.configure(settle_misses=2)
        await one_agent(bench)
        assert (await bench.apply()).state == "OK"
        assert tenant.facts("Triage")["slug"] == "triage"
        assert len(tenant.identities()) == 1
        assert len([one for one in tenant.objects("application") if one.get("uniqueName")]) == 1
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)


def test_when_it_takes_longer_the_effect_waits_and_goes_on_with_the_same_object(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.entra.graph.PAUSES", (0.0,))

    async def body(bench: Bench) -> None:
        await one_agent(bench)
        await bench.apply(perform=False)
        tenant.configure(settle_misses=6)
        pauses = await bench.perform(tries=12)
        assert pauses and all(pause == 2 for pause in pauses)
        assert len(tenant.identities()) == 1
        assert tenant.facts("Triage")["slug"] == "triage"
        tenant.configure(settle_misses=0)
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)


def test_a_429_is_waited_out_as_long_as_entra_says(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        agent = await one_agent(bench)
        await bench.apply()
        throttled = {
            "action": "status",
            "status": 429,
            "headers": {"Retry-After": "7"},
            "body": {"error": {"code": "Request_ThrottledTemporarily", "message": "slow"}},
        }
        tenant.faults({**throttled, "match": PATCH})
        await bench.hold(agent, "admin")
        assert await bench.perform() == [7.0]
        assert tenant.identity("Triage")["accountEnabled"] is False

    on_bench(sqlite_url, clock, tenant, body)


def test_entras_own_throttling_inside_a_batch_is_heeded(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        for number in range(6):
            await bench.agent(f"agent-{number}", maria)
        assert (await bench.apply(release="first")).state == "OK"
        tenant.configure(throttle_units=14, throttle_seconds=3)
        assert (await bench.plan()).changes == 0
        statuses = [call["status"] for call in tenant.calls()]
        assert 429 in statuses, "the limit was never met: the test says nothing"

    on_bench(sqlite_url, clock, tenant, body)


def test_a_stop_goes_through_although_the_attributes_cannot_be_written(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        agent = await one_agent(bench)
        await bench.apply()
        definition = tenant.running.sandbox.store.get("customSecurityAttributeDefinition", "scimbridge_holds")
        assert definition is not None
        tenant.running.sandbox.store.put(
            "customSecurityAttributeDefinition", "scimbridge_holds", {**definition, "status": "Deprecated"}
        )
        await bench.hold(agent, "admin")
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is False
        row = await bench.store.reads.one("SELECT state, last_error FROM sb_effect WHERE state = 'dead'")
        assert row is not None and "scimBridge_holds" in row["last_error"]
        plan = await bench.plan()
        assert ("attribute", "scimBridge_holds") in plan.setup, "a deactivated attribute is made ready again"
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.facts("Triage")["holds"] == ["held by admin"]

    on_bench(sqlite_url, clock, tenant, body)


def test_a_missing_permission_is_named_and_parks_the_change(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    from scim_bridge.cli.story.opening import ENTRA_ROLES

    roles = [role for role in ENTRA_ROLES if role != "AgentIdentity.Create.All"]
    tenant = Tenant.fresh(sandbox, roles=roles)

    async def body(bench: Bench) -> None:
        await one_agent(bench)
        done = await bench.apply()
        assert (done.state, done.failed) == ("FAILED", 1)
        row = await bench.store.reads.one("SELECT reason FROM sb_change")
        assert "Authorization_RequestDenied" in row["reason"] and "permission" in row["reason"]

    on_bench(sqlite_url, clock, tenant, body)


def test_agents_beyond_a_full_blueprint_get_the_next_one_and_stay_ours(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        tenant.configure(max_identities_per_blueprint=2)
        for number in range(5):
            await bench.agent(f"agent-{number}", maria)
        done = await bench.apply()
        assert (done.state, done.done, done.failed) == ("OK", 5, 0)
        names = {
            one["uniqueName"]: one["appId"] for one in tenant.objects("application") if "uniqueName" in one
        }
        assert sorted(names) == ["scim-bridge", "scim-bridge-2", "scim-bridge-3"]
        under = Counter(one["agentIdentityBlueprintId"] for one in tenant.identities())
        assert {name: under[app_id] for name, app_id in names.items()} == {
            "scim-bridge": 2,
            "scim-bridge-2": 2,
            "scim-bridge-3": 1,
        }
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)


def test_a_full_blueprint_named_by_its_id_is_told_with_what_to_do(
    sqlite_url: str, sqlite_template: Path, tmp_path: Path, clock: ManualClock, tenant: Tenant
) -> None:
    async def made(bench: Bench) -> None:
        await one_agent(bench)
        assert (await bench.apply()).state == "OK"

    other = shutil.copy(sqlite_template, tmp_path / "other.db")
    on_bench(f"sqlite:///{other}", clock, tenant, made)
    before = len(tenant.objects("application"))
    app_id = next(one["appId"] for one in tenant.objects("application") if "uniqueName" in one)

    async def body(bench: Bench) -> None:
        tenant.configure(max_identities_per_blueprint=1)
        await bench.agent("review", await bench.person(upn("maria")))
        done = await bench.apply()
        assert (done.failed, len(tenant.objects("application"))) == (1, before)
        row = await bench.store.reads.one("SELECT reason FROM sb_change WHERE state = 'parked'")
        assert "AgentIdentity_LimitExceeded" in row["reason"] and "`blueprint`" in row["reason"]

    on_bench(sqlite_url, clock, tenant, body, blueprint=app_id)


def test_a_blueprint_that_exists_is_used_and_one_that_does_not_is_not_invented(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    missing = "12345678-1234-4234-8234-123456789012"

    async def body(bench: Bench) -> None:
        await one_agent(bench)
        done = await bench.apply()
        assert (done.state, done.stage) == ("FAILED", "preparing")
        assert missing in done.reason and "`blueprint`" in done.reason
        assert len(tenant.objects("application")) == 1

    on_bench(sqlite_url, clock, tenant, body, blueprint=missing)


def test_a_token_that_graph_no_longer_takes_is_replaced_once(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await bench.idp.missing()
        tenant.faults({"match": {"path": "/v1.0/"}, "action": "status", "status": 401})
        await bench.idp.missing()
        tokens = [call for call in tenant.calls() if call["operation"] == "token"]
        assert len(tokens) == 2
        tenant.faults({"match": {"path": "/v1.0/"}, "action": "status", "status": 401, "times": None})
        with pytest.raises(IdpError) as error:
            await bench.idp.missing()
        assert not error.value.transient and "credentials" in error.value.fix

    on_bench(sqlite_url, clock, tenant, body)


def test_a_page_that_leads_to_another_host_is_not_followed_and_a_page_without_a_list_is_no_page(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.entra.graph.PATIENCE", 0)
    listing = {"method": "GET", "path": r"/servicePrincipals/microsoft\.graph\.agentIdentity\?"}

    async def body(bench: Bench) -> None:
        for answer, words in (
            ({"value": [], "@odata.nextLink": "https://evil.example/v1.0/x"}, "another host"),
            ({"error": {}}, "no list"),
            ({}, "no list"),
        ):
            tenant.faults({"match": listing, "action": "status", "status": 200, "body": answer})
            with pytest.raises(IdpError, match=words):
                [page async for page in bench.idp.listing()]

    on_bench(sqlite_url, clock, tenant, body)


def test_a_failed_attestation_parks_with_its_reason_and_is_done_when_it_can_be(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        agent = await one_agent(bench)
        await bench.apply()
        await attested(bench, agent, "statement-1")
        refused = {
            "error": {"code": "Request_BadRequest", "message": "The agent identity cannot be attested."}
        }
        tenant.faults(
            {"match": {"path": "/attest$"}, "action": "status", "status": 400, "body": refused, "times": 1}
        )
        failed = await bench.apply()
        assert failed.failed == 1
        facts = tenant.facts("Triage")
        assert facts["attestationState"] == "valid" and "statementId" not in facts
        plan = await bench.plan()
        assert plan.updates == 1
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.identity("Triage")["$"]["attestations"] == 1

    on_bench(sqlite_url, clock, tenant, body)


@pytest.mark.parametrize("answer", ["<html>Sign in to the proxy</html>", {}], ids=["page", "empty"])
@pytest.mark.parametrize(
    "path", [r"/applications\(uniqueName", r"microsoft\.graph\.agentIdentity$", "/domains/"],
    ids=["blueprint", "create", "domain"],
)  # fmt: skip
def test_an_answer_without_an_object_is_a_broken_one_that_passes_and_doubles_nothing(
    sqlite_url: str,
    clock: ManualClock,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    answer: Any,
) -> None:
    monkeypatch.setattr("scim_bridge.sync.draft.PATIENCE", 0)

    async def body(bench: Bench) -> None:
        await one_agent(bench)
        tenant.faults({"match": {"path": path}, "action": "status", "status": 200, "body": answer})
        first = await bench.apply()
        assert first.state in ("OK", "FAILED")
        if first.state == "FAILED":
            assert "its answer" in first.reason
        assert (await bench.apply()).state == "OK"
        assert len(tenant.identities()) == 1
        assert len([one for one in tenant.objects("application") if one.get("uniqueName")]) == 1
        odd = "SELECT last_error FROM sb_effect WHERE last_error LIKE '%unexpected%'"
        assert await bench.store.reads.all(odd) == []

    on_bench(sqlite_url, clock, tenant, body, agent_users="corp.test")


def test_a_token_service_whose_metadata_says_nothing_is_one_that_does_not_answer_as_it_should(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        metadata = {"path": "openid-configuration"}
        tenant.faults({"match": metadata, "action": "status", "status": 200, "body": {}})
        with pytest.raises(IdpError, match="does not answer as it should"):
            await bench.idp.missing()
        assert await bench.idp.missing()

    on_bench(sqlite_url, clock, tenant, body)


def test_a_stop_that_something_else_than_entra_answered_is_written_again(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        agent = await one_agent(bench)
        await bench.apply()
        page = {"action": "status", "status": 200, "body": "<html>Sign in to the proxy</html>"}
        tenant.faults({"match": PATCH, **page})
        await bench.hold(agent, "admin")
        assert len(await bench.perform()) == 1
        assert tenant.identity("Triage")["accountEnabled"] is False

    on_bench(sqlite_url, clock, tenant, body)
