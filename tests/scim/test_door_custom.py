"""Promises of declared attributes: typed, served as enforced, found by their index, on both back ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.document_index import Indexes
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from scim_bridge.registry import indexing
from scim_bridge.registry.model import CUSTOM_AGENT_URN, CUSTOM_GROUP_URN, CUSTOM_USER_URN
from scim_bridge.scim import schema
from scim_bridge.scim.catalogue import catalogue
from scim_bridge.settings.attributes import AttributeSettings, indexes_of
from scim_bridge.settings.load import load_settings
from tests.conftest import TESTER
from tests.scim.bridge import Bridge, Client
from tests.scim.conftest import Door

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
AGENT = "urn:ietf:params:scim:schemas:core:2.0:Agent"

DECLARED = (
    AttributeSettings("costCode", indexed=True, description="Who pays."),
    AttributeSettings("badge", case_exact=True, indexed=True),
    AttributeSettings("contractor", "boolean", indexed=True),
    AttributeSettings("level", "integer", indexed=True),
    AttributeSettings("share", "decimal", indexed=True),
    AttributeSettings("since", "dateTime", indexed=True),
    AttributeSettings("homepage", "reference", case_exact=True),
    AttributeSettings("floors", multi_valued=True, indexed=True),
    AttributeSettings("tier", canonical_values=("Gold", "Silver"), applies_to=("Agent",), indexed=True),
    AttributeSettings("ticket", applies_to=("Group",), indexed=True),
)
EVERYTHING: dict[str, Any] = {
    "costCode": "C-17",
    "badge": "aB3",
    "contractor": True,
    "level": 3,
    "share": 2.5,
    "since": "2026-01-02T03:04:05+01:00",
    "homepage": "https://a.example/x",
    "floors": ["Two", "Three"],
}


def person(name: str, **custom: Any) -> dict[str, Any]:
    """A user with declared attributes."""
    body: dict[str, Any] = {"schemas": [USER, CUSTOM_USER_URN], "userName": name}
    return body | ({CUSTOM_USER_URN: custom} if custom else {})


async def found(client: Client, path: str, text: str) -> list[str]:
    """The userNames (or displayNames, agentUserNames) a filter finds."""
    answer = await client.call("POST", f"{path}/.search", {"filter": text})
    assert answer.status == 200, answer.content
    return sorted(
        item.get("userName") or item.get("agentUserName") or item["displayName"]
        for item in answer["Resources"]
    )


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


def test_each_change_of_a_value_moves_its_index_entries(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        made = await client.post("/Users", person("ann", costCode="A", floors=["1", "2"]))
        address = f"/Users/{made['id']}"

        async def hit(code: str) -> bool:
            return await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "{code}"') == ["ann"]

        path = f"{CUSTOM_USER_URN}:costCode"
        assert (await client.patch(address, {"op": "replace", "path": path, "value": "B"})).status == 200
        assert await hit("b") and not await hit("A")
        answer = await client.patch(address, {"op": "add", "value": {CUSTOM_USER_URN: {"costCode": "C"}}})
        assert answer[CUSTOM_USER_URN] == {"costCode": "C", "floors": ["1", "2"]} and await hit("C")
        answer = await client.patch(
            address, {"op": "remove", "path": f'{CUSTOM_USER_URN}:floors[value eq "1"]'}
        )
        assert answer[CUSTOM_USER_URN]["floors"] == ["2"]
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:floors eq "1"') == []
        # A client that does not know of the extension leaves it as it is; one that empties it clears it.
        assert (await client.put(address, {"schemas": [USER], "userName": "ann"})).status == 200
        assert await hit("C")
        assert (await client.put(address, person("ann") | {CUSTOM_USER_URN: None})).status == 200
        assert not await hit("C") and CUSTOM_USER_URN not in (await client.get(address)).body
        await client.put(address, person("ann", costCode="D"))
        assert await hit("D")
        await client.delete(address)
        rows = await bridge.store.reads.all("SELECT name FROM sb_attr WHERE name <> 'emails.value'")
        assert rows == []

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


async def plan_of(bridge: Bridge, sql: str, *values: Any) -> str:
    """How the database goes about a statement."""
    if bridge.store.database.backend == "sqlite":
        rows = await bridge.store.reads.all(f"EXPLAIN QUERY PLAN {sql}", *values)
        return "\n".join(str(row["detail"]) for row in rows)
    async with bridge.store.database.snapshot() as reader:
        # A table of thirty rows is read whole once the planner knows how small it is: asked is what it can do.
        await reader.all("SET LOCAL enable_seqscan = off")
        rows = await reader.all(f"EXPLAIN {sql}", *values)
    return "\n".join(str(row[0]) for row in rows)


def test_an_indexed_attribute_is_looked_up_by_its_index(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(30):
            await client.post("/Users", person(f"u{number}", costCode=f"C{number}", level=number % 3))
        asked: list[tuple[str, tuple[Any, ...]]] = []
        reads = bridge.store.database.reads
        plain = type(reads).all

        async def listening(self: Any, sql: str, *values: Any) -> Any:
            asked.append((sql, values))
            return await plain(self, sql, *values)

        type(reads).all = listening  # type: ignore[method-assign]
        try:
            for text in (f'{CUSTOM_USER_URN}:costCode eq "c7"', f"{CUSTOM_USER_URN}:level eq 2"):
                assert await found(client, "/Users", text)
                sql, values = next(item for item in asked if "sb_attr" in item[0])
                plan = await plan_of(bridge, sql, *values)
                assert "sb_attr_lookup" in plan, plan
                assert "Seq Scan on sb_resource" not in plan and "SCAN r" not in plan, plan
                asked.clear()
        finally:
            type(reads).all = plain  # type: ignore[method-assign]

    door(body, attributes=DECLARED)


def test_an_attribute_declared_as_indexed_later_is_built_in_batches_and_used_when_complete(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = (AttributeSettings("costCode"), AttributeSettings("level", "integer", indexed=True))
    later = (AttributeSettings("costCode", indexed=True), AttributeSettings("level", "integer"))
    text = f'{CUSTOM_USER_URN}:costCode eq "c1"'
    monkeypatch.setattr(indexing, "BATCH", 4)

    async def before(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(10):
            answer = await client.post("/Users", person(f"u{number}", costCode=f"C{number % 2}", level=1))
            assert answer.status == 201
        assert len(await found(client, "/Users", text)) == 5

    async def after(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        index = bridge.store.indexes
        # The first batch was done at start, and did not reach the end: nobody asks the index yet.
        assert index.ready == frozenset() and len(await found(client, "/Users", text)) == 5
        changed = await found(client, "/Users", 'userName eq "u9"')
        assert changed == ["u9"]
        # What is written while it is built is in it, whether the building has passed it or not.
        for name, code in (("u1", "other"), ("u9", "other"), ("u0", "C1"), ("u8", "C1")):
            one = (await client.get(f'/Users?filter=userName eq "{name}"'))["Resources"][0]
            await client.put(f"/Users/{one['id']}", person(name, costCode=code))
        while not index.ready:
            assert await indexing.upkeep(bridge.store, batches=1) <= 4
        assert await found(client, "/Users", text) == ["u0", "u3", "u5", "u7", "u8"]
        states = {
            row["name"]: (row["state"], row["entries"]) for row in await indexing.states(bridge.store.reads)
        }
        assert states == {
            "CustomUser:costCode:folded": ("ready", 10),
            "CustomUser:level:number": ("stale", 10),
        }
        await indexing.rebuild(bridge.store)
        states = {row["name"]: row["state"] for row in await indexing.states(bridge.store.reads)}
        assert states == {"CustomUser:costCode:folded": "ready"}
        rows = await bridge.store.reads.all("SELECT DISTINCT name FROM sb_attr WHERE name <> 'emails.value'")
        assert [row["name"] for row in rows] == ["CustomUser:costCode:folded"]

    door(before, attributes=plain)
    door(after, attributes=later)


def test_an_index_declared_again_makes_good_what_it_missed(door: Door) -> None:
    indexed = (AttributeSettings("costCode", indexed=True),)
    ids: list[str] = []

    async def first(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        ids.append((await client.post("/Users", person("ann", costCode="A")))["id"])

    async def without(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        await client.put(f"/Users/{ids[0]}", person("ann", costCode="B"))

    async def again(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        assert bridge.store.indexes.ready
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "A"') == []
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "B"') == ["ann"]

    door(first, attributes=indexed)
    door(without, attributes=(AttributeSettings("costCode"),))
    door(again, attributes=indexed)


def test_another_process_finds_out_that_an_index_is_ready(door: Door, clock: ManualClock) -> None:
    async def body(bridge: Bridge) -> None:
        other = Store(
            bridge.store.database,
            clock,
            UuidV7(clock),
            Indexes(indexes_of((AttributeSettings("x", indexed=True),))),
        )
        assert await indexing.upkeep(other) == 0 and other.indexes.ready

    door(body, attributes=(AttributeSettings("x", indexed=True),))


def test_values_of_any_length_are_found_and_none_is_taken_for_another(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        long = "ΐ" * 4000
        for name, value in (("a", long), ("b", long + "x")):
            assert (await client.post("/Users", person(name, costCode=value))).status == 201
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "{long}"') == ["a"]
        rows = await bridge.store.reads.all("SELECT key FROM sb_attr WHERE name LIKE 'CustomUser%'")
        assert await client.post("/Users", person("c", costCode=rows[0]["key"]))
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "{rows[0]["key"]}"') == ["c"]

    door(body, attributes=(AttributeSettings("costCode", indexed=True),))


def test_creates_of_a_bulk_request_are_indexed_like_others(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        steps = [
            {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": person(f"u{n}", costCode="Z")}
            for n in range(5)
        ]
        urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
        answer = await client.post("/Bulk", {"schemas": [urn], "Operations": steps})
        assert [item["status"] for item in answer["Operations"]] == ["201"] * 5
        assert len(await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "z"')) == 5

    door(body, attributes=(AttributeSettings("costCode", indexed=True),))


WRONG = [
    ('name = "a b"', "scim.attributes.a b.name"),
    ('type = "string"', "scim.attributes.1.name"),
    ('name = "x"\ntype = "complex"', "scim.attributes.x.type"),
    ('name = "x"\ntpye = "string"', "scim.attributes.x.tpye"),
    ('name = "x"\nindexed = "perhaps"', "scim.attributes.x.indexed"),
    ('name = "x"\napplies_to = ["Robot"]', "scim.attributes.x.applies_to"),
    ('name = "x"\napplies_to = []', "scim.attributes.x.applies_to"),
    ('name = "x"\napplies_to = 5', "scim.attributes.x.applies_to"),
    ('name = "x"\napplies_to = ["User", "Agent"]', "scim.attributes.x.applies_to"),
    ('name = "x"\ntype = "integer"\ncase_exact = true', "scim.attributes.x.case_exact"),
    ('name = "x"\ntype = "integer"\ncanonical_values = ["1"]', "scim.attributes.x.canonical_values"),
    ('name = "x"\ncanonical_values = ["a", "A"]', "scim.attributes.x.canonical_values"),
    ('name = "x"\n[[scim.attributes]]\nname = "X"', "scim.attributes.X"),
    ('name = "x"\n[[scim.attributes]]\nname = "X"\napplies_to = ["Agent"]', "scim.attributes.X"),
]


@pytest.mark.parametrize(("text", "key"), WRONG)
def test_a_wrong_declaration_is_named_with_its_fix(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[[scim.attributes]]\n{text}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, {})
    assert caught.value.key == key and caught.value.fix and "\n" not in caught.value.message


def test_the_environment_cannot_declare_attributes_and_says_how() -> None:
    with pytest.raises(ConfigurationError, match=r"scim\.attributes") as caught:
        load_settings(None, {"SCIM_BRIDGE_SCIM__ATTRIBUTES": "costCode"})
    assert "[[scim.attributes]]" in caught.value.fix


def test_declarations_come_from_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        '[[scim.attributes]]\nname = "costCode"\nindexed = true\n'
        '[[scim.attributes]]\nname = "tier"\napplies_to = ["Agent", "Group"]\ncanonical_values = ["a", "b"]\n'
    )
    made = load_settings(file, {}).scim.attributes
    assert [(one.name, one.indexed, one.applies_to) for one in made] == [
        ("costCode", True, ("User",)),
        ("tier", False, ("Agent", "Group")),
    ]


def test_who_declares_nothing_has_the_types_everybody_has() -> None:
    assert all(catalogue().types[name] is schema.of(name) for name in schema.NAMES)


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


def test_two_processes_that_build_an_index_together_build_it_once(
    door: Door, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed = (AttributeSettings("costCode", indexed=True),)

    async def before(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(20):
            await client.post("/Users", person(f"u{number}", costCode=f"C{number}"))

    async def after(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        other = Store(bridge.store.database, clock, UuidV7(clock), Indexes(indexes_of(indexed)))
        writes = [
            client.put(f"/Users/{item['id']}", person(item["userName"], costCode="new"))
            for item in (await client.get("/Users?count=20"))["Resources"][::2]
        ]
        assert not bridge.store.indexes.ready
        await asyncio.gather(indexing.upkeep(bridge.store), indexing.upkeep(other), *writes)
        assert bridge.store.indexes.ready and other.indexes.ready
        rows = await bridge.store.reads.all("SELECT key FROM sb_attr WHERE name LIKE 'Custom%'")
        keys = [row["key"] for row in rows]
        assert (len(keys), keys.count("new")) == (20, 10)

    monkeypatch.setattr(indexing, "BATCH", 3)
    door(before, attributes=(AttributeSettings("costCode"),))
    door(after, attributes=indexed)
