"""Okta for AI Agents: agents as workload principals, changed by operations that are polled."""

from __future__ import annotations

import asyncio

import pytest

from scim_bridge.registry.agents import delete_agent, set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people_refs import find_person
from scim_bridge.sync.service import status
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, features, give, owned, redescribe
from tests.sync.okta_org import EVERY_SCOPE, Org

AI = {"agents_as": "ai-agents"}


@pytest.fixture
def licensed(org: Org) -> Org:
    """An org with both subscriptions."""
    org.control("POST", "/org", {"ai_agents": True, "governance": True})
    return org


def agent_of(org: Org, name: str) -> dict:
    (found,) = [item for item in org.objects("aiagent") if item["profile"]["name"] == name]
    return found


def owners_of(org: Org, name: str) -> list[str]:
    key = agent_of(org, name)["id"]
    logins = {user["id"]: user["profile"]["login"] for user in org.objects("user")}
    found = [item for item in org.objects("owner") if item["orn"].endswith(key)]
    return [logins[orn.rsplit(":", 1)[-1]] for item in found for orn in item["principals"]]


def test_an_agent_is_registered_owned_and_activated_and_the_next_plan_is_empty(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage", purpose="sorts tickets")
        await applied(bench)
        found = agent_of(org, "Triage")
        assert found["status"] == "ACTIVE" and found["id"].startswith("wlp")
        assert found["profile"]["description"] == f"sorts tickets\n(scim-bridge {agent_id})"
        assert owners_of(org, "Triage") == ["maria@corp.test"]
        assert not [user for user in org.objects("user") if "triage" in user["profile"]["login"]]
        types = [item["type"] for item in org.objects("aioperation")]
        assert types == ["ai-agent:Register", "ai-agent:Activate"]

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_an_operation_that_takes_longer_is_gone_on_with_and_made_once(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        org.control("POST", "/org", {"ai_operation_seconds": 0.4})
        await owned(bench, "triage")
        bench.idp._workloads._sleep = briefly  # type: ignore[attr-defined]
        org.fault("POST", "/ai-agents$", "drop_after")
        done = await bench.apply(perform=False)
        for _ in range(12):
            if await bench.perform(tries=1) == []:
                break
            # The sandbox's operation takes real time, and each try that finds it unfinished is over at once.
            await asyncio.sleep(0.15)
        assert done.total == 1
        await applied(bench)
        assert len(org.objects("aiagent")) == 1

    async def briefly(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.1))

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_facts_are_merge_patched_owners_replaced_and_a_hold_deactivates(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage", purpose="sorts tickets")
        await applied(bench)
        await redescribe(bench, agent_id, purpose="sorts everything")
        await give(bench, agent_id, "omar@corp.test")
        await applied(bench)
        assert agent_of(org, "Triage")["profile"]["description"].startswith("sorts everything\n")
        assert owners_of(org, "Triage") == ["omar@corp.test"]
        patches = [call for call in org.calls() if call["method"] == "PATCH"]
        assert len(patches) == 1 and set(patches[0]["request_body"]["profile"]) == {"description"}
        await bench.hold(agent_id, "admin")
        await bench.perform()
        assert agent_of(org, "Triage")["status"] == "INACTIVE"
        assert (await bench.plan()).changes == 0
        await bench.hold(agent_id, "admin", release=True)
        await bench.perform()
        assert agent_of(org, "Triage")["status"] == "ACTIVE"
        assert (await bench.plan()).changes == 0

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_a_stop_switches_keys_off_as_far_as_okta_allows(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        key = agent_of(org, "Triage")["id"]
        for kid, modulus in (("one", KEY_N), ("two", KEY_N)):
            await bench.idp._session.send(  # type: ignore[attr-defined]
                "add a key",
                "POST",
                f"/workload-principals/api/v1/ai-agents/{key}/credentials/jwks",
                {"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": modulus, "e": "AQAB"},
            )
        await bench.hold(agent_id, "admin")
        await bench.perform()
        # Okta lets nobody switch the last active one off; the agent itself is.
        assert sorted(item["status"] for item in org.objects("clientkey")) == ["ACTIVE", "INACTIVE"]
        assert agent_of(org, "Triage")["status"] == "INACTIVE"

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_without_an_owner_in_okta_it_stays_staged_and_the_plan_says_why(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await bench.agent("triage")
        plan = await bench.plan()
        assert any("activates no AI agent without one" in note for note in plan.notes)
        await applied(bench)
        assert agent_of(org, "Triage")["status"] == "STAGED"
        await give(bench, agent_id, "maria@corp.test")
        await applied(bench)
        assert agent_of(org, "Triage")["status"] == "ACTIVE"

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_at_most_five_people_own_an_ai_agent_and_the_rest_is_told(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        logins = [f"person-{number}@corp.test" for number in range(6)]
        org.people(*logins)
        agent_id = await owned(bench, "triage")
        for login in logins:
            await bench.person(login)

        async def share(work) -> None:
            people = [await find_person(work.tx, login) for login in logins]
            await set_owners(
                work, agent_id, Owners(await find_person(work.tx, "maria@corp.test"), tuple(people))
            )

        await bench.store.transact(TESTER, share)
        plan = await bench.plan()
        assert any("takes 5 owners" in note for note in plan.notes)
        await applied(bench)
        assert set(owners_of(org, "Triage")) == {"maria@corp.test", *logins[:4]}

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_an_ai_agent_of_the_same_name_that_is_not_ours_is_never_taken_over(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await bench.idp._workloads.register("Triage", "somebody else's")  # type: ignore[attr-defined]
        await owned(bench, "triage")
        assert (await bench.apply()).failed == 1
        (trouble,) = (await status(bench.store.reads, bench.connection)).troubles
        assert "an AI agent Triage that is not this agent" in trouble.reason
        assert agent_of(org, "Triage")["profile"]["description"] == "somebody else's"

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_a_deleted_agent_is_deactivated_and_with_the_setting_deleted(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await bench.store.transact(TESTER, lambda work: delete_agent(work, agent_id, "obsolete"))
        await bench.perform()
        assert agent_of(org, "Triage")["status"] == "INACTIVE"
        assert (await bench.plan()).changes == 0
        await bench.configure(retire_action="delete")
        await applied(bench)
        assert org.objects("aiagent") == []

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_an_org_without_the_feature_refuses_and_names_the_setting(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        found = await bench.apply()
        assert found.state == "FAILED" and "E0000015" in found.reason and "agents_as" in found.reason

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


def test_auto_takes_what_the_org_has_says_why_and_keeps_to_what_was_written(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        assert org.user("triage@agents.test")["status"] == "ACTIVE"
        said = (await features(bench))["agents as"].reason
        assert said == "users: AI agents cannot be used: not enabled in this org (E0000015)"
        org.control("POST", "/org", {"ai_agents": True, "governance": True})
        await bench.configure(brake_count="11")
        await redescribe(bench, agent_id, purpose="else")
        await applied(bench)
        assert (await features(bench))["agents as"].reason == "users, as they were written before"
        assert org.objects("aiagent") == []

    on_okta(body, settings={"agents_as": "auto"}, scopes=EVERY_SCOPE)


def test_auto_takes_ai_agents_where_the_org_has_them_and_owners(on_okta, licensed) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)
        assert agent_of(org, "Triage")["status"] == "ACTIVE"
        assert (await features(bench))["agents as"].reason.startswith("AI agents: the org has")

    on_okta(body, settings={"agents_as": "auto"}, scopes=EVERY_SCOPE)


def test_pages_of_ai_agents_are_read_to_the_end_and_owners_in_one_listing(
    on_okta, licensed, monkeypatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.okta.workloads.PAGE", 3)

    async def body(bench: Bench, org: Org) -> None:
        for number in range(7):
            await owned(bench, f"agent-{number}")
        await applied(bench)
        seen = len(org.calls())
        assert (await bench.plan()).listed == 7
        operations = [call["operation"] for call in org.calls()[seen:]]
        assert operations.count("list_ai_agents") == 3 and operations.count("list_owners") == 1
        assert "get_ai_agent" not in operations

    on_okta(body, settings=AI, scopes=EVERY_SCOPE)


KEY_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
    "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
    "nqDKgw"
)
