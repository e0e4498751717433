"""Promises of /AgenticApplications (draft-abbey-scim-agent-extension-00): a resource like others, with its agents."""

from __future__ import annotations

from typing import Any

from tests.scim.bridge import Bridge, Client, Reply
from tests.scim.conftest import Door

AGENT = "urn:ietf:params:scim:schemas:core:2.0:Agent"
APPLICATION = "urn:ietf:params:scim:schemas:core:2.0:AgenticApplication"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"

# The draft's attributes, each of them.
FULL: dict[str, Any] = {
    "name": "expenses",
    "displayName": "Expense desk",
    "description": "Reads receipts.",
    "active": True,
    "externalId": "app-1",
    "applicationUrls": [
        {"value": "https://expenses.example/login", "type": "loginPage", "primary": True},
        {"value": "https://expenses.example/api", "type": "api", "description": "REST"},
    ],
    "oAuthConfiguration": [
        {
            "clientId": "c-1",
            "description": "the desk",
            "audienceUri": "https://expenses.example",
            "issuerUri": "https://idp.example",
            "redirectUri": ["https://expenses.example/cb", "https://expenses.example/cb2"],
        }
    ],
    "externalIdentifiers": [{"value": "X1", "type": "cmdb", "system": "servicenow"}],
}


async def agent(client: Client, name: str) -> str:
    """A new agent's id."""
    made = await client.post("/Agents", {"schemas": [AGENT], "agentUserName": name})
    assert made.status == 201, made.content
    return str(made["id"])


async def application(client: Client, name: str = "expenses", **more: Any) -> Reply:
    """A new application."""
    made = await client.post("/AgenticApplications", {"schemas": [APPLICATION], "name": name, **more})
    assert made.status == 201, made.content
    return made


async def names(client: Client, text: str) -> list[str]:
    """What a filter finds."""
    answer = await client.call("POST", "/AgenticApplications/.search", {"filter": text})
    assert answer.status == 200, answer.content
    return [item["name"] for item in answer["Resources"]]


def test_every_attribute_of_the_draft_is_kept_and_served(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        made = await application(client, **{key: FULL[key] for key in FULL if key != "name"})
        assert made.body | FULL == made.body and made["schemas"] == [APPLICATION]
        meta = made["meta"]
        assert meta["resourceType"] == "AgenticApplication"
        assert meta["location"].endswith(f"/AgenticApplications/{made['id']}")
        assert dict(made.headers)["location"] == meta["location"]
        shown = await client.get(f"/AgenticApplications/{made['id']}")
        assert shown.body == made.body and shown.headers["etag"] == meta["version"]
        assert (
            await client.get(f"/AgenticApplications/{made['id']}", if_none_match=meta["version"])
        ).status == 304
        assert [row[1]["name"] for row in await bridge.audit("application.created")] == ["expenses"]

    door(body)


def test_a_link_is_shown_at_both_ends_and_each_change_of_it_is_audited(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        one, two = await agent(client, "one"), await agent(client, "two")
        made = await application(client, agents=[{"value": one, "type": "owned"}, {"value": two}])
        address = f"/AgenticApplications/{made['id']}"
        ends = {item["value"]: item for item in made["agents"]}
        assert ends[one] == {
            "value": one,
            "$ref": f"http://bridge.test/scim/v2/Agents/{one}",
            "display": "one",
            "type": "owned",
        }
        assert "type" not in ends[two]

        async def at(agent_id: str) -> Any:
            found = (await client.get(f"/Agents/{agent_id}")).body
            listed = (await client.get("/Agents"))["Resources"]
            same = next(item for item in listed if item["id"] == agent_id)
            assert same.get("applications") == found.get("applications")
            return found.get("applications")

        assert await at(one) == [
            {
                "value": made["id"],
                "$ref": f"http://bridge.test/scim/v2{address}",
                "display": "expenses",
                "type": "owned",
            }
        ]
        # The agent does not say so itself: the attribute is read-only there.
        put = await client.put(
            f"/Agents/{one}", {"schemas": [AGENT], "agentUserName": "one", "applications": []}
        )
        assert put["applications"][0]["value"] == made["id"]
        answer = await client.patch(address, {"op": "remove", "path": f'agents[value eq "{one}"]'})
        assert answer.status == 200 and [item["value"] for item in answer["agents"]] == [two]
        assert answer["meta"]["version"] != made["meta"]["version"] and await at(one) is None
        answer = await client.patch(
            address, {"op": "replace", "path": f'agents[value eq "{two}"].type', "value": "guest"}
        )
        assert answer["agents"][0]["type"] == "guest" and (await at(two))[0]["type"] == "guest"
        answer = await client.patch(address, {"op": "add", "path": "agents", "value": [{"value": one}]})
        assert {item["value"] for item in answer["agents"]} == {one, two}
        changes = [row[1] for row in await bridge.audit("application.agents_changed")]
        assert [(c["added"], c["removed"], c["changed"]) for c in changes] == [
            (sorted([one, two]), [], []),
            ([], [one], []),
            ([], [], [two]),
            ([one], [], []),
        ]
        for text, found in (
            (f'agents.value eq "{one}"', ["expenses"]),
            ('agents[type eq "guest"]', ["expenses"]),
            ('agents[type eq "owned"]', []),
        ):
            assert await names(client, text) == found
        found = await client.call(
            "POST", "/Agents/.search", {"filter": f'applications.value eq "{made["id"]}"'}
        )
        assert found["totalResults"] == 2

    door(body)


def test_it_is_found_listed_sorted_and_projected_like_other_resources(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(5):
            urls = [{"value": f"https://{number}.example", "type": "api"}]
            await application(
                client, f"App{number}", externalId=f"e{number}", applicationUrls=urls, active=number != 3
            )
        for text, found in (
            ('name eq "APP2"', ["App2"]),
            ('externalId eq "e4"', ["App4"]),
            ('applicationUrls.value eq "https://1.example"', ["App1"]),
            ("active eq false", ["App3"]),
            ('name sw "app" and not (name eq "app0")', ["App1", "App2", "App3", "App4"]),
        ):
            assert await names(client, text) == found, text
        page = await client.get("/AgenticApplications?startIndex=2&count=2&sortBy=name&sortOrder=descending")
        assert [item["name"] for item in page["Resources"]] == ["App3", "App2"] and page["totalResults"] == 5
        page = await client.get("/AgenticApplications?cursor&count=2&attributes=name")
        assert [set(item) for item in page["Resources"]] == [{"schemas", "id", "name"}] * 2
        rest = await client.get(f"/AgenticApplications?cursor={page['nextCursor']}&attributes=name")
        assert [item["name"] for item in rest["Resources"]] == ["App2", "App3"]
        everything = await client.call("POST", "/.search", {"filter": 'externalId sw "e"'})
        assert everything["totalResults"] == 5

    door(body)


def test_put_and_patch_change_what_they_say_and_nothing_for_nothing(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        one = await agent(client, "one")
        made = await application(client, active=False, externalId="e", agents=[{"value": one}])
        address = f"/AgenticApplications/{made['id']}"
        put = await client.put(address, {"schemas": [APPLICATION], "name": "Expenses", "description": "d"})
        assert (put["name"], put["description"], put["active"], put["externalId"]) == (
            "Expenses",
            "d",
            False,
            "e",
        )
        assert [item["value"] for item in put["agents"]] == [one]
        again = await client.put(address, {"schemas": [APPLICATION], "name": "Expenses", "description": "d"})
        assert again["meta"] == put["meta"]
        answer = await client.patch(
            address,
            {"op": "replace", "value": {"active": True, "displayName": "D"}},
            {"op": "remove", "path": "description"},
            {
                "op": "add",
                "path": "oAuthConfiguration",
                "value": [{"clientId": "c", "redirectUri": ["https://a"]}],
            },
        )
        assert answer["active"] is True and "description" not in answer.body
        assert answer["oAuthConfiguration"] == [{"clientId": "c", "redirectUri": ["https://a"]}]
        assert (await client.patch(address, {"op": "remove", "path": "name"})).status == 400
        stale = await client.put(address, {"name": "x"}, if_match=made["meta"]["version"])
        assert stale.status == 412
        empty = await client.put(address, {"schemas": [APPLICATION], "name": "Expenses", "agents": []})
        assert "agents" not in empty.body
        # Agents are unlinked, never switched off: an application describes, only holds stop agents.
        assert (await client.get(f"/Agents/{one}"))["active"] is True

    door(body)


def test_what_makes_no_sense_is_refused(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        person = await client.post("/Users", {"schemas": [USER], "userName": "ann"})
        made = await application(client)
        for sent, status, kind in (
            ({"name": "EXPENSES"}, 409, "uniqueness"),
            ({}, 400, "invalidValue"),
            ({"name": "x", "active": "perhaps"}, 400, "invalidValue"),
            ({"name": "x", "agents": [{"value": "nobody"}]}, 400, "invalidValue"),
            ({"name": "x", "agents": [{"value": person["id"]}]}, 400, "invalidValue"),
        ):
            answer = await client.post("/AgenticApplications", {"schemas": [APPLICATION], **sent})
            assert (answer.status, answer["scimType"]) == (status, kind), sent
        # An application is nothing else: not at other addresses, and no member of groups.
        for path in ("/Users", "/Groups", "/Agents"):
            assert (await client.get(f"{path}/{made['id']}")).status == 404
            assert (await client.delete(f"{path}/{made['id']}")).status == 404
        assert (await client.get(f"/AgenticApplications/{person['id']}")).status == 404
        assert (await client.delete(f"/AgenticApplications/{person['id']}")).status == 404
        group = await client.post(
            "/Groups", {"schemas": [GROUP], "displayName": "g", "members": [{"value": made["id"]}]}
        )
        assert "type" not in group["members"][0]
        reader = await bridge.client("reader", "generic", scopes=("read",))
        assert (await reader.delete(f"/AgenticApplications/{made['id']}")).status == 403

    door(body)


def test_a_link_is_of_a_kind_that_is_served_and_other_kinds_are_spelled_as_served(door: Door) -> None:
    """H-17: `type` of agents is one of three; what is at an address, and what an agent is, may be others, too."""

    async def body(bridge: Bridge) -> None:
        for name in ("okta", "strict"):
            client = await bridge.client(name, "okta-put" if name == "okta" else "strict")
            schemas = (await client.get(f"/Schemas/{APPLICATION}"))["attributes"]
            kinds = {
                (each["name"], sub["name"]): sub.get("canonicalValues")
                for each in schemas
                for sub in each.get("subAttributes", ())
            }
            assert kinds["agents", "type"] == ["owned", "authorized", "guest"]
            made = await client.post(
                "/Agents", {"schemas": [AGENT], "agentUserName": f"bot {name}", "agentType": "CHAT BOT"}
            )
            assert made["agentType"] == "Chat bot"
            urls = [
                {"value": "https://a.example", "type": "LOGINPAGE"},
                {"value": "https://b.example", "type": "my"},
            ]
            link = {"value": made["id"], "type": "OWNED"}
            found = await application(client, f"app {name}", agents=[link], applicationUrls=urls)
            assert found["agents"][0]["type"] == "owned"
            assert [each["type"] for each in found["applicationUrls"]] == ["loginPage", "my"]
            path = f"/AgenticApplications/{found['id']}"
            for change in (
                {"op": "replace", "path": f'agents[value eq "{made["id"]}"].type', "value": "butler"},
                {"op": "replace", "value": {"agents": [{**link, "type": "butler"}]}},
            ):
                answer = await client.patch(path, change)
                assert (answer.status, answer["scimType"]) == (400, "invalidValue"), change
                assert "owned, authorized, guest" in answer["detail"]

    door(body)


def test_the_same_create_once_more_finds_what_the_first_one_made(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        first = await application(client, externalId="e")
        assert (await application(client, externalId="e"))["id"] == first["id"]
        sent = {"schemas": [APPLICATION], "name": "expenses", "externalId": "e", "description": "new"}
        assert (await client.post("/AgenticApplications", sent)).status == 409
        strict = await bridge.client("letter", "strict")
        await application(strict, "other", externalId="e")
        again = {"schemas": [APPLICATION], "name": "other", "externalId": "e"}
        assert (await strict.post("/AgenticApplications", again)).status == 409

    door(body)


def test_deleting_an_application_leaves_its_agents_as_they_are(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        one = await agent(client, "one")
        made = await application(client, agents=[{"value": one}])
        before = (await client.get(f"/Users/{one}")).body
        assert (await client.delete(f"/AgenticApplications/{made['id']}")).status == 204
        assert (await client.get(f"/AgenticApplications/{made['id']}")).status == 404
        assert (await client.get(f"/Users/{one}")).body == before
        assert "applications" not in (await client.get(f"/Agents/{one}")).body
        assert [row[1]["agents"] for row in await bridge.audit("application.deleted")] == [[one]]
        assert (await client.get("/AgenticApplications"))["totalResults"] == 0
        assert (await application(client))["id"] != made["id"]

    door(body)


def test_an_agent_that_is_deleted_or_renamed_is_so_in_its_applications(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        one, two = await agent(client, "one"), await agent(client, "two")
        made = await application(client, agents=[{"value": one}, {"value": two}])
        await client.put(f"/Agents/{two}", {"schemas": [AGENT], "agentUserName": "second"})
        assert (await client.delete(f"/Agents/{one}")).status == 204
        shown = await client.get(f"/AgenticApplications/{made['id']}")
        assert [item["display"] for item in shown["agents"]] == ["second"]
        assert shown["meta"]["version"] != made["meta"]["version"]
        assert await bridge.count("sb_application_agent") == 1

    door(body)


def test_a_connection_sees_and_touches_only_the_agents_of_its_scope(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        narrow = await bridge.client("narrow", "generic", scope="environment=production")
        urn = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:Agent"
        ids = {}
        for name, where in (("in", "production"), ("out", "dev")):
            sent = {"schemas": [AGENT, urn], "agentUserName": name, urn: {"environment": where}}
            ids[name] = (await client.post("/Agents", sent))["id"]
        made = await application(client, agents=[{"value": ids["in"]}, {"value": ids["out"]}])
        address = f"/AgenticApplications/{made['id']}"
        assert [item["display"] for item in (await narrow.get(address))["agents"]] == ["in"]
        put = await narrow.put(address, {"schemas": [APPLICATION], "name": "expenses", "agents": []})
        assert put.status == 200 and "agents" not in put.body
        assert [item["display"] for item in (await client.get(address))["agents"]] == ["out"]
        sent = {"op": "add", "path": "agents", "value": [{"value": ids["out"]}]}
        assert (await narrow.patch(address, sent)).status == 400

    door(body)


def test_bulk_makes_agents_and_the_application_they_are_in(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        steps = [
            {
                "method": "POST",
                "path": "/AgenticApplications",
                "bulkId": "app",
                "data": {"schemas": [APPLICATION], "name": "a", "agents": [{"value": "bulkId:bot"}]},
            },
            {
                "method": "POST",
                "path": "/Agents",
                "bulkId": "bot",
                "data": {"schemas": [AGENT], "agentUserName": "bot"},
            },
        ]
        urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
        answer = await client.post("/Bulk", {"schemas": [urn], "Operations": steps})
        assert [item["status"] for item in answer["Operations"]] == ["201", "201"], answer.content
        shown = (await client.get("/AgenticApplications"))["Resources"][0]
        assert [item["display"] for item in shown["agents"]] == ["bot"]

    door(body)


def test_discovery_names_the_type_its_schema_and_for_abbey_its_support(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        for name, shape in (("okta", "wzdk"), ("other", "abbey")):
            client = await bridge.client(name, "generic", agent_schema=shape)
            kind = await client.get("/ResourceTypes/AgenticApplication")
            assert (kind["endpoint"], kind["schema"]) == ("/AgenticApplications", APPLICATION)
            found = {
                item["name"]: item for item in (await client.get(f"/Schemas/{APPLICATION}"))["attributes"]
            }
            assert found["name"]["required"] and found["name"]["uniqueness"] == "server"
            assert set(found) == {*FULL, "agents"} - {"externalId"}
            told = (await client.get("/ServiceProviderConfig")).body.get("agentExtension")
            assert (told is not None) is (shape == "abbey")
            assert told is None or told["agenticApplicationsSupported"] is True

    sqlite_door(body)
