"""Agents under /Agents: the same ids as under /Users, in the shapes of the two drafts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_CORE_URN, AGENT_URN, ENTERPRISE_URN
from scim_bridge.scim.agent_view import ABBEY, WZDK, as_agent, as_user
from tests.scim.bridge import Bridge


def test_an_agent_of_the_newer_draft_is_a_user_too(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        owner, other = [(await client.post("/Users", {"userName": name}))["id"] for name in ("maria", "ben")]
        sent = {
            "schemas": [AGENT_CORE_URN],
            "externalId": "agent-42",
            "agentUserName": "analysis-agent",
            "displayName": "Data analysis agent",
            "description": "Reads dashboards",
            "subject": "spiffe://corp.test/agents/analysis",
            "owners": [{"value": owner}, {"value": other}],
            "active": False,
        }
        made = await client.post("/Agents", sent)
        assert made.status == 201
        agent = made.body
        assert made.headers["location"] == f"http://bridge.test/scim/v2/Agents/{agent['id']}"
        assert agent["meta"]["resourceType"] == "Agent"
        assert {
            k: agent[k] for k in ("agentUserName", "displayName", "description", "subject", "externalId")
        } == {k: sent[k] for k in ("agentUserName", "displayName", "description", "subject", "externalId")}
        assert [person["value"] for person in agent["owners"]] == [owner, other]
        assert agent["active"] is False
        assert agent[AGENT_URN]["holds"][0]["reason"] == "SCIM connection 'plain' deactivated it"
        user = (await client.get(f"/Users/{agent['id']}")).body
        assert (user["userName"], user["userType"]) == ("analysis-agent", "Agent")
        assert user[AGENT_URN]["purpose"] == "Reads dashboards"
        assert user[AGENT_URN]["workloadId"] == sent["subject"]
        assert user[AGENT_URN]["coOwners"][0]["value"] == other
        assert user["meta"]["version"] == agent["meta"]["version"]
        found = await client.get('/Agents?filter=agentUserName eq "Analysis-Agent"&attributes=description')
        assert (
            found["Resources"]
            == [{"schemas": [AGENT_CORE_URN], "id": agent["id"], "description": "Reads dashboards"}]
            or found["Resources"][0]["description"] == "Reads dashboards"
        )
        assert (await client.get('/Agents?filter=externalId eq "agent-42"'))["totalResults"] == 1

    door(body)


def test_either_name_is_read_and_the_connections_own_is_answered(door) -> None:
    async def body(bridge: Bridge) -> None:
        older = await bridge.client("older", agent_schema="abbey")
        newer = await bridge.client("newer")
        first = await newer.post("/Agents", {"schemas": [AGENT_CORE_URN], "name": "bot-1"})
        assert (first.status, first["agentUserName"]) == (201, "bot-1")
        second = await older.post("/Agents", {"schemas": [AGENT_CORE_URN], "agentUserName": "bot-2"})
        assert (second.status, second["name"]) == (201, "bot-2")
        for client in (older, newer):
            for name in ("name", "agentUserName"):
                assert (await client.get(f'/Agents?filter={name} eq "BOT-1"'))["totalResults"] == 1
        taken = await older.post("/Agents", {"schemas": [AGENT_CORE_URN], "name": "bot-1"})
        assert (taken.status, taken["scimType"]) == (409, "uniqueness")
        nameless = await newer.post("/Agents", {"schemas": [AGENT_CORE_URN], "displayName": "x"})
        assert (nameless.status, nameless["scimType"]) == (400, "invalidValue")

    door(body)


def test_an_agent_is_patched_and_replaced_under_its_own_names(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        people = [(await client.post("/Users", {"userName": name}))["id"] for name in ("maria", "ben")]
        sent = {
            "agentUserName": "bot",
            "description": "old",
            AGENT_URN: {"platform": "in-house", "riskTier": "high", "owner": {"value": people[0]}},
        }
        path = f"/Agents/{(await client.post('/Agents', sent))['id']}"
        after = (
            await client.patch(
                path,
                {"op": "replace", "path": "description", "value": "new"},
                {"op": "replace", "path": "owners", "value": [{"value": people[1]}]},
                {"op": "add", "path": f"{AGENT_URN}:model", "value": "m-1"},
                {"op": "replace", "path": "active", "value": False},
            )
        ).body
        assert (after["description"], after["active"]) == ("new", False)
        assert after[AGENT_URN]["purpose"] == "new"
        assert after[AGENT_URN]["model"] == "m-1"
        assert [person["value"] for person in after["owners"]] == [people[1]]
        replaced = (await client.put(path, {"agentUserName": "bot-2", "displayName": "Bot"})).body
        assert replaced["agentUserName"] == "bot-2"
        assert "description" not in replaced and "owners" not in replaced
        assert replaced[AGENT_URN]["riskTier"] == "high", "a body without our extension leaves it alone"
        assert replaced["active"] is False, "active that is not said stays"
        assert (await client.delete(path)).status == 204
        assert (await client.get(path.replace("Agents", "Users"))).status == 404

    door(body)


def test_an_agent_made_by_an_import_is_there_for_an_idp_to_take_over(door) -> None:
    async def body(bridge: Bridge) -> None:
        from scim_bridge.registry.agent_creation import create_agent
        from tests.conftest import TESTER

        doc = {"userName": "triage@agents.test", "displayName": "Triage", AGENT_URN: {"purpose": "triage"}}
        made = await bridge.store.transact(TESTER, lambda work: create_agent(work, doc, origin="manifest"))
        okta = await bridge.client("okta")
        found = await okta.get('/Users?filter=userName eq "triage@agents.test"')
        assert found["Resources"][0]["id"] == made.id
        blunt = await okta.post("/Users", {"userName": "triage@agents.test", "externalId": "00u1"})
        assert (blunt.status, blunt["scimType"]) == (409, "uniqueness"), (
            "it is active: no create takes it over"
        )
        linked = await okta.put(
            f"/Users/{made.id}", {**found["Resources"][0], "externalId": "00u1", "active": True}
        )
        assert (linked.status, linked["externalId"]) == (200, "00u1")
        assert linked[AGENT_URN]["purpose"] == "triage"

    door(body)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
workloads = st.sampled_from(("spiffe://corp.test/a", "wimse://corp.test/agents/b"))
persons = st.fixed_dictionaries({"value": texts})


@st.composite
def user_documents(draw: st.DrawFn) -> dict[str, Any]:
    """A written user document of an agent."""
    extension = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "purpose": texts,
                "workloadId": workloads,
                "platform": texts,
                "owner": persons,
                "coOwners": st.lists(persons, min_size=1, max_size=3),
            },
        )
    )
    if "owner" not in extension:
        extension.pop("coOwners", None)
    doc = draw(
        st.fixed_dictionaries(
            {"userName": texts},
            optional={
                "displayName": texts,
                "title": texts,
                "active": st.booleans(),
                "name": st.fixed_dictionaries({"givenName": texts}),
                ENTERPRISE_URN: st.fixed_dictionaries({"department": texts}),
            },
        )
    )
    return {**doc, **({AGENT_URN: extension} if extension else {})}


@given(user_documents(), st.sampled_from([WZDK, ABBEY]))
def test_there_and_back_again_is_the_same_document(doc: dict[str, Any], shape: str) -> None:
    assert as_user(as_agent(doc, shape), doc) == doc


@given(user_documents(), user_documents())
def test_what_an_agent_document_says_is_what_the_agent_becomes(
    before: dict[str, Any], wanted: dict[str, Any]
) -> None:
    asked = as_agent(wanted, WZDK)
    became = as_agent(as_user(asked, before), WZDK)
    for name in ("agentUserName", "displayName", "agentType", "active"):
        assert became.get(name) == asked.get(name)
