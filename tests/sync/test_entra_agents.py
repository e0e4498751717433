"""Agents in a real (simulated) Entra tenant: what the registry says is what is there, once, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.agents import delete_agent, refresh
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import set_employed
from scim_bridge.registry.resources import load
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, answer_for, attested, on_bench, upn


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


async def redescribe(bench: Bench, agent_id: str, **facts: object) -> None:
    async def body(work) -> None:
        work.bookkeeping("test")
        doc = (await load(work, agent_id, "agent")).doc
        extension = {k: v for k, v in {**doc[AGENT_URN], **facts}.items() if v}
        await refresh(work, agent_id, {**doc, AGENT_URN: extension})

    await bench.store.transact(TESTER, body)


async def nothing_left(bench: Bench) -> None:
    plan = await bench.plan()
    left = [dict(kept.change.after) for kept in await changes_of(bench.store.reads, plan.id)]
    assert (plan.changes, left) == (0, [])


def test_agents_are_made_with_their_people_and_facts_and_the_second_plan_is_empty(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob, carol = [await bench.person(upn(name)) for name in ("maria", "bob", "carol")]
        purpose = "Reads new tickets, sets language, topic and urgency, and routes them to the right queue."
        triage = await bench.agent("triage", maria, purpose=purpose, model="claude", environment="production")
        await answer_for(bench, triage, maria, (bob,), (carol,))
        await bench.agent("review", bob)

        plan = await bench.plan()
        assert (plan.creates, plan.updates, plan.retires) == (2, 0, 0)
        assert ("blueprint", "scim-bridge") in plan.setup and len(plan.setup) == 19
        assert not tenant.identities() and not tenant.writes(), "a plan wrote something"
        done = await bench.apply(plan)
        assert (done.state, done.done) == ("OK", 2)

        made = tenant.identity("Triage")
        assert made["accountEnabled"] is True
        assert f"scim-bridge:{triage}" in made["tags"]
        assert tenant.people_of("Triage", "sponsors") == ["carol"]
        assert tenant.people_of("Triage", "owners") == ["bob", "maria"]
        assert tenant.people_of("Review", "sponsors") == ["bob"], "the owner sponsors where nobody else does"
        facts = tenant.facts("Triage")
        assert facts["agentId"] == triage
        assert facts["purpose"].startswith("Reads new tickets") and len(facts["purpose"]) == 64
        assert (facts["model"], facts["riskTier"], facts["environment"]) == ("claude", "high", "production")
        assert (facts["owner"], facts["coOwners"]) == (upn("maria"), [upn("bob")])
        assert "holds" not in facts and facts["attestationState"] == "none"
        await nothing_left(bench)
        assert len(tenant.objects("application")) == 2, "more than one blueprint"

    on_bench(sqlite_url, clock, tenant, body)


def test_a_change_here_changes_that_and_what_is_emptied_here_is_emptied_there(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria, model="claude")
        await answer_for(bench, triage, maria, (bob,))
        await bench.agent("review", maria)
        await bench.apply()
        before = len(tenant.writes())
        await redescribe(bench, triage, model="", purpose="Another purpose")
        await answer_for(bench, triage, maria)
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert set(kept.change.after) == {
            "scimBridge_model",
            "scimBridge_purpose",
            "scimBridge_coOwners",
            "owners",
        }
        assert kept.reasons["scimBridge_model"] == "changed here"
        assert (await bench.apply(plan)).state == "OK"
        facts = tenant.facts("Triage")
        assert facts["purpose"] == "Another purpose"
        assert "model" not in facts and "coOwners" not in facts
        assert tenant.people_of("Triage", "owners") == ["maria"]
        assert len(tenant.writes()) == before + 2, tenant.writes()[before:]
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_who_leaves_stops_sponsoring_and_owning_and_whoever_takes_over_starts(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria)
        await answer_for(bench, triage, maria, (bob,))
        await bench.apply()
        assert tenant.people_of("Triage", "sponsors") == ["maria"]
        await bench.store.transact(TESTER, lambda work: set_employed(work, maria, False))
        await answer_for(bench, triage, bob)
        began = len(tenant.writes())
        assert (await bench.apply()).state == "OK"
        assert tenant.people_of("Triage", "sponsors") == ["bob"]
        assert tenant.people_of("Triage", "owners") == ["bob"]
        assert tenant.facts("Triage")["owner"] == upn("bob")
        sponsors = [line for line in tenant.writes()[began:] if "/sponsors/" in line]
        assert [line.split()[0] for line in sponsors] == ["POST", "DELETE"], (
            "for a moment nobody sponsored it"
        )
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_an_agent_whose_only_person_left_keeps_its_sponsor_and_says_so(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    """Entra allows no agent identity without a sponsor to be attested; a leaver owns nothing any more."""

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        await bench.agent("triage", maria)
        await bench.apply()
        await bench.store.transact(TESTER, lambda work: set_employed(work, maria, False))
        plan = await bench.plan()
        assert any("nobody to sponsor it" in note for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.people_of("Triage", "sponsors") == ["maria"]
        assert tenant.people_of("Triage", "owners") == []
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_a_held_agent_is_stopped_at_once_and_started_when_no_hold_is_left(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage = await bench.agent("triage", maria)
        await bench.apply()
        began = len(tenant.writes())
        await bench.hold(triage, "departure:1")
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is False
        assert tenant.facts("Triage")["holds"] == ["held by departure"]
        assert tenant.writes()[began].endswith("/microsoft.graph.agentIdentity"), "the stop did not go first"
        await nothing_left(bench)
        await bench.hold(triage, "departure:1", release=True)
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is True
        assert "holds" not in tenant.facts("Triage")
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_an_agent_that_is_held_when_it_is_made_is_made_stopped(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await bench.hold(triage, "admin")
        assert (await bench.apply()).state == "OK"
        assert tenant.identity("Triage")["accountEnabled"] is False
        await nothing_left(bench)
        await bench.hold(triage, "admin", release=True)
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is True
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_entras_own_stop_is_not_undone(sqlite_url: str, clock: ManualClock, tenant: Tenant) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        there = tenant.identity("Triage")
        tenant.running.sandbox.store.put(
            "servicePrincipal", there["id"], {**_stored(tenant, there["id"]), "accountEnabled": False}
        )
        plan = await bench.plan()
        assert plan.changes == 0
        assert any("switched off at the IdP" in note for note in plan.notes)

    on_bench(sqlite_url, clock, tenant, body)


def _stored(tenant: Tenant, object_id: str) -> dict:
    found = tenant.running.sandbox.store.get("servicePrincipal", object_id)
    assert found is not None
    return dict(found)


def test_a_deleted_agent_is_switched_off_and_otherwise_left(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage = await bench.agent("triage", maria)
        await bench.agent("review", maria)
        await bench.apply()
        before = tenant.facts("Triage")
        await bench.store.transact(TESTER, lambda work: delete_agent(work, triage, "over"))
        plan = await bench.plan()
        assert (plan.creates, plan.updates, plan.retires) == (0, 0, 1)
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.identity("Triage")["accountEnabled"] is False
        assert tenant.facts("Triage") == before
        assert tenant.identity("Review")["accountEnabled"] is True
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_a_statement_is_attested_once_and_the_next_one_once_more(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        assert not tenant.writes("/attest")
        await attested(bench, triage, "statement-1")
        assert (await bench.apply()).state == "OK"
        assert len(tenant.writes("/attest")) == 1
        facts = tenant.facts("Triage")
        assert (facts["attestationState"], facts["statementId"]) == ("valid", "statement-1")
        assert facts["attestedBy"] == upn("maria") and facts["attestedUntil"].startswith("2027-")
        await nothing_left(bench)
        await redescribe(bench, triage, model="other")
        await bench.apply()
        assert len(tenant.writes("/attest")) == 1, "a change that is no statement was attested"
        await attested(bench, triage, "statement-2", "refused")
        await bench.apply()
        assert tenant.facts("Triage")["attestationState"] == "refused"
        assert len(tenant.writes("/attest")) == 1, "a refusal was attested"
        clock.advance(days=40)
        await attested(bench, triage, "statement-3")
        await bench.apply()
        assert len(tenant.writes("/attest")) == 2
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


@pytest.mark.parametrize(("versions", "acted"), [(["v1.0"], 1), (["beta"], 1), ([], 0)])
def test_attest_is_asked_of_v1_then_of_beta_and_done_without_where_there_is_none(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, versions: list[str], acted: int
) -> None:
    async def body(bench: Bench) -> None:
        tenant.configure(attest_versions=versions)
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await attested(bench, triage, "statement-1")
        assert (await bench.apply()).state == "OK"
        assert tenant.identity("Triage")["$"].get("attestations", 0) == acted
        assert tenant.facts("Triage")["statementId"] == "statement-1"
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_objects_of_others_are_left_alone_whatever_they_are_called(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        await bench.agent("triage", maria)
        await bench.apply()
        ours = tenant.identity("Triage")
        await bench.agent("review", maria)
        await bench.agent("deploy", maria)
        store = tenant.running.sandbox.store
        base = _stored(tenant, ours["id"])
        unmarked = {
            **base,
            "id": "11111111-1111-4111-8111-111111111111",
            "displayName": "Review",
            "tags": ["kept"],
        }
        foreign = {
            **base,
            "id": "22222222-2222-4222-8222-222222222222",
            "displayName": "Deploy",
            "tags": [],
            "agentIdentityBlueprintId": "33333333-3333-4333-8333-333333333333",
        }
        for one in (unmarked, foreign):
            store.put("servicePrincipal", one["id"], one)
        plan = await bench.plan()
        assert (plan.creates, plan.updates) == (2, 0)
        assert (await bench.apply(plan)).state == "OK"
        for theirs in (unmarked, foreign):
            alike = [one for one in tenant.identities() if one["displayName"] == theirs["displayName"]]
            assert len(alike) == 2
            assert next(one for one in alike if one["id"] == theirs["id"])["tags"] == theirs["tags"]
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)


def test_more_agents_than_a_page_or_a_batch_holds(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        for number in range(23):
            await bench.agent(f"agent-{number:02}", maria)
        done = await bench.apply(release="first sync")
        assert (done.state, done.done) == ("OK", 23)
        began = len(tenant.calls())
        await nothing_left(bench)
        reads = [call for call in tenant.calls()[began:] if call["operation"] != "batch step"]
        assert len(reads) <= 12, [(call["method"], call["url"]) for call in reads]

    on_bench(sqlite_url, clock, tenant, body)


def test_people_are_found_by_mail_and_who_is_not_there_is_named(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        from scim_bridge.registry.people import create_person

        doc = {"userName": "okta-login", "emails": [{"value": upn("Dave"), "primary": True}]}
        dave = (await bench.store.transact(TESTER, lambda work: create_person(work, doc, origin="t"))).id
        stranger = await bench.person("nobody@elsewhere.test")
        triage = await bench.agent("triage", dave)
        await answer_for(bench, triage, dave, (stranger,))
        plan = await bench.plan()
        assert [note for note in plan.notes if "nobody@elsewhere.test" in note]
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.people_of("Triage", "owners") == ["dave"]
        await bench.agent("lonely", stranger)
        failed = await bench.apply()
        assert (failed.state, failed.failed) == ("FAILED", 1)
        row = await bench.store.reads.one("SELECT reason FROM sb_change WHERE slug = 'lonely'")
        assert "without a sponsor" in row["reason"]

    on_bench(sqlite_url, clock, tenant, body)


def test_the_example_manifest_as_a_whole(sqlite_url: str, clock: ManualClock, tenant: Tenant) -> None:
    """Every agent of the demo, with the limits of attributes on every value."""
    from scim_bridge.inventory.service import import_manifest

    example = Path(__file__).parents[2] / "config" / "examples" / "agents.yaml"

    async def body(bench: Bench) -> None:
        await import_manifest(bench.store, TESTER, example.read_bytes(), "agents.yaml")
        rows = await bench.store.reads.all("SELECT name FROM sb_resource WHERE kind = 'person'")
        users = [{"userPrincipalName": row["name"], "mail": row["name"]} for row in rows]
        tenant.running.control.post("/directory", json={"users": users}).raise_for_status()
        done = await bench.apply(release="first sync")
        assert (done.state, done.failed) == ("OK", 0)
        assert len(tenant.identities()) == done.total >= 25
        await nothing_left(bench)

    on_bench(sqlite_url, clock, tenant, body)
