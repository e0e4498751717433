"""Promises about a leaver: decided and stopped at the commit, told outside, closed with a receipt."""

from __future__ import annotations

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import export, verify_case
from scim_bridge.departures.service import due, react
from scim_bridge.departures.simulate import simulated
from scim_bridge.departures.view import shown
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people import create_person, delete_person
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.signal import DELETED
from scim_bridge.sandbox.hr.employees import Employee, event, leaving
from scim_bridge.sandbox.hr.signing import signed
from scim_bridge.signals.routes import routes as signal_routes
from scim_bridge.signals.service import accept
from tests.conftest import TESTER
from tests.departures.house import (
    SECRET,
    cases,
    context,
    effects_by_kind,
    engine,
    facts,
    furnish,
    heard,
    left,
    waiting,
)


def test_an_owner_leaves_and_everything_is_decided_when_the_signal_commits(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before = (await facts(store, ids["bystander"])).resource
        foretold = await simulated(store.reads, "priya@corp.test", clock.now())
        assert await heard(store, left(ids["priya"], clock.now()))
        (case,) = await cases(store)
        assert (case["state"], case["person"]) == ("open", "priya@corp.test")

        triage = await facts(store, ids["triage"])
        assert triage.resource.active
        assert triage.owners.owner is not None
        assert triage.owners.owner.id == ids["lena"]
        assert not triage.owners.co_owners
        refund = await facts(store, ids["refund"])
        assert not refund.resource.active
        (hold,) = refund.holds
        assert hold.source == f"departure:{case['id']}"
        assert "Owner Priya left (effective 2026-11-18T11:06Z)" in hold.reason
        assert f"departures hand-over {case['id']} refund --to PERSON" in hold.release
        assert "next in line: Daniel, sponsor" in hold.release
        writer = await facts(store, ids["writer"])
        assert writer.resource.active
        assert not writer.owners.co_owners
        assert not (await facts(store, ids["audit-helper"])).owners.sponsors
        assert (await facts(store, ids["bystander"])).resource == before

        states = {c["state"] for c in await credentials_of(store.reads, ids["refund"])}
        assert states == {"revoking"}
        assert [c["state"] for c in await credentials_of(store.reads, ids["triage"])] == ["active"]
        row = await store.reads.one("SELECT active FROM sb_resource WHERE id = ?", ids["priya"])
        assert row["active"] == 0
        # 4 agents pushed; refund stopped, triage told of its owner; security, manager and Lena told.
        assert await effects_by_kind(store) == {
            "idp.push": 4,
            "runtime.hook": 2,
            "credential.revoke": 2,
            "notify": 3,
        }
        told = {row["agent"]: row["outcome"] for row in foretold}
        now = (await shown(store.reads, case["id"], clock.now()))["agents"]
        assert told == {row["agent"]: row["outcome"] for row in now}
        assert told == {
            "triage": "handed-over",
            "refund": "held",
            "writer": "relieved",
            "audit-helper": "relieved",
        }

    on_store(body)


def test_when_every_effect_is_done_the_case_closes_with_a_receipt_that_verifies(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        ctx = context(store)
        effects = engine(ctx, receiver)
        todo = await waiting(store)
        for effect in todo[:-1]:
            clock.advance(seconds=3)
            await effects.attempt(effect)
        (case,) = await cases(store)
        assert case["state"] == "open"
        clock.advance(seconds=2.5)
        await effects.attempt(todo[-1])
        (case,) = await cases(store)
        assert case["state"] == "closed"
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert (seen["steps"], seen["seconds"], seen["within_budget"]) == (15, 32.5, True)
        assert seen["receipt"] == "being signed"
        await due(ctx)
        assert (await shown(store.reads, case["id"], clock.now()))["receipt"] == "signed"
        verdict = await verify_case(ctx, await find_case(store.reads, case["id"]))
        assert verdict.ok, verdict.findings
        assert verdict.within_budget
        kinds = [step["what"] for step in verdict.content["steps"]]
        assert kinds.count("credential.revoke") == 2
        assert {a["fate"] for a in verdict.content["agents"]} == {"held", "handed-over", "relieved"}
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"revoked"}
        await ctx.outbound.aclose()

    on_store(body)
    ids = [headers["webhook-id"] for _, headers, _ in receiver.calls]
    assert len(ids) == len(set(ids)) == 11
    assert {told["event"] for told in receiver.bodies("/runtime")} == {"agent.stop", "agent.owner_changed"}
    names = {told["template"]: told["to"] and told["to"]["name"] for told in receiver.bodies("/notify")}
    assert names == {
        "departure-security": None,
        "departure-manager": "Daniel",
        "departure-successor": "Lena",
    }


def test_two_doors_that_tell_of_one_leaver_make_one_case_and_double_nothing(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        assert await heard(store, left(ids["priya"], clock.now()))
        before = await effects_by_kind(store)
        clock.advance(seconds=20)
        assert not await heard(store, left(ids["priya"], clock.now()))
        assert await heard(store, left(ids["priya"], clock.now(), source="scim:okta", key="x"))
        assert await heard(store, left(ids["priya"], clock.now(), key="event-2"))
        (case,) = await cases(store)
        assert case["gone_by"] == '["hr:acme","scim:okta"]'
        assert await effects_by_kind(store) == before
        assert len((await facts(store, ids["refund"])).holds) == 1

    on_store(body)


def test_an_agent_that_comes_to_the_leaver_after_the_case_is_not_missed_when_the_leave_is_told_again(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))

        async def give(work: Work) -> None:
            await set_owners(work, ids["bystander"], Owners(await find_person(work.tx, ids["priya"])))

        await store.transact(TESTER, give)
        clock.advance(seconds=60)
        await heard(store, left(ids["priya"], clock.now(), source="scim:okta"))
        first, second = await cases(store)
        assert first["person_id"] == second["person_id"]
        (hold,) = (await facts(store, ids["bystander"])).holds
        assert hold.source == f"departure:{second['id']}"
        assert len((await facts(store, ids["refund"])).holds) == 1, "what the first case holds is left alone"

    on_store(body)


def test_a_person_deleted_in_the_same_transaction_leaves_agents_held_and_their_reasons_naming_them(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)

        async def deleted(work: Work) -> None:
            await accept(work, left(ids["priya"], work.now, kind=DELETED, source="scim:okta"), react)
            await delete_person(work, ids["priya"], "SCIM DELETE")

        await store.transact(TESTER, deleted)
        refund = await facts(store, ids["refund"])
        assert refund.owners.owner is None
        assert not refund.resource.active
        assert "Owner Priya left" in refund.holds[0].reason
        triage = await facts(store, ids["triage"])
        assert triage.owners.owner is not None
        assert triage.owners.owner.id == ids["lena"]
        assert triage.resource.active

    on_store(body)


def test_somebody_who_answers_for_nothing_leaves_a_case_that_is_closed_at_once(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["daniel"], clock.now()))
        await heard(store, left(ids["priya"], clock.now(), key="2"))
        ctx = context(store)
        both = {case["person"]: case["state"] for case in await cases(store)}
        assert both == {"daniel@corp.test": "open", "priya@corp.test": "open"}, "Daniel sponsored agents"
        (manager_notice,) = await store.reads.all(
            "SELECT payload FROM sb_effect WHERE kind = 'notify' AND payload LIKE '%departure-manager%'"
        )
        assert "Ingrid" in manager_notice["payload"], "a manager who left is told nothing"

        async def hermit(work: Work) -> str:
            return (await create_person(work, {"userName": "hermit@corp.test"}, origin="test")).id

        person_id = await store.transact(TESTER, hermit)
        await heard(store, left(person_id, clock.now(), key="3"))
        case = await find_case(store.reads, "hermit@corp.test")
        assert case.state == "closed"
        exported = await export(ctx, case)
        assert exported["receipt"].count(".") == 2
        assert (await verify_case(ctx, case)).content["steps"] == []
        await ctx.outbound.aclose()

    on_store(body)


def test_a_signed_hr_webhook_stops_the_agents_before_it_is_answered(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        app = Starlette(routes=signal_routes(ctx, {"acme": SECRET}, react))
        employee = Employee("E1", "priya@corp.test", "Priya", "Nair", time_zone="Europe/Lisbon")
        now = clock.now() / SECOND
        data = leaving(employee, {"kind": "involuntary", "last_day": "2020-01-31"}, now)[1]
        content = orjson.dumps(event("employee.left", data, now))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            for attempt, state in enumerate(("acted", "seen")):
                headers = signed(SECRET, "msg_1", now + attempt, content)
                answer = await client.post("/signals/hr/acme", headers=headers, content=content)
                assert (answer.status_code, answer.json()["state"]) == (200, state)
                assert not (await facts(store, ids["refund"])).resource.active
        (case,) = await cases(store)
        assert (case["source"], case["immediate"], case["state"]) == ("hr:acme", 1, "open")
        row = await store.reads.one("SELECT actor_name FROM sb_audit WHERE action = 'agent.held'")
        assert row["actor_name"] == "hr:acme"
        await ctx.outbound.aclose()

    on_store(body)
