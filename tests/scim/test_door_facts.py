"""Facts that rules go by: what no scope, policy or rule could name is kept by no request, and stops no stop."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.kernel.work import Work
from scim_bridge.registry.agents import described
from scim_bridge.registry.model import AGENT_CORE_URN, AGENT_URN, USER_URN
from scim_bridge.registry.standing import save, standing
from tests.conftest import TESTER
from tests.scim.bridge import Bridge, Client, Reply
from tests.scim.conftest import Door

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
TOLERANT = ["okta-put", "okta-patch", "entra", "entra-062020", "generic"]
ODD = [
    ("riskTier", "banana"),
    ("environment", "blue"),
    ("environment", " production"),
    ("workloadId", "no id"),
    ("workloadId", "spiffe://corp.test:8443/a"),
]
OLD = {"riskTier": "banana", "environment": "blue", "workloadId": "no id", "purpose": "triage"}
OFF = {"op": "replace", "path": "active", "value": False}


def user(**facts: Any) -> dict[str, Any]:
    return {
        "schemas": [USER_URN, AGENT_URN],
        "userName": "bot",
        "userType": "Agent",
        AGENT_URN: {"purpose": "triage", **facts},
    }


def setting(name: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": f"{AGENT_URN}:{name}", "value": value}


def refused(answer: Reply, word: str) -> None:
    assert (answer.status, answer["scimType"]) == (400, "invalidValue"), answer.content
    assert word in answer["detail"]


async def from_before(bridge: Bridge, client: Client) -> str:
    """An agent of the days in which anything was kept."""
    agent_id = str((await client.post("/Users", user()))["id"])

    async def body(work: Work) -> None:
        before = await standing(work, agent_id)
        doc = {**before.resource.doc, AGENT_URN: {**before.resource.doc[AGENT_URN], **OLD}}
        save(work, before, await described(work, before, doc))

    await bridge.store.transact(TESTER, body)
    return agent_id


def facts(answer: Reply) -> dict[str, Any]:
    assert answer.status == 200, answer.content
    return {name: answer[AGENT_URN].get(name) for name in OLD}


@pytest.mark.parametrize("dialect", ["strict", "generic", "okta-put", "entra"])
def test_a_fact_that_no_rule_knows_is_refused_whichever_way_it_comes(sqlite_door: Door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client(dialect, dialect)
        sent = user(riskTier="low", environment="dev", workloadId="spiffe://corp.test/bot")
        made = await client.post("/Users", sent)
        address, before = f"/Users/{made['id']}", made[AGENT_URN]
        for name, value in ODD:
            other = {**user(**{name: value}), "userName": "other"}
            agent = {
                "schemas": [AGENT_CORE_URN, AGENT_URN],
                "agentUserName": "other",
                AGENT_URN: {name: value},
            }
            refused(await client.post("/Users", other), name)
            refused(await client.post("/Agents", agent), name)
            refused(await client.put(address, user(**{name: value})), name)
            refused(await client.patch(address, setting(name, value)), name)
            one = {"method": "POST", "path": "/Users", "bulkId": "b", "data": other}
            bulk = await client.post("/Bulk", {"schemas": [BULK], "Operations": [one]})
            assert bulk["Operations"][0]["status"] == "400"
        core = {"schemas": [AGENT_CORE_URN], "agentUserName": "other", "subject": "no id"}
        refused(await client.post("/Agents", core), "subject")
        path = {"op": "replace", "path": "subject", "value": "no id"}
        refused(await client.patch(f"/Agents/{made['id']}", path), "subject")
        assert (await client.get(address))[AGENT_URN] == before
        assert (await client.get("/Users"))["totalResults"] == 1

    sqlite_door(body)


def test_the_values_that_schemas_shows_are_taken_in_any_case_and_no_others(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        address = f"/Users/{(await client.post('/Users', user()))['id']}"
        shown = await client.get(f"/Schemas/{AGENT_URN}")
        closed = {
            one["name"]: one["canonicalValues"] for one in shown["attributes"] if "canonicalValues" in one
        }
        assert {"environment", "riskTier"} <= set(closed)
        for name, values in closed.items():
            for value in values:
                done = await client.patch(address, setting(name, value.upper()))
                assert done[AGENT_URN][name] == value
            refused(await client.patch(address, setting(name, "nothing of these")), name)

    sqlite_door(body)


def test_a_fact_that_is_unknown_is_no_value(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        for dialect in ("strict", "generic"):
            client = await bridge.client(dialect, dialect)
            sent = {**user(riskTier="Unknown", environment="dev"), "userName": dialect}
            made = await client.post("/Users", sent)
            assert made.status == 201 and "riskTier" not in made[AGENT_URN]
            for op in ("add", "replace"):
                address = f"/Users/{made['id']}"
                assert (await client.patch(address, setting("environment", "dev"))).status == 200
                done = await client.patch(address, {**setting("environment", "unknown"), "op": op})
                assert done.status == 200 and "environment" not in done[AGENT_URN], (dialect, op)

    sqlite_door(body)


@pytest.mark.parametrize("dialect", TOLERANT)
def test_no_odd_fact_keeps_an_agent_from_being_stopped(door: Door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client(dialect, dialect)
        address = f"/Users/{await from_before(bridge, client)}"
        on = {**OFF, "value": True}
        for name, value in [*ODD, *((name, OLD[name]) for name in ("riskTier", "environment", "workloadId"))]:
            for operations in ([setting(name, value), OFF], [OFF, setting(name, value)]):
                done = await client.patch(address, *operations)
                assert done["active"] is False and facts(done) == OLD
                assert done[AGENT_URN]["holds"][0]["reason"].endswith("deactivated it")
                assert (await client.patch(address, on))["active"] is True
            done = await client.put(address, {**user(**{**OLD, name: value}), "active": False})
            assert done["active"] is False and facts(done) == OLD
            assert (await client.patch(address, on))["active"] is True
        alone = {**user(riskTier="cherry"), "active": False}
        assert (await client.put(address, alone))["active"] is False

    door(body)


@pytest.mark.parametrize("dialect", ["okta-put", "generic"])
def test_a_fact_from_before_that_is_sent_again_stays_and_another_odd_one_is_refused(
    door, dialect: str
) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client(dialect, dialect)
        agent_id = await from_before(bridge, client)
        for address, title in ((f"/Users/{agent_id}", "title"), (f"/Agents/{agent_id}", "displayName")):
            read = (await client.get(address)).body
            done = await client.put(address, {**read, title: "Changed"})
            assert done[title] == "Changed" and facts(done) == OLD
            same = [setting(name, OLD[name]) for name in ("riskTier", "environment", "workloadId")]
            done = await client.patch(address, *same, {"op": "replace", "path": title, "value": "Again"})
            assert done[title] == "Again" and facts(done) == OLD
            worse = {**read, AGENT_URN: {**read[AGENT_URN], "riskTier": "cherry"}}
            refused(await client.put(address, worse), "riskTier")
            assert facts(await client.get(address)) == OLD

    door(body)


def test_a_fact_from_before_is_mended_by_either_of_its_names(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        agent_id = await from_before(bridge, client)
        for n, name in enumerate(("subject", "workloadId")):
            read, good = (await client.get(f"/Agents/{agent_id}")).body, f"spiffe://corp.test/{n}"
            if name == "subject":
                sent = {**read, name: good}
            else:
                sent = {**read, AGENT_URN: {**read[AGENT_URN], name: good, "riskTier": "High"}}
            done = await client.put(f"/Agents/{agent_id}", sent)
            assert (done["subject"], done[AGENT_URN]["workloadId"]) == (good, good)
        assert done[AGENT_URN]["riskTier"] == "high" and done[AGENT_URN]["environment"] == "blue"

    sqlite_door(body)
