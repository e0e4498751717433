"""Agents in Okta: what the registry says is what is there, once, through the real okta SDK over HTTPS."""

from __future__ import annotations

from scim_bridge.kernel.work import Work
from scim_bridge.registry.agents import delete_agent, set_attestation
from scim_bridge.registry.graves import give_up_names
from scim_bridge.registry.model import Attestation
from scim_bridge.registry.people_refs import find_person
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.service import status
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, give, links, owned, redescribe
from tests.sync.okta_org import Org


def test_agents_are_users_of_their_own_type_with_their_facts_and_owner(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage", model="m-1", workloadId="spiffe://corp.test/triage")
        plan = await bench.plan()
        assert ("user type", "aiAgent") in plan.setup and ("linked object", "agentOwner") in plan.setup
        assert not org.objects("usertype")[1:], "a plan writes nothing"
        await applied(bench)
        user = org.user("triage@agents.test")
        assert user["status"] == "ACTIVE" and "password" not in user["credentials"]
        kind = next(item for item in org.objects("usertype") if item["id"] == user["type"]["id"])
        assert kind["name"] == "aiAgent"
        facts = {name: value for name, value in user["profile"].items() if value is not None}
        person = await find_person(bench.store.reads, "maria@corp.test")
        assert facts == {
            "login": "triage@agents.test",
            "email": "triage@agents.test",
            "firstName": "Triage",
            "lastName": "Agent",
            "displayName": "Triage",
            "userType": "Agent",
            "manager": "Maria",
            "managerId": person.id,
            "agentId": agent_id,
            "agentSlug": "triage",
            "agentPurpose": "the triage",
            "agentPlatform": "in-house",
            "agentModel": "m-1",
            "agentEnvironment": "unknown",
            "agentRiskTier": "high",
            "agentWorkloadId": "spiffe://corp.test/triage",
            "agentOwnerName": "Maria",
            "agentOwnerLogin": "maria@corp.test",
            "agentAttestation": "none",
        }
        assert links(org) == [("triage@agents.test", "maria@corp.test")]

    on_okta(body)


def test_a_user_imported_from_our_own_scim_is_adopted_and_keeps_what_is_not_ours(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        user = {
            "login": "triage@agents.test",
            "email": "triage@agents.test",
            "firstName": "Triage",
            "lastName": "Agent",
            "department": "Support",
            "mobilePhone": "+351 900 000 000",
        }
        org.control("POST", "/directory", {"users": [user]})
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert kept.change.action == "update"
        assert kept.change.before["type"] == "user" and kept.change.after["type"] == "aiAgent"
        await applied(bench)
        found = org.user("triage@agents.test")
        assert found["profile"]["agentId"] == agent_id and found["profile"]["department"] == "Support"
        assert found["profile"]["mobilePhone"] == "+351 900 000 000"
        assert links(org) == [("triage@agents.test", "maria@corp.test")]

    on_okta(body)


def test_a_property_of_people_that_bears_the_name_of_our_mark_is_not_our_mark(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        custom = {
            "definitions": {"custom": {"properties": {"agentId": {"title": "Licence", "type": "string"}}}}
        }
        await bench.idp._session.send(  # type: ignore[attr-defined]
            "add a property", "POST", "/api/v1/meta/schemas/user/default", custom
        )
        names = {"firstName": "T", "lastName": "A", "agentId": "licence 7"}
        user = {"login": "triage@agents.test", "email": "t@agents.test", **names}
        org.control("POST", "/directory", {"users": [user]})
        await applied(bench)
        assert org.user("triage@agents.test")["profile"]["agentId"] == agent_id

    on_okta(body)


def test_a_login_that_belongs_to_another_agent_is_never_taken_over(on_okta) -> None:
    async def freed(work: Work) -> None:
        work.bookkeeping("the deleted agent's userName is somebody else's now")
        give_up_names(work, ["triage@agents.test"])

    async def body(bench: Bench, org: Org) -> None:
        first = await owned(bench, "triage")
        await applied(bench)
        await bench.store.transact(TESTER, lambda work: delete_agent(work, first, "replaced"))
        await bench.perform()
        await bench.store.transact(TESTER, freed)
        second = await bench.agent("triage-2", user_name="triage@agents.test")
        found = await bench.apply()
        assert found.failed == 1
        (trouble,) = (await status(bench.store.reads, bench.connection)).troubles
        assert "triage@agents.test that is not this agent" in trouble.reason
        profile = org.user("triage@agents.test")["profile"]
        assert profile["agentId"] == first != second

    on_okta(body)


def test_facts_change_and_are_cleared_and_only_the_difference_is_sent(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage", model="m-1")
        await applied(bench)
        seen = len(org.calls())
        await redescribe(bench, agent_id, purpose="sorts tickets", model=None)
        await applied(bench)
        profile = org.user("triage@agents.test")["profile"]
        assert profile["agentPurpose"] == "sorts tickets" and "agentModel" not in profile
        writes = [call for call in org.calls()[seen:] if call["method"] not in ("GET",)]
        assert [call["request_body"] for call in writes] == [
            {"profile": {"agentPurpose": "sorts tickets", "agentModel": None}}
        ]

    on_okta(body)


def test_text_as_okta_keeps_it_makes_no_endless_difference(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage", purpose="  spaced\t", model="m" * 5000, platform="naïve ☂ \U0001f916")
        await owned(bench, "review", purpose="x" * 999 + " tail", model=" ")
        await applied(bench)

    on_okta(body)


def test_a_new_owner_is_one_call_and_no_owner_takes_the_link_away(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await give(bench, agent_id, "omar@corp.test")
        await applied(bench)
        assert links(org) == [("triage@agents.test", "omar@corp.test")]
        profile = org.user("triage@agents.test")["profile"]
        assert profile["agentOwnerLogin"] == "omar@corp.test" and profile["manager"] == "Omar"
        await give(bench, agent_id, None)
        await applied(bench)
        assert links(org) == [] and "agentOwnerLogin" not in org.user("triage@agents.test")["profile"]

    on_okta(body)


def test_an_owner_without_an_account_is_told_and_not_guessed(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await bench.person("nobody@corp.test")
        await owned(bench, "triage", "nobody@corp.test")
        plan = await bench.plan()
        assert any("nobody@corp.test has no account in Okta" in note for note in plan.notes)
        await applied(bench)
        assert links(org) == []
        assert org.user("triage@agents.test")["profile"]["agentOwnerLogin"] == "nobody@corp.test"

    on_okta(body)


def test_a_link_somebody_changed_in_okta_is_found_and_set_right(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await owned(bench, "review")
        await applied(bench)
        agent, omar = org.user("triage@agents.test"), org.user("omar@corp.test")
        await bench.idp._links.set_owner(agent["id"], omar["id"])  # type: ignore[attr-defined]
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert kept.change.after == {"linkedObjects.agentOwner": org.user("maria@corp.test")["id"]}
        assert "changed at the IdP" in kept.reasons["linkedObjects.agentOwner"]
        await applied(bench)
        assert ("triage@agents.test", "maria@corp.test") in links(org)

    on_okta(body)


def test_a_hold_suspends_and_its_release_unsuspends(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await bench.hold(agent_id, "departure:1")
        await bench.perform()
        user = org.user("triage@agents.test")
        assert user["status"] == "SUSPENDED" and user["profile"]["agentHoldReasons"] == ["held by departure"]
        assert (await bench.plan()).changes == 0
        await bench.hold(agent_id, "departure:1", release=True)
        await bench.perform()
        user = org.user("triage@agents.test")
        assert user["status"] == "ACTIVE" and "agentHoldReasons" not in user["profile"]
        assert (await bench.plan()).changes == 0

    on_okta(body)


def test_a_held_agent_is_created_staged_and_is_never_active_until_it_is_released(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await bench.hold(agent_id, "admin")
        await applied(bench)
        assert org.user("triage@agents.test")["status"] == "STAGED"
        await bench.hold(agent_id, "admin", release=True)
        await bench.perform()
        assert org.user("triage@agents.test")["status"] == "ACTIVE"
        assert (await bench.plan()).changes == 0

    on_okta(body)


def test_a_user_okta_will_not_suspend_is_deactivated_and_not_brought_back_by_us(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        user = {
            "login": "triage@agents.test",
            "email": "t@agents.test",
            "firstName": "T",
            "lastName": "A",
            "status": "PASSWORD_EXPIRED",
        }
        org.control("POST", "/directory", {"users": [user]})
        await applied(bench)
        await bench.hold(agent_id, "admin")
        await bench.perform()
        assert org.user("triage@agents.test")["status"] == "DEPROVISIONED"
        assert (await bench.plan()).changes == 0
        await bench.hold(agent_id, "admin", release=True)
        await bench.perform()
        plan = await bench.plan()
        assert org.user("triage@agents.test")["status"] == "DEPROVISIONED" and plan.changes == 0
        assert any("triage" in note for note in plan.notes)

    on_okta(body)


def test_a_suspension_by_an_okta_admin_is_not_undone(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)
        await bench.idp._writer._suspend(org.user("triage@agents.test")["id"])  # type: ignore[attr-defined]
        plan = await bench.plan()
        assert plan.changes == 0 and any("not by us" in note for note in plan.notes)
        assert org.user("triage@agents.test")["status"] == "SUSPENDED"

    on_okta(body)


def test_a_deleted_agent_is_deactivated_with_its_profile_left_as_it_was(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        before = org.user("triage@agents.test")["profile"]
        await bench.store.transact(TESTER, lambda work: delete_agent(work, agent_id, "obsolete"))
        plan = await bench.plan()
        assert plan.retires == 1
        await bench.perform()
        user = org.user("triage@agents.test")
        assert user["status"] == "DEPROVISIONED" and user["profile"] == before
        assert (await bench.plan()).changes == 0

    on_okta(body)


def test_the_signed_statement_is_told(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        now = bench.store.clock.now()
        statement = Attestation("valid", "st-1", "maria@corp.test", now, now + 90 * 86_400_000_000)

        async def change(work) -> None:
            work.bookkeeping("test")
            await set_attestation(work, agent_id, statement)

        await bench.store.transact(TESTER, change)
        await applied(bench)
        profile = org.user("triage@agents.test")["profile"]
        assert profile["agentAttestation"] == "valid" and profile["agentStatementId"] == "st-1"
        assert profile["agentAttestedUntil"].endswith("Z")

    on_okta(body)
