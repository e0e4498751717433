"""Promises of the provisioning service's bodies: byte for byte what Microsoft documents, in both dialects."""

from __future__ import annotations

import orjson
import pytest

from scim_bridge.sandbox.entra.scim import dialect as dialects
from scim_bridge.sandbox.entra.scim import mapping
from scim_bridge.sandbox.entra.scim.dialect import LEGACY, MODERN, Change
from scim_bridge.sandbox.entra.scim.target import filter_query

E = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
P = '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":['
ANA = {
    "id": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
    "userPrincipalName": "ana@contoso.com",
    "mail": "ana@contoso.com",
    "displayName": "Ana Ruiz",
    "givenName": "Ana",
    "surname": "Ruiz",
    "accountEnabled": True,
    "mailNickname": "ana",
}


def sent(body: object) -> str:
    """The bytes of a body, as text."""
    return orjson.dumps(body).decode()


def test_a_create_has_the_documented_members_in_their_order() -> None:
    values = mapping.desired(ANA, active=True)
    assert sent(mapping.create_user(values)) == (
        '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User",'
        '"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],'
        '"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"ana@contoso.com","active":true,'
        '"displayName":"Ana Ruiz","emails":[{"primary":true,"type":"work","value":"ana@contoso.com"}],'
        '"meta":{"resourceType":"User"},'
        '"name":{"formatted":"Ana Ruiz","familyName":"Ruiz","givenName":"Ana"},"roles":[]}'
    )


def test_an_agent_says_so_in_user_type() -> None:
    values = mapping.desired({**ANA, "employeeType": "Agent"}, active=True)
    assert values["userType"] == "Agent" and mapping.create_user(values)["userType"] == "Agent"


def test_null_and_empty_values_are_never_sent() -> None:
    bare = {
        "id": "1",
        "userPrincipalName": "x@contoso.com",
        "mail": None,
        "jobTitle": "",
        "accountEnabled": True,
    }
    assert sent(mapping.create_user(mapping.desired(bare, active=True))) == (
        '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User",'
        '"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],'
        '"externalId":"1","userName":"x@contoso.com","active":true,"meta":{"resourceType":"User"},"roles":[]}'
    )


def test_the_classic_external_id_is_the_mail_nickname() -> None:
    assert mapping.desired(ANA, active=True, external_id="mailNickname")["externalId"] == "ana"


def test_a_group_is_created_without_members_and_with_the_legacy_urn() -> None:
    assert sent(mapping.create_group({"id": "g", "displayName": "staff"})) == (
        '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group",'
        '"http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],'
        '"externalId":"g","displayName":"staff","meta":{"resourceType":"Group"}}'
    )


@pytest.mark.parametrize(
    ("dialect", "active", "operation"),
    [
        (LEGACY, False, '{"op":"Replace","path":"active","value":"False"}'),
        (LEGACY, True, '{"op":"Replace","path":"active","value":"True"}'),
        (MODERN, False, '{"op":"replace","path":"active","value":false}'),
        (MODERN, True, '{"op":"replace","path":"active","value":true}'),
    ],
)
def test_disabling_is_a_text_in_the_old_dialect_and_a_boolean_in_the_new(
    dialect: dialects.Dialect, active: bool, operation: str
) -> None:
    assert sent(dialects.update(dialect, [Change("active", active, True)])) == P + operation + "]}"


CHANGES = [
    Change("displayName", "Bjfe", True),
    Change('emails[type eq "work"].value', "t@contoso.com", True),
    Change("name.givenName", "Kkom", True),
    Change(f"{E}:employeeNumber", "Aklq", True),
    Change("title", "Lead", False),
    Change('phoneNumbers[type eq "work"].value', "1", False),
]


def test_the_old_dialect_writes_one_operation_an_attribute() -> None:
    assert (
        sent(dialects.update(LEGACY, CHANGES))
        == P
        + ",".join(
            [
                '{"op":"Replace","path":"displayName","value":"Bjfe"}',
                '{"op":"Replace","path":"emails[type eq \\"work\\"].value","value":"t@contoso.com"}',
                '{"op":"Replace","path":"name.givenName","value":"Kkom"}',
                f'{{"op":"Replace","path":"{E}:employeeNumber","value":"Aklq"}}',
                '{"op":"Add","path":"title","value":"Lead"}',
                '{"op":"Add","path":"phoneNumbers[type eq \\"work\\"].value","value":"1"}',
            ]
        )
        + "]}"
    )


def test_the_new_dialect_merges_what_has_no_filter_under_flattened_names() -> None:
    assert (
        sent(dialects.update(MODERN, CHANGES))
        == P
        + ",".join(
            [
                '{"op":"replace","path":"emails[type eq \\"work\\"].value","value":"t@contoso.com"}',
                '{"op":"add","path":"phoneNumbers[type eq \\"work\\"].value","value":"1"}',
                f'{{"op":"replace","value":{{"displayName":"Bjfe","name.givenName":"Kkom","{E}:employeeNumber":"Aklq"}}}}',
                '{"op":"add","path":"title","value":"Lead"}',
            ]
        )
        + "]}"
    )


def test_members_are_added_as_a_value_array_in_both_dialects() -> None:
    values = '"path":"members","value":[{"$ref":null,"value":"u1"},{"$ref":null,"value":"u2"}]}]}'
    assert sent(dialects.add_members(LEGACY, ["u1", "u2"])) == P + '{"op":"Add",' + values
    assert sent(dialects.add_members(MODERN, ["u1", "u2"])) == P + '{"op":"add",' + values


def test_members_are_removed_by_value_in_the_old_dialect_and_by_filter_in_the_new() -> None:
    assert sent(dialects.remove_members(LEGACY, ["u1"])) == (
        P + '{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}]}'
    )
    assert sent(dialects.remove_members(MODERN, ["u1", "u2"])) == (
        P
        + '{"op":"remove","path":"members[value eq \\"u1\\"]"},'
        + '{"op":"remove","path":"members[value eq \\"u2\\"]"}]}'
    )


def test_a_manager_is_written_in_each_shape_seen_in_the_field() -> None:
    base = "https://h/scim/v2"
    assert sent(dialects.manager(LEGACY, "array", "1", base)) == (
        P + '{"op":"Add","path":"manager","value":[{"$ref":"https://h/scim/v2/Users/1","value":"1"}]}]}'
    )
    assert sent(dialects.manager(MODERN, "string", "1", base)) == (
        P + f'{{"op":"add","path":"{E}:manager","value":"1"}}]}}'
    )
    assert sent(dialects.manager(MODERN, "object", "1", base)) == (
        P + f'{{"op":"add","path":"{E}:manager","value":{{"value":"1"}}}}]}}'
    )
    assert sent(dialects.manager(LEGACY, "array", None, base)) == P + '{"op":"Remove","path":"manager"}]}'
    assert sent(dialects.manager(MODERN, "string", None, base)) == (
        P + f'{{"op":"remove","path":"{E}:manager"}}]}}'
    )


def test_a_rename_keeps_its_path() -> None:
    assert (
        sent(dialects.rename_group(LEGACY, "n")) == P + '{"op":"Replace","path":"displayName","value":"n"}]}'
    )
    assert (
        sent(dialects.rename_group(MODERN, "n")) == P + '{"op":"replace","path":"displayName","value":"n"}]}'
    )


def test_the_flag_comes_with_every_request_of_the_new_dialect_only() -> None:
    assert dialects.target_query(LEGACY, "/Users/1") == "/Users/1"
    assert dialects.target_query(MODERN, "/Users/1") == "/Users/1?aadOptscim062020"
    assert dialects.target_query(MODERN, "/Users?filter=x") == "/Users?filter=x&aadOptscim062020"


def test_filters_are_encoded_as_captured_on_the_wire() -> None:
    assert filter_query('externalId eq "Sync_AADC01_bddd"') == "filter=externalId+eq+%22Sync_AADC01_bddd%22"


def test_only_what_differs_is_written_and_active_comes_first() -> None:
    values = mapping.desired({**ANA, "department": "Support"}, active=False)
    resource = {
        **mapping.create_user(mapping.desired(ANA, active=True)),
        "displayName": "Old",
        "active": "True",
    }
    assert [(one.path, one.present) for one in mapping.changes(values, resource)] == [
        ("active", True),
        ("displayName", True),
        (f"{E}:department", False),
    ]
    assert mapping.changes(mapping.desired(ANA, active=True), {**resource, "displayName": "Ana Ruiz"}) == []
