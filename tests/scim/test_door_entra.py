"""Entra's provisioning service, as documented, in both of its PATCH dialects."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.kernel.telemetry import REWRITES
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.registry.signal import DELETED, LEFT, RETURNED
from tests.scim.bridge import Bridge, Client

LEGACY, FLAGGED = "entra", "entra-062020"
PATCH_OP = '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":['


@pytest.fixture(params=[LEGACY, FLAGGED])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def created(login: str, object_id: str, user_type: str = "") -> str:
    """A create as Entra writes it, byte for byte."""
    marker = f'"userType":"{user_type}",' if user_type else ""
    return (
        f'{{"schemas":["{USER_URN}","{ENTERPRISE_URN}"],"externalId":"{object_id}","userName":"{login}",'
        f'"active":true,{marker}"emails":[{{"primary":true,"type":"work","value":"{login}"}}],'
        '"meta":{"resourceType":"User"},"name":{"formatted":"G F","familyName":"F","givenName":"G"},"roles":[]}'
    )


async def provision(entra: Client, login: str, object_id: str, user_type: str = "") -> str:
    """Match, then create; the id on our side."""
    found = await entra.get(f'/Users?filter=externalId eq "{object_id}"')
    assert (found.status, found["totalResults"]) == (200, 0)
    made = await entra.post("/Users", created(login, object_id, user_type))
    assert made.status == 201, made.content
    assert made["id"] and made["meta"]["resourceType"] == "User"
    return str(made["id"])


async def patch(entra: Client, path: str, operations: str, flag: bool) -> Any:
    """A PATCH; with the flag in the tenant URL every request carries the query key."""
    return await entra.call(
        "PATCH", path + ("?aadOptscim062020" if flag else ""), f"{PATCH_OP}{operations}]}}"
    )


def test_the_connection_test_finds_nobody_and_says_so_with_200(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        answer = await entra.get(
            "/Users?aadOptscim062020&filter=userName+eq+%222f4b2e2a-7c0e-4c62-9c63-7b9f4f3a5e51%22"
        )
        assert answer.status == 200
        assert (answer["totalResults"], answer["Resources"]) == (0, [])

    door(body)


def test_an_agent_user_is_provisioned_disabled_and_restored(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        agent = await provision(entra, "bot@contoso.example", "0a-object", "Agent")
        off, on = {
            LEGACY: (
                '{"op":"Replace","path":"active","value":"False"}',
                '{"op":"Replace","path":"active","value":"True"}',
            ),
            FLAGGED: (
                '{"op":"replace","path":"active","value":false}',
                '{"op":"replace","path":"active","value":true}',
            ),
        }[dialect]
        answer = await patch(entra, f"/Users/{agent}", off, dialect == FLAGGED)
        assert answer.status == 200
        assert answer["active"] is False
        assert answer[AGENT_URN]["holds"][0]["reason"] == f"Entra connection '{dialect}' deactivated it"
        found = await entra.get('/Users?filter=externalId eq "0a-object"')
        assert found["Resources"][0]["active"] is False, "a disabled user stays visible in every read"
        answer = await patch(entra, f"/Users/{agent}", on, dialect == FLAGGED)
        assert answer["active"] is True
        assert (await entra.delete(f"/Users/{agent}")).status == 204
        assert (await entra.get(f"/Users/{agent}")).status == 404
        assert (await entra.get('/Users?filter=externalId eq "0a-object"'))["totalResults"] == 0

    door(body)


def test_a_person_who_is_disabled_enabled_and_purged_is_three_signals(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        person = await provision(entra, "maria@contoso.example", "0b-object")
        for value in ('"False"', '"true"'):
            operation = f'{{"op":"Replace","path":"active","value":{value}}}'
            assert (await patch(entra, f"/Users/{person}", operation, dialect == FLAGGED)).status == 200
        assert (await entra.delete(f"/Users/{person}")).status == 204
        assert bridge.kinds == [LEFT, RETURNED, DELETED]

    door(body)


def test_attributes_change_one_operation_each_in_the_older_dialect(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(LEGACY)
        boss = await provision(entra, "boss@contoso.example", "0c")
        person = await provision(entra, "maria@contoso.example", "0d")
        operations = ",".join(
            (
                '{"op":"Add","path":"nickName","value":"Babs"}',
                '{"op":"Replace","path":"name.givenName","value":"Barbara"}',
                f'{{"op":"Add","path":"{ENTERPRISE_URN}:employeeNumber","value":"42"}}',
                f'{{"op":"Add","path":"{ENTERPRISE_URN}.department","value":"Tours"}}',
                '{"op":"Replace","path":"emails[type eq \\"work\\"].value","value":"barbara@contoso.example"}',
                '{"op":"Add","path":"phoneNumbers[type eq \\"mobile\\"].value","value":"555-1"}',
                '{"op":"Add","path":"addresses[type eq \\"other\\"].Formatted","value":"Main St"}',
                f'{{"op":"Add","path":"manager","value":[{{"$ref":"http://../Users/1","value":"{boss}"}}]}}',
                '{"op":"Add","path":"title","value":[{"value":"Engineer"}]}',
            )
        )
        after = (await patch(entra, f"/Users/{person}", operations, False)).body
        assert (after["nickName"], after["title"]) == ("Babs", "Engineer")
        assert after["name"]["givenName"] == "Barbara"
        assert after[ENTERPRISE_URN]["employeeNumber"] == "42"
        assert after[ENTERPRISE_URN]["department"] == "Tours"
        assert after[ENTERPRISE_URN]["manager"]["value"] == boss
        assert after["emails"] == [{"primary": True, "type": "work", "value": "barbara@contoso.example"}]
        assert after["phoneNumbers"] == [{"type": "mobile", "value": "555-1"}]
        assert after["addresses"] == [{"type": "other", "formatted": "Main St"}]
        linked = await entra.get(f'/Users?filter=id eq "{person}" and manager eq "{boss}"&attributes=id')
        assert (linked["totalResults"], linked["Resources"][0]["id"]) == (1, person)
        row = await bridge.store.reads.one("SELECT manager_id FROM sb_person WHERE id = ?", person)
        assert row["manager_id"] == boss

    door(body)


def test_attributes_come_flattened_and_without_path_in_the_newer_dialect(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(FLAGGED, FLAGGED)
        person = await provision(entra, "maria@contoso.example", "0d")
        value = (
            '{"displayName":"Barbara","name.givenName":"Barbara","externalId":"0e",'
            f'"{ENTERPRISE_URN}:department":"Tours","{ENTERPRISE_URN}:employeeNumber":"42"}}'
        )
        operations = (
            '{"op":"replace","path":"emails[type eq \\"work\\"].value","value":"b@contoso.example"},'
            f'{{"op":"replace","value":{value}}}'
        )
        after = (await patch(entra, f"/Users/{person}", operations, True)).body
        assert after["displayName"] == "Barbara"
        assert after["name"] == {"formatted": "G F", "familyName": "F", "givenName": "Barbara"}
        assert after["externalId"] == "0e"
        assert after[ENTERPRISE_URN] == {"department": "Tours", "employeeNumber": "42"}
        assert after["emails"][0]["value"] == "b@contoso.example"

    door(body)


def test_a_manager_is_set_changed_and_cleared_in_every_shape(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        bosses = [await provision(entra, f"boss{n}@contoso.example", f"b{n}") for n in range(2)]
        person = await provision(entra, "maria@contoso.example", "0d")
        shapes = [
            (f'{{"op":"Add","path":"{ENTERPRISE_URN}:manager","value":"{bosses[0]}"}}', bosses[0]),
            (
                f'{{"op":"Replace","path":"{ENTERPRISE_URN}:manager","value":{{"value":"{bosses[1]}"}}}}',
                bosses[1],
            ),
            (f'{{"op":"Replace","path":"manager","value":[{{"value":"{bosses[0]}"}}]}}', bosses[0]),
            (f'{{"op":"Replace","path":"{ENTERPRISE_URN}:manager","value":""}}', None),
            (f'{{"op":"Add","path":"{ENTERPRISE_URN}:manager.value","value":"{bosses[1]}"}}', bosses[1]),
            (f'{{"op":"Remove","path":"{ENTERPRISE_URN}:manager"}}', None),
        ]
        for operation, expected in shapes:
            after = await patch(entra, f"/Users/{person}", operation, dialect == FLAGGED)
            assert after.status == 200, (operation, after.content)
            manager = (after.body.get(ENTERPRISE_URN) or {}).get("manager") or {}
            assert manager.get("value") == expected, operation

    door(body)


def test_null_and_empty_updates_leave_the_attribute_unassigned(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        person = await provision(entra, "maria@contoso.example", "0d")
        paths = [
            "title", "nickName", "name.formatted", 'addresses[type eq \\"work\\"].streetAddress',
            'phoneNumbers[type eq \\"work\\"].value', 'emails[type eq \\"work\\"].value',
            f"{ENTERPRISE_URN}:department", "timezone", "preferredLanguage",
        ]  # fmt: skip
        for value in ('""', "null"):
            filled = ",".join(f'{{"op":"Add","path":"{path}","value":"x"}}' for path in paths)
            assert (await patch(entra, f"/Users/{person}", filled, False)).status == 200
            emptied = ",".join(f'{{"op":"replace","path":"{path}","value":{value}}}' for path in paths)
            after = await patch(entra, f"/Users/{person}", emptied, False)
            assert after.status == 200, after.content
            assert (
                not {"title", "nickName", "timezone", "preferredLanguage", ENTERPRISE_URN} & after.body.keys()
            )
            assert "formatted" not in after["name"]
            for name in ("phoneNumbers", "emails", "addresses"):
                assert not any(
                    "value" in item or "streetAddress" in item for item in after.body.get(name, [])
                )

    door(body)


def test_members_are_added_and_exactly_those_named_are_removed(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        users = [await provision(entra, f"u{n}@contoso.example", f"o{n}") for n in range(4)]
        found = await entra.get('/Groups?excludedAttributes=members&filter=displayName eq "Bots"')
        assert (found.status, found["totalResults"]) == (200, 0)
        sent = (
            '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group",'
            '"http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],'
            '"externalId":"g-object","displayName":"Bots","meta":{"resourceType":"Group"}}'
        )
        made = await entra.post("/Groups", sent)
        assert made.status == 201
        group = made["id"]
        listed = ",".join(f'{{"$ref":null,"value":"{user}"}}' for user in users)
        added = f'{{"op":"Add","path":"members","value":[{listed}]}}'
        answer = await patch(entra, f"/Groups/{group}", added, dialect == FLAGGED)
        assert (answer.status, answer.content) == (204, b"")
        if dialect == LEGACY:
            named = f'{{"$ref":null,"value":"{users[0]}"}},{{"value":"{users[1]}"}}'
            removed = f'{{"op":"Remove","path":"members","value":[{named}]}}'
        else:
            removed = ",".join(
                f'{{"op":"remove","path":"members[value eq \\"{user}\\"]"}}' for user in users[:2]
            )
        assert (await patch(entra, f"/Groups/{group}", removed, dialect == FLAGGED)).status == 204
        light = await entra.get(f"/Groups/{group}?excludedAttributes=members")
        assert "members" not in light.body
        full = await entra.get(f"/Groups/{group}")
        assert sorted(member["value"] for member in full["members"]) == sorted(users[2:])
        for user, there in ((users[2], 1), (users[0], 0)):
            query = f'filter=id eq "{group}" and members eq "{user}"&attributes=id&excludedAttributes=members'
            assert (await entra.get(f"/Groups?{query}"))["totalResults"] == there
        renamed = '{"op":"Replace","path":"displayName","value":"Robots"}'
        assert (await patch(entra, f"/Groups/{group}", renamed, dialect == FLAGGED)).status == 204
        assert (await entra.get(f"/Groups/{group}"))["displayName"] == "Robots"
        assert (await entra.delete(f"/Groups/{group}")).status == 204

    door(body)


def test_a_removal_that_names_nothing_we_understand_removes_nobody(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(LEGACY)
        users = [await provision(entra, f"u{n}@contoso.example", f"o{n}") for n in range(2)]
        group = (
            await entra.post("/Groups", {"displayName": "Bots", "members": [{"value": u} for u in users]})
        )["id"]
        for value in ("[{}]", "[null]", "7", '[{"value":""}]', '[{"value":7}]', "[[]]", "null"):
            answer = await patch(
                entra, f"/Groups/{group}", f'{{"op":"Remove","path":"members","value":{value}}}', False
            )
            assert answer.status == 400, value
        for value in ("[]", '[{"value":"stranger"}]'):
            answer = await patch(
                entra, f"/Groups/{group}", f'{{"op":"Remove","path":"members","value":{value}}}', False
            )
            assert answer.status == 204, value
        assert len((await entra.get(f"/Groups/{group}"))["members"]) == 2

    door(body)


def test_roles_come_as_objects_as_text_and_chosen_by_a_quoted_boolean(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(LEGACY)
        person = await provision(entra, "maria@contoso.example", "0d")
        text = '{\\"id\\":\\"18d1\\",\\"value\\":\\"Admin\\",\\"displayName\\":\\"Administrator\\"}'
        after = await patch(
            entra, f"/Users/{person}", f'{{"op":"Add","path":"roles","value":[{{"value":"{text}"}}]}}', False
        )
        assert after["roles"] == [{"value": "Admin", "display": "Administrator"}]
        chosen = '{"op":"Add","path":"roles[primary eq \\"True\\"].value","value":"User"}'
        after = await patch(entra, f"/Users/{person}", chosen, False)
        assert {"primary": True, "value": "User"} in after["roles"]
        role = '{"primary":"False","type":"WindowsAzureActiveDirectoryRole","display":"A","value":"A"}'
        replaced = f'{{"op":"replace","path":"roles","value":[{role}]}}'
        after = await patch(entra, f"/Users/{person}", replaced, False)
        assert after["roles"] == [
            {"primary": False, "type": "WindowsAzureActiveDirectoryRole", "display": "A", "value": "A"}
        ]

    door(body)


def test_top_level_enterprise_names_nulls_and_capitals_are_read(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(LEGACY)
        sent = {
            "schemas": [USER_URN, ENTERPRISE_URN],
            "externalId": "0d",
            "userName": "maria@contoso.example",
            "active": "True",
            "addresses": None,
            "phoneNumbers": None,
            "title": None,
            "department": "Tours",
            "manager": None,
            "Emails": [{"Primary": True, "type": "work", "value": "maria@contoso.example"}],
            "name": {"GivenName": "Maria", "familyName": "S"},
            "favouriteColour": "green",
        }
        made = await entra.post("/Users", sent)
        assert made.status == 201
        assert made["active"] is True
        assert made[ENTERPRISE_URN] == {"department": "Tours"}
        assert made["name"]["givenName"] == "Maria"
        assert made["emails"][0]["primary"] is True
        assert "favouriteColour" not in made.body

    door(body)


def test_unquoted_filter_values_are_read(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(LEGACY)
        await provision(entra, "maria@contoso.example", "jyoung")
        assert (await entra.get("/Users?filter=externalId eq jyoung"))["totalResults"] == 1
        strict = await bridge.client("letter", "strict")
        assert (await strict.get("/Users?filter=externalId eq jyoung")).status == 400

    sqlite_door(body)


def test_nothing_else_in_a_patch_keeps_a_deactivation_from_being_done(door, dialect) -> None:
    odd = [
        '{"op":"Replace","path":"emails[type eq \\"work\\"","value":"x"}',
        '{"op":"Replace","path":"name.givenName","value":{"not":"a text"}}',
        '{"op":"Replace","path":"userName","value":""}',
        f'{{"op":"Replace","path":"{AGENT_URN}:owner","value":{{"value":"nobody we know"}}}}',
        '{"op":"Replace","path":"userName","value":"taken@contoso.example"}',
    ]

    async def body(bridge: Bridge) -> None:
        entra = await bridge.client(dialect, dialect)
        await provision(entra, "taken@contoso.example", "0x")
        agent = await provision(entra, "bot@contoso.example", "0a", "Agent")
        off = '{"op":"Replace","path":"active","value":"False"}'
        on = '{"op":"Replace","path":"active","value":"True"}'
        for operation in odd:
            refused = await patch(entra, f"/Users/{agent}", operation, False)
            assert refused.status in (400, 409), operation
            done = await patch(entra, f"/Users/{agent}", f"{operation},{off}", False)
            assert (done.status, done["active"]) == (200, False), (operation, done.content)
            assert (await patch(entra, f"/Users/{agent}", on, False))["active"] is True

    door(body)


def test_every_rewrite_is_counted_for_its_connection(sqlite_door) -> None:
    def counted(name: str) -> float:
        return REWRITES.labels("counted", name)._value.get()

    async def body(bridge: Bridge) -> None:
        entra = await bridge.client("counted", LEGACY)
        person = await provision(entra, "maria@contoso.example", "0d")
        names = ("op-case", "text-booleans", "enterprise-name", "single-in-list")
        before = {name: counted(name) for name in names}
        operations = (
            '{"op":"Replace","path":"active","value":"True"},'
            '{"op":"Add","path":"manager","value":[{"value":"x"}]}'
        )
        assert (await patch(entra, f"/Users/{person}", operations, False)).status == 200
        assert {name: counted(name) - before[name] for name in names} == dict.fromkeys(names, 1.0)

    sqlite_door(body)
