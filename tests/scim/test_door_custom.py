"""Promises of declared attributes: typed, kept, and served as enforced, on both back ends."""

from __future__ import annotations

from scim_bridge.inventory.service import import_manifest
from scim_bridge.registry.model import CUSTOM_AGENT_URN, CUSTOM_GROUP_URN, CUSTOM_USER_URN
from scim_bridge.scim.catalogue import catalogue
from scim_bridge.settings.attributes import AttributeSettings
from tests.conftest import TESTER
from tests.scim.bridge import Bridge
from tests.scim.conftest import Door
from tests.scim.declared import AGENT, DECLARED, EVERYTHING, GROUP, USER, found, person


def test_what_is_declared_is_kept_served_and_found_whatever_its_type(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client, plain = await bridge.client("okta"), await bridge.client("plain")
        made = await client.post("/Users", person("ann", **EVERYTHING))
        assert made.status == 201 and made[CUSTOM_USER_URN] == EVERYTHING
        assert CUSTOM_USER_URN in made["schemas"]
        await client.post("/Users", person("bob", costCode="c-18", level=4, contractor=False, floors=["One"]))
        await client.post("/Users", person("eve"))
        shown = (await client.get(f"/Users/{made['id']}")).body
        assert shown[CUSTOM_USER_URN] == EVERYTHING
        urn = CUSTOM_USER_URN
        for text, names in (
            (f'{urn}:costCode eq "c-17"', ["ann"]),
            (f'{urn}:costCode sw "C-1"', ["ann", "bob"]),
            (f'{urn}:badge eq "aB3"', ["ann"]),
            (f'{urn}:badge eq "ab3"', []),
            (f"{urn}:contractor eq true", ["ann"]),
            (f"{urn}:level eq 3", ["ann"]),
            (f"{urn}:level eq 3.0", ["ann"]),
            (f"{urn}:level gt 2", ["ann", "bob"]),
            (f"{urn}:share eq 2.50", ["ann"]),
            (f"{urn}:share eq 25e-1", ["ann"]),
            (f"{urn}:share gt 1.4E0", ["ann"]),
            (f"{urn}:share lt 2.5e+0", []),
            (f'{urn}:since eq "2026-01-02T02:04:05Z"', ["ann"]),
            (f'{urn}:floors eq "two"', ["ann"]),
            (f'{urn}:floors[value eq "ONE"]', ["bob"]),
            (f"{urn}:costCode pr", ["ann", "bob"]),
            (f'{urn}:costCode eq "C-17" and userName eq "bob"', []),
            (f'{urn}:costCode eq "C-17" and {urn}:level eq 3', ["ann"]),
            (f'{urn}:costCode eq "C-17" or {urn}:level eq 4', ["ann", "bob"]),
            (f'not ({urn}:costCode eq "C-17")', ["bob", "eve"]),
        ):
            for each in (client, plain):
                assert await found(each, "/Users", text) == names, text

    door(body, attributes=DECLARED)


def test_a_wrong_value_is_refused_with_the_attribute_named(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        made = await client.post("/Users", {**person("ann"), "userType": "Agent"})
        for name, value in (
            ("level", "three"),
            ("contractor", "perhaps"),
            ("since", "yesterday"),
            ("floors", [1]),
            ("share", [1.0, 2.0]),
        ):
            answer = await client.post("/Users", person("x", **{name: value}))
            assert (answer.status, answer["scimType"]) == (400, "invalidValue"), name
            assert name in answer["detail"]
            path = f"{CUSTOM_USER_URN}:{name}"
            answer = await client.patch(f"/Users/{made['id']}", {"op": "add", "path": path, "value": value})
            assert (answer.status, answer["scimType"]) == (400, "invalidValue"), name
        tier = {"op": "add", "path": f"{CUSTOM_AGENT_URN}:tier", "value": "bronze"}
        answer = await client.patch(f"/Users/{made['id']}", tier)
        assert answer.status == 400 and "Gold, Silver" in answer["detail"]
        answer = await client.patch(f"/Users/{made['id']}", {**tier, "value": "GOLD"})
        assert answer[CUSTOM_AGENT_URN] == {"tier": "Gold"}

    door(body, attributes=DECLARED)


def test_an_agents_attribute_is_the_same_in_both_its_views_and_no_persons(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        strict = await bridge.client("letter", "strict")
        custom = {CUSTOM_USER_URN: {"costCode": "C"}, CUSTOM_AGENT_URN: {"tier": "Gold"}}
        body = {"schemas": [AGENT, *custom], "agentUserName": "bot", **custom}
        made = await client.post("/Agents", body)
        assert made.status == 201, made.content
        assert {urn: made[urn] for urn in custom} == custom and set(made["schemas"]) >= set(custom)
        user = (await client.get(f"/Users/{made['id']}")).body
        assert {urn: user[urn] for urn in custom} == custom
        for path in ("/Users", "/Agents"):
            assert await found(client, path, f'{CUSTOM_AGENT_URN}:tier eq "gold"') == ["bot"]
            assert await found(client, path, f'{CUSTOM_USER_URN}:costCode eq "c"') == ["bot"]
        put = await client.put(f"/Agents/{made['id']}", {"schemas": [AGENT], "agentUserName": "bot"})
        assert put[CUSTOM_AGENT_URN] == {"tier": "Gold"}
        path = f"{CUSTOM_AGENT_URN}:tier"
        put = await client.patch(f"/Agents/{made['id']}", {"op": "remove", "path": path})
        assert CUSTOM_AGENT_URN not in put.body and put[CUSTOM_USER_URN] == {"costCode": "C"}
        # Of a person it is left out, and refused by the letter.
        sent = person("ann") | {CUSTOM_AGENT_URN: {"tier": "Gold"}}
        ann = await client.post("/Users", sent)
        assert ann.status == 201 and CUSTOM_AGENT_URN not in ann.body
        ann = await client.patch(f"/Users/{ann['id']}", {"op": "add", "path": path, "value": "Gold"})
        assert ann.status == 200 and CUSTOM_AGENT_URN not in ann.body
        sent["schemas"].append(CUSTOM_AGENT_URN)
        assert (await strict.post("/Users", sent | {"userName": "eve"})).status == 400

    door(body, attributes=DECLARED)


def test_a_groups_attribute_is_found_sorted_and_kept_by_who_does_not_know_it(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for name, ticket in (("One", "T2"), ("Two", "T1")):
            sent = {"schemas": [GROUP, CUSTOM_GROUP_URN], "displayName": name}
            made = await client.post("/Groups", sent | {CUSTOM_GROUP_URN: {"ticket": ticket}})
            assert made[CUSTOM_GROUP_URN] == {"ticket": ticket}
        assert await found(client, "/Groups", f'{CUSTOM_GROUP_URN}:ticket eq "t1"') == ["Two"]
        listed = await client.get(f"/Groups?sortBy={CUSTOM_GROUP_URN}:ticket")
        assert [item["displayName"] for item in listed["Resources"]] == ["Two", "One"]
        put = await client.put(f"/Groups/{made['id']}", {"schemas": [GROUP], "displayName": "Two"})
        assert put.status == 200
        shown = await client.get(f"/Groups/{made['id']}?attributes={CUSTOM_GROUP_URN}:ticket")
        assert shown[CUSTOM_GROUP_URN] == {"ticket": "T1"} and "displayName" not in shown.body
        shown = await client.get(f"/Groups/{made['id']}?excludedAttributes={CUSTOM_GROUP_URN}")
        assert CUSTOM_GROUP_URN not in shown.body and CUSTOM_GROUP_URN not in shown["schemas"]

    door(body, attributes=DECLARED)


def test_schemas_and_resource_types_say_what_is_enforced(sqlite_door: Door) -> None:
    declared = (*DECLARED, AttributeSettings("site", required=True, applies_to=("Agent",)))

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        served = {item["id"]: item for item in (await client.get("/Schemas"))["Resources"]}
        code = served[CUSTOM_USER_URN]["attributes"][0]
        assert code == {
            "name": "costCode",
            "type": "string",
            "multiValued": False,
            "description": "Who pays.",
            "required": False,
            "mutability": "readWrite",
            "returned": "default",
            "uniqueness": "none",
            "caseExact": False,
        }
        assert served[CUSTOM_AGENT_URN]["attributes"][0]["canonicalValues"] == ["Gold", "Silver"]
        assert (await client.get(f"/Schemas/{CUSTOM_GROUP_URN}"))["name"] == "CustomGroup"
        types = {item["id"]: item for item in (await client.get("/ResourceTypes"))["Resources"]}
        extensions = {
            name: {item["schema"]: item["required"] for item in found["schemaExtensions"]}
            for name, found in types.items()
        }
        assert extensions["User"][CUSTOM_USER_URN] is extensions["User"][CUSTOM_AGENT_URN] is False
        assert extensions["Agent"][CUSTOM_AGENT_URN] is True and CUSTOM_USER_URN in extensions["Agent"]
        assert extensions["Group"].keys() >= {CUSTOM_GROUP_URN} and CUSTOM_USER_URN not in extensions["Group"]
        # Every served definition is the one requests are checked against.
        known = catalogue(declared).types
        for urn, kind in (
            (CUSTOM_USER_URN, "User"),
            (CUSTOM_AGENT_URN, "Agent"),
            (CUSTOM_GROUP_URN, "Group"),
        ):
            for item in served[urn]["attributes"]:
                enforced = known[kind].extensions[urn][item["name"]]
                assert (enforced.type, enforced.multi, enforced.required) == (
                    item["type"],
                    item["multiValued"],
                    item["required"],
                )

    sqlite_door(body, attributes=declared)


def test_a_required_attribute_must_be_there_and_cannot_be_taken_away(door: Door) -> None:
    declared = (
        AttributeSettings("site", required=True),
        AttributeSettings("tier", required=True, applies_to=("Agent",)),
    )

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        answer = await client.post("/Users", person("ann"))
        assert answer.status == 400 and f"{CUSTOM_USER_URN}:site is missing" in answer["detail"]
        ann = await client.post("/Users", person("ann", site="Bonn"))
        assert ann.status == 201
        address = f"/Users/{ann['id']}"
        for path in (f"{CUSTOM_USER_URN}:site", CUSTOM_USER_URN):
            assert (await client.patch(address, {"op": "remove", "path": path})).status == 400
        assert (await client.put(address, person("ann") | {CUSTOM_USER_URN: {"site": ""}})).status == 400
        assert (await client.put(address, {"schemas": [USER], "userName": "ann"})).status == 200
        bot = {**person("bot", site="Bonn"), "userType": "Agent"}
        answer = await client.post("/Users", bot)
        assert answer.status == 400 and f"{CUSTOM_AGENT_URN}:tier is missing" in answer["detail"]
        assert (await client.post("/Users", bot | {CUSTOM_AGENT_URN: {"tier": "x"}})).status == 201

    door(body, attributes=declared)


def test_undeclared_attributes_are_passed_over_and_refused_by_the_letter(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        made = await client.post("/Users", person("ann", costCode="x"))
        assert made.status == 201 and CUSTOM_USER_URN not in made.body
        strict = await bridge.client("letter", "strict")
        assert (await strict.post("/Users", person("bob", costCode="x"))).status == 400
        served = (await client.get("/Schemas"))["Resources"]
        assert not [item for item in served if "Custom" in item["id"]]

    sqlite_door(body)


def test_a_manifest_leaves_declared_attributes_as_they_are(door: Door) -> None:
    text = (
        "people: [{userName: ann, givenName: Ann, familyName: Lee, email: ann@corp.example, department: IT}]\n"
        "agents: [{slug: bot, name: Bot, purpose: %s, platform: k8s, environment: dev, riskTier: low, owner: ann}]\n"
    )

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        await import_manifest(bridge.store, TESTER, (text % "Tests").encode(), "m.yaml")
        bot = (await client.get("/Agents"))["Resources"][0]
        await client.patch(
            f"/Agents/{bot['id']}", {"op": "add", "path": f"{CUSTOM_AGENT_URN}:tier", "value": "Gold"}
        )
        result = await import_manifest(bridge.store, TESTER, (text % "Prods").encode(), "m.yaml")
        assert result.as_dict()["updated"] == 1
        shown = (await client.get(f"/Agents/{bot['id']}")).body
        assert (shown["description"], shown[CUSTOM_AGENT_URN]) == ("Prods", {"tier": "Gold"})
        assert len(await found(client, "/Agents", f'{CUSTOM_AGENT_URN}:tier eq "gold"')) == 1

    door(body, attributes=DECLARED)
