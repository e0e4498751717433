"""Reading: pages, searches, projections, entity tags, and what the server says about itself."""

from __future__ import annotations

import asyncio

from scim_bridge.registry.model import AGENT_CORE_URN, AGENT_URN, ENTERPRISE_URN, GROUP_URN, USER_URN
from tests.scim.bridge import Bridge


async def people(client, count: int) -> list[str]:
    """So many people, in the order of their ids."""
    made = []
    for n in range(count):
        answer = await client.post(
            "/Users", {"userName": f"u{n:02}@x.test", "name": {"familyName": f"F{n % 3}"}}
        )
        made.append(answer["id"])
    return made


def test_pages_neither_skip_nor_repeat_and_are_clamped(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await people(client, 12)
        for path in ("/Users?", "/Users?filter=userName sw u&"):
            seen = []
            for start in (1, 6, 11):
                page = (await client.get(f"{path}startIndex={start}&count=5")).body
                assert (page["startIndex"], page["totalResults"]) == (start, 12)
                assert page["itemsPerPage"] == len(page["Resources"])
                seen += [user["id"] for user in page["Resources"]]
            assert seen == ids
        for query, first, length, start in (
            ("startIndex=0", ids[0], 10, 1),
            ("startIndex=-7&count=3", ids[0], 3, 1),
            ("count=0", None, 0, 1),
            ("count=-1", None, 0, 1),
            ("count=1000", ids[0], 12, 1),
            ("startIndex=99", None, 0, 99),
            ("STARTINDEX=12&Count=5", ids[11], 1, 12),
            ("startIndex=99999999999999999999&count=99999999999999999999", None, 0, None),
            ("", ids[0], 10, 1),
        ):
            page = (await client.get(f"/Users?{query}")).body
            assert page["totalResults"] == 12, query
            assert len(page["Resources"]) == length, query
            assert start is None or page["startIndex"] == start, query
            assert first is None or page["Resources"][0]["id"] == first, query

    door(body, page_size=10, max_page_size=50)


def test_totals_follow_creations_and_deletions(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await people(client, 3)
        await client.post("/Users", {"userName": "bot", "userType": "Agent"})
        await client.post("/Groups", {"displayName": "g"})
        await client.delete(f"/Users/{ids[0]}")
        totals = [(await client.get(path))["totalResults"] for path in ("/Users", "/Agents", "/Groups")]
        assert totals == [3, 1, 1]

    door(body)


def test_filters_are_answered_by_what_is_stored(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        maria = (
            await client.post(
                "/Users",
                {
                    "userName": "Maria@X.test",
                    "externalId": "E-1",
                    "title": "Ärztin",
                    "emails": [
                        {"value": "Maria@Y.test", "type": "work"},
                        {"value": "m@z.test", "type": "home"},
                    ],
                    ENTERPRISE_URN: {"department": "Ops"},
                },
            )
        )["id"]
        bot = (await client.post("/Users", {"userName": "bot", "userType": "Agent"}))["id"]
        group = (
            await client.post(
                "/Groups", {"displayName": "Crew", "members": [{"value": maria}, {"value": bot}]}
            )
        )["id"]
        users = {
            'userName eq "MARIA@x.test"': [maria],
            'emails.value eq "maria@y.test"': [maria],
            'emails eq "maria@y.test"': [maria],
            'emails[type eq "work" and value co "@y."]': [maria],
            'emails[type eq "home" and value co "@y."]': [],
            'emails[type eq "work"].value eq "maria@y.test"': [maria],
            'externalId eq "E-1"': [maria],
            'externalId eq "e-1"': [],
            f'id eq "{maria}" and userName eq "bot"': [],
            f'id eq "{maria}" or userName eq "bot"': [maria, bot],
            'title eq "ÄRZTIN"': [maria],
            'not (userType eq "Agent")': [maria],
            'userType eq "Agent" and active eq true': [bot],
            f'{ENTERPRISE_URN}:department eq "ops"': [maria],
            "externalId pr": [maria],
            'meta.lastModified gt "2000-01-01T00:00:00Z"': [maria, bot],
            f'schemas eq "{AGENT_URN}"': [bot],
            f'groups.value eq "{group}"': [maria, bot],
            'groups.display eq "crew"': [maria, bot],
            'userName eq "nobody"': [],
        }
        for text, expected in users.items():
            answer = await client.post("/Users/.search", {"filter": text})
            assert answer.status == 200, (text, answer.content)
            assert [user["id"] for user in answer["Resources"]] == expected, text
        groups = {
            'displayName eq "CREW"': 1,
            f'members.value eq "{bot}"': 1,
            f'members[value eq "{maria}"]': 1,
            f'members eq "{maria}" and displayName eq "crew"': 1,
            'members[value eq "nobody"]': 0,
            f'not (members eq "{maria}")': 0,
            f'members[not (value eq "{maria}")]': 1,
            'members[display eq "maria@x.test"]': 1,
            'members[type eq "Group"]': 0,
            "members pr": 1,
        }
        for text, count in groups.items():
            assert (await client.post("/Groups/.search", {"filter": text}))["totalResults"] == count, text

    door(body)


def test_a_search_at_the_root_covers_users_and_groups(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await people(client, 3)
        groups = [(await client.post("/Groups", {"displayName": f"g{n}"}))["id"] for n in range(2)]
        answer = await client.post("/.search", {"startIndex": 3, "count": 2})
        assert [found["id"] for found in answer["Resources"]] == [ids[2], groups[0]]
        assert answer["totalResults"] == 5
        answer = await client.post("/.search", {"startIndex": 5, "count": 9})
        assert [found["id"] for found in answer["Resources"]] == [groups[1]]
        named = {
            "filter": 'displayName eq "g1" or userName eq "u01@x.test"',
            "attributes": ["displayName", "userName"],
        }
        answer = await client.post("/.search", named)
        assert [found["id"] for found in answer["Resources"]] == [ids[1], groups[1]]
        assert await bridge.count("sb_resource") == 5

    door(body)


def test_answers_carry_what_was_asked_for(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        sent = {
            "userName": "maria",
            "displayName": "Maria",
            "name": {"givenName": "M", "familyName": "S"},
            ENTERPRISE_URN: {"department": "Ops"},
        }
        made = await client.post("/Users?attributes=userName", sent)
        assert made.body.keys() == {"schemas", "id", "userName"}
        path = f"/Users/{made['id']}"
        some = (await client.get(f"{path}?attributes=name.givenName,{ENTERPRISE_URN}")).body
        assert some["name"] == {"givenName": "M"} and some[ENTERPRISE_URN] == {"department": "Ops"}
        assert "displayName" not in some
        less = (await client.get(f"{path}?excludedAttributes=displayName,name,id")).body
        assert not {"displayName", "name"} & less.keys() and less["id"]
        both = await client.get(f"{path}?attributes=id&excludedAttributes=name")
        assert both.status == 200, "Entra asks both ways at once"
        strict = await bridge.client("letter", "strict")
        assert (await strict.get(f"{path}?attributes=id&excludedAttributes=name")).status == 400
        page = await client.get("/Users?attributes=userName")
        assert page["Resources"][0].keys() == {"schemas", "id", "userName"}
        patched = await client.patch(f"{path}?attributes=title", {"op": "add", "path": "title", "value": "x"})
        assert patched.body.keys() == {"schemas", "id", "title"}

    door(body)


def test_entity_tags_guard_reads_and_writes(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        made = await client.post("/Users", {"userName": "maria"})
        path, tag = f"/Users/{made['id']}", made.headers["etag"]
        assert tag == made["meta"]["version"] == 'W/"1"'
        assert made.headers["location"] == made["meta"]["location"] == f"http://bridge.test/scim/v2{path}"
        same = await client.get(path, if_none_match=tag)
        assert (same.status, same.content, same.headers["etag"]) == (304, b"", tag)
        assert (await client.get(path, if_none_match="*")).status == 304
        assert (await client.get(path, if_none_match='W/"9", "8"')).status == 200
        add = {"op": "add", "path": "title", "value": "x"}
        stale = await client.patch(path, add, if_match='W/"7"')
        assert (stale.status, stale["status"]) == (412, "412")
        changed = await client.patch(path, add, if_match=tag)
        assert (changed.status, changed.headers["etag"]) == (200, 'W/"2"')
        assert (await client.put(path, {"userName": "maria"}, if_match=tag)).status == 412
        assert (await client.delete(path, if_match=tag)).status == 412
        again = await client.patch(path, add, if_match='W/"2"')
        assert again.headers["etag"] == 'W/"2"', "a change to what is there already is none"
        assert again["meta"]["lastModified"] == changed["meta"]["lastModified"]
        assert (await client.put(path, {"userName": "maria"}, if_match="*")).status == 200
        assert (await client.delete(path, if_match='W/"3"')).status == 204

    door(body)


def test_sixteen_at_once_create_one_user_and_hear_fifteen_conflicts(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        calls = [client.post("/Users", {"userName": "Same@x.test", "title": str(n)}) for n in range(16)]
        statuses = sorted(answer.status for answer in await asyncio.gather(*calls))
        assert statuses == [201] + [409] * 15
        assert (await client.get("/Users"))["totalResults"] == 1

    door(body)


def test_sixteen_writers_on_one_group_lose_nothing(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await people(client, 16)
        group = (await client.post("/Groups", {"displayName": "g"}))["id"]
        calls = [
            client.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})
            for user in ids
        ]
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
        found = (await client.get(f"/Groups/{group}")).body
        assert sorted(member["value"] for member in found["members"]) == ids
        assert found["meta"]["version"] == 'W/"17"'

    door(body)


def test_the_server_describes_itself(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        config = (await client.get("/ServiceProviderConfig")).body
        assert config["patch"]["supported"] and config["etag"]["supported"] and config["bulk"]["supported"]
        assert config["filter"] == {"supported": True, "maxResults": 50}
        assert config["bulk"]["maxPayloadSize"] == 1024 * 1024
        assert config["sort"]["supported"] is True
        assert (await client.get("/Users?sortBy=userName&sortOrder=descending")).status == 200
        assert "agentExtension" not in config
        types = (await client.get("/ResourceTypes")).body
        endpoints = [item["endpoint"] for item in types["Resources"]]
        assert endpoints == ["/Users", "/Groups", "/Agents", "/AgenticApplications"]
        schemas = {item["id"]: item for item in (await client.get("/Schemas")).body["Resources"]}
        for item in types["Resources"]:
            assert item["schema"] in schemas
            assert all(extension["schema"] in schemas for extension in item["schemaExtensions"])
            assert (await client.get(f"/ResourceTypes/{item['id']}")).body == item
        assert {USER_URN, GROUP_URN, ENTERPRISE_URN, AGENT_URN, AGENT_CORE_URN} <= schemas.keys()
        for urn, schema in schemas.items():
            assert (await client.get(f"/Schemas/{urn}")).body == schema
        emails = next(a for a in schemas[USER_URN]["attributes"] if a["name"] == "emails")
        kind = next(a for a in emails["subAttributes"] if a["name"] == "type")
        assert set(kind["canonicalValues"]) == {"work", "home", "other"}
        assert (await client.get('/Schemas?filter=id eq "x"')).status == 403
        assert (await client.get("/Schemas/urn:nobody")).status == 404

    sqlite_door(body, max_page_size=50)


def test_each_connection_is_told_the_shape_in_which_it_sees_agents(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        for name, settings, has, lacks in (
            ("newer", {}, "agentUserName", "name"),
            ("older", {"agent_schema": "abbey"}, "name", "agentUserName"),
        ):
            client = await bridge.client(name, **settings)
            schema = (await client.get(f"/Schemas/{AGENT_CORE_URN}")).body
            attributes = {attribute["name"]: attribute for attribute in schema["attributes"]}
            assert attributes[has]["required"] is True
            assert lacks not in attributes
            made = await client.post("/Agents", {"schemas": [AGENT_CORE_URN], has: f"bot-{name}"})
            assert made[has] == f"bot-{name}" and lacks not in made.body
            config = (await client.get("/ServiceProviderConfig")).body
            assert ("agentExtension" in config) is (name == "older")

    sqlite_door(body)
