"""Promises of agent identities: the order they are made in, who answers for them, what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.sandbox.entra.graph import people_rules
from scim_bridge.sandbox.entra.graph.errors import GraphError
from tests.sandbox.entra.world import (
    GRAPH,
    IDENTITIES,
    World,
    identity_body,
    reference,
    user_url,
)

BLUEPRINTS = "applications/microsoft.graph.agentIdentityBlueprint"
PRINCIPALS = "servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal"


def test_blueprint_principal_and_identity_are_made_in_this_order_and_no_other(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    status, _, message = api.refused("POST", IDENTITIES, identity_body("0" * 8, ana))
    assert (status, message) == (400, "Object with id 00000000 not found.")
    blueprint = world.blueprint(api, ana, principal=False)
    status, code, message = api.refused("POST", IDENTITIES, identity_body(blueprint, ana))
    assert (status, code) == (400, "AgentIdentity_AgentBlueprintPrincipalDoesNotExist")
    assert message == "The Agent Blueprint Principal for the Agent Blueprint does not exist."
    api.ok("POST", "servicePrincipals/graph.agentIdentityBlueprintPrincipal", {"appId": blueprint})
    made = api.ok("POST", IDENTITIES, identity_body(blueprint, ana))
    assert made["@odata.type"] == "#microsoft.graph.agentIdentity"
    assert made["servicePrincipalType"] == "ServiceIdentity" and made["accountEnabled"] is True
    assert made["agentIdentityBlueprintId"] == blueprint and made["createdByAppId"] == api.app_id


def test_both_ways_to_make_a_blueprint_make_the_same(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    body = {"displayName": "one", "sponsors@odata.bind": [user_url(ana)]}
    typed = api.ok("POST", BLUEPRINTS, body)
    plain = api.ok("POST", "applications", {"@odata.type": "Microsoft.Graph.AgentIdentityBlueprint", **body})
    assert typed["@odata.type"] == plain["@odata.type"] == "#microsoft.graph.agentIdentityBlueprint"
    assert {one["id"] for one in api.listed(BLUEPRINTS)} == {typed["id"], plain["id"]}


def test_a_blueprint_upserted_by_its_unique_name_is_made_once(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    path = "applications(uniqueName='bridge')/microsoft.graph.agentIdentityBlueprint"
    body = {"displayName": "bridge", "sponsors@odata.bind": [user_url(ana)]}
    assert api.call("PATCH", path, body).status == 404
    assert api.call("PATCH", path, body, prefer="create-if-missing").status == 201
    assert api.call("PATCH", path, {"displayName": "new"}, prefer="create-if-missing").status == 204
    assert [one["displayName"] for one in api.listed(BLUEPRINTS)] == ["new"]


@pytest.mark.parametrize("path", [BLUEPRINTS, IDENTITIES])
def test_nothing_is_made_without_a_sponsor(world: World, path: str) -> None:
    api, ana = world.admin(), world.user("ana")
    body = identity_body(world.blueprint(api, ana), ana)
    del body["sponsors@odata.bind"]
    if path == BLUEPRINTS:
        del body["agentIdentityBlueprintId"]
    status, code, message = api.refused("POST", path, body)
    assert (status, code, message) == (400, "Request_BadRequest", people_rules.NO_SPONSOR)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"passwordCredentials": []}, "AgentIdentity_CredentialsNotSupported"),
        ({"notes": "x"}, "AgentBlueprintPrincipal_AgentIdentity_IncompatibleProperty"),
        ({"description": "x"}, "AgentBlueprintPrincipal_AgentIdentity_IncompatibleProperty"),
        ({"servicePrincipalType": "Application"}, "Request_BadRequest"),
        ({"createdByAppId": "x"}, "Request_BadRequest"),
        ({"displayName": ""}, "Request_BadRequest"),
        ({"displayName": "x" * 257}, "Request_BadRequest"),
        ({"accountEnabled": "false"}, "Request_BadRequest"),
        ({"tags": "x"}, "Request_BadRequest"),
    ],
)
def test_an_agent_identity_refuses_what_it_cannot_hold(
    world: World, change: dict[str, Any], code: str
) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    assert api.refused("POST", IDENTITIES, {**identity_body(blueprint, ana), **change})[:2] == (400, code)
    assert api.refused("PATCH", f"servicePrincipals/{own}", change)[:2] == (400, code)


def test_the_blueprint_of_an_identity_cannot_change_and_must_be_one(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    path = f"servicePrincipals/{own}/microsoft.graph.agentIdentity"
    _, _, message = api.refused("PATCH", path, {"agentIdentityBlueprintId": "x"})
    assert message == "Property 'agentIdentityBlueprintId' is read-only and cannot be set."
    code = api.refused("POST", IDENTITIES, identity_body(api.app_id, ana))[1]
    assert code == "AgentIdentity_IncompatibleParentType"
    code = api.refused("POST", PRINCIPALS, {"appId": world.app().app_id})[1]
    assert code == "Request_MultipleObjectsWithSameKeyValue"


def test_a_blueprint_principal_is_made_for_blueprints_only(world: World) -> None:
    admin = world.app("Application.ReadWrite.All", "AgentIdentityBlueprintPrincipal.Create")
    plain = admin.ok("POST", "applications", {"displayName": "plain"})["appId"]
    assert (
        admin.refused("POST", PRINCIPALS, {"appId": plain})[1]
        == "AgentBlueprintPrincipal_RequireAgentBlueprint"
    )
    code = admin.refused("POST", PRINCIPALS, {"appId": plain, "tags": []})[1]
    assert code == "AgentBlueprintPrincipal_IncompatibleProperty"
    assert "valid application" in admin.refused("POST", PRINCIPALS, {"appId": "0" * 8})[2]


def test_tags_are_filtered_with_those_that_are_inherited(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    api.ok("PATCH", f"applications(appId='{blueprint}')", {"tags": ["inherited"]})
    found = api.listed(f"{IDENTITIES}?$filter=tags/any(t:t eq 'inherited')")
    assert [one["id"] for one in found] == [own] and found[0]["tags"] == ["inherited"]


def test_one_tag_alone_finds_what_it_finds_among_other_terms(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    api.ok("PATCH", f"applications(appId='{blueprint}')", {"tags": ["Inherited"]})
    marked, other = world.identity(api, blueprint, ana), world.identity(api, blueprint, ana)
    api.ok("PATCH", f"servicePrincipals/{marked}/microsoft.graph.agentIdentity", {"tags": ["Mark"]})
    for tag, expected in (("mark", {marked}), ("INHERITED", {marked, other}), ("mar", set())):
        alone = f"tags/any(t:t eq '{tag}')"
        for text in (alone, f"{alone} and accountEnabled eq true", f"({alone})"):
            assert {one["id"] for one in api.listed(f"{IDENTITIES}?$filter={text}")} == expected, text


def test_disabling_and_naming_need_what_the_permission_tables_say(world: World) -> None:
    admin, ana = world.admin(), world.user("ana")
    own = world.identity(admin, world.blueprint(admin, ana), ana)
    path = f"servicePrincipals/{own}/microsoft.graph.agentIdentity"
    switch = world.app("AgentIdentity.EnableDisable.All")
    assert switch.call("PATCH", path, {"accountEnabled": False}).status == 204
    assert switch.refused("PATCH", path, {"displayName": "x"})[1] == "Authorization_RequestDenied"
    assert admin.ok("GET", path)["accountEnabled"] is False
    writer = world.app("AgentIdentity.ReadWrite.All")
    assert writer.refused("POST", IDENTITIES, identity_body("x", ana))[0] == 403, "writing is not creating"


def test_an_identity_shows_its_own_tags_and_its_blueprints(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    api.ok("PATCH", f"servicePrincipals/{own}", {"tags": ["own", "both"]})
    api.ok("PATCH", f"applications(appId='{blueprint}')", {"tags": ["both", "inherited"]})
    assert api.ok("GET", f"servicePrincipals/{own}?$select=tags")["tags"] == ["own", "both", "inherited"]


def test_sponsors_are_added_and_removed_one_by_one(world: World) -> None:
    api, ana, ben = world.admin(), world.user("ana"), world.user("ben")
    own = world.identity(api, world.blueprint(api, ana), ana)
    base = f"servicePrincipals/{own}/microsoft.graph.agentIdentity/sponsors"
    assert api.call("POST", f"{base}/$ref", reference(ben)).status == 204
    assert {one["id"] for one in api.listed(base)} == {ana, ben}
    assert {one["@odata.type"] for one in api.listed(base)} == {"#microsoft.graph.user"}
    message = api.refused("POST", f"{base}/$ref", reference(ben))[2]
    assert "already exist" in message and "'sponsors'" in message
    assert api.call("DELETE", f"{base}/{ben}/$ref").status == 204
    assert api.refused("DELETE", f"{base}/{ben}/$ref")[:2] == (404, "Request_ResourceNotFound")
    assert api.refused("DELETE", f"{base}/{ana}")[0] in (400, 405), "without $ref nothing is removed"


def test_owners_are_users_or_service_principals(world: World) -> None:
    api, ana, group = world.admin(), world.user("ana"), world.group("staff")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    other = world.identity(api, blueprint, ana, "Other")
    base = f"servicePrincipals/{own}/owners"
    api.ok("POST", f"{base}/$ref", reference(ana))
    api.ok("POST", f"{base}/$ref", reference(other))
    assert "an owner is" in api.refused("POST", f"{base}/$ref", reference(group))[2]
    assert {one["id"] for one in api.listed(base)} == {ana, other}


def test_who_cannot_sponsor_is_refused_by_name(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    agent_user = api.ok(
        "POST",
        "users/microsoft.graph.agentUser",
        {
            "accountEnabled": True,
            "displayName": "Triage",
            "mailNickname": "triage",
            "userPrincipalName": "triage@harborpine.example",
            "identityParentId": own,
        },
    )["id"]
    refused = {
        own: "a sponsor is a user or a group",
        agent_user: "an agent user cannot be a sponsor",
        world.group("plain"): "neither dynamic nor",
        world.group("admins", groupTypes=["Unified"], isAssignableToRole=True): "role-assignable",
    }
    path = f"servicePrincipals/{own}/sponsors/$ref"
    for object_id, why in refused.items():
        assert why in api.refused("POST", path, reference(object_id))[2]
    for types in (["Unified"], ["DynamicMembership"]):
        api.ok("POST", path, reference(world.group(types[0], groupTypes=types)))


def test_a_hundred_sponsors_and_five_groups_are_the_most() -> None:
    def people(count: int) -> list[Any]:
        return [("user", {"id": f"u{n}", "@odata.type": "#microsoft.graph.user"}) for n in range(count)]

    def groups(count: int) -> list[Any]:
        return [("group", {"id": f"g{n}", "groupTypes": ["Unified"]}) for n in range(count)]

    people_rules.check_sponsors([*people(95), *groups(5)], needed=True)
    with pytest.raises(GraphError, match="maximum of 100"):
        people_rules.check_sponsors(people(101), needed=True)
    with pytest.raises(GraphError, match="maximum of 5"):
        people_rules.check_sponsors(groups(6), needed=True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"@odata.id": "users/x"}, 400),
        ({"@odata.id": f"{GRAPH}/v1.0/users/not-a-guid"}, 400),
        ({"@odata.id": f"{GRAPH}/v1.0/planets/00000000-0000-0000-0000-000000000000"}, 400),
        ({"@odata.id": f"{GRAPH}/v1.0/users/00000000-0000-0000-0000-000000000000"}, 404),
        ({"@odata.id": f"{GRAPH}/v1.0/users/00000000-0000-0000-0000-000000000000", "more": 1}, 400),
        ({}, 400),
        ([], 400),
    ],
)
def test_a_reference_that_names_nobody_is_refused(world: World, body: Any, status: int) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    assert api.refused("POST", f"servicePrincipals/{own}/sponsors/$ref", body)[0] == status


def test_a_blueprint_makes_and_manages_its_own_children_only(world: World) -> None:
    admin, ana = world.admin(), world.user("ana")
    mine, other = world.blueprint(admin, ana), world.blueprint(admin, ana)
    secret = admin.ok("POST", f"applications(appId='{mine}')/addPassword", {})["secretText"]
    own = world.signed_in(mine, {"client_secret": secret})
    child = own.ok("POST", IDENTITIES, identity_body(mine, ana))["id"]
    assert own.call("PATCH", f"servicePrincipals/{child}", {"displayName": "Renamed"}).status == 204
    status, code, _ = own.refused("POST", IDENTITIES, identity_body(other, ana))
    assert (status, code) == (403, "Error_AgentBlueprintCannotCreateAssociatedIdentity")
    manager = world.app("AgentIdentity.CreateAsManager")
    status, code, _ = manager.refused("POST", IDENTITIES, identity_body(mine, ana))
    assert (status, code) == (403, "Error_AgentIdentitySelfCreateRequired")


def test_two_hundred_and_fifty_children_count_the_deleted_ones(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    world.set(max_identities_per_blueprint=2, max_blueprints=1)
    blueprint = world.blueprint(api, ana)
    first = world.identity(api, blueprint, ana)
    world.identity(api, blueprint, ana)
    api.ok("DELETE", f"servicePrincipals/{first}")
    assert api.refused("POST", IDENTITIES, identity_body(blueprint, ana))[1] == "AgentIdentity_LimitExceeded"
    api.ok("DELETE", f"directory/deletedItems/{first}")
    world.identity(api, blueprint, ana)
    body = {"displayName": "two", "sponsors@odata.bind": [user_url(ana)]}
    assert api.refused("POST", BLUEPRINTS, body)[1] == "AgentBlueprint_LimitExceeded"


def test_deleting_a_blueprint_takes_its_children_and_each_is_restored_singly(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    app = api.ok("GET", f"applications(appId='{blueprint}')")["id"]
    assert api.call("DELETE", f"applications/{app}").status == 204
    assert api.listed(IDENTITIES) == []
    gone = api.listed("directory/deletedItems/microsoft.graph.agentIdentity")
    assert [one["id"] for one in gone] == [own]
    assert api.ok("POST", f"directory/deletedItems/{own}/restore")["id"] == own
    assert [one["id"] for one in api.listed(IDENTITIES)] == [own]
    assert api.refused("POST", f"directory/deletedItems/{own}/restore")[0] == 404


def test_an_agent_user_has_one_parent_and_goes_with_it(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    body = {
        "accountEnabled": True,
        "displayName": "Triage",
        "mailNickname": "triage",
        "userPrincipalName": "triage@harborpine.example",
        "identityParentId": own,
    }
    made = api.ok("POST", "users/microsoft.graph.agentUser", body)
    assert made["@odata.type"] == "#microsoft.graph.agentUser" and made["identityParentId"] == own
    second = {**body, "userPrincipalName": "other@harborpine.example"}
    assert (
        "identityParentId already exists" in api.refused("POST", "users/microsoft.graph.agentUser", second)[2]
    )
    bad = {**second, "identityParentId": ana}
    assert "not found" in api.refused("POST", "users/microsoft.graph.agentUser", bad)[2]
    for name in ("identityParentId", "userPrincipalName", "mailNickname", "displayName", "accountEnabled"):
        left = {key: value for key, value in body.items() if key != name}
        assert name in api.refused("POST", "users/microsoft.graph.agentUser", left)[2]
    api.ok("DELETE", f"servicePrincipals/{own}/microsoft.graph.agentIdentity")
    assert api.refused("GET", "users/triage@harborpine.example")[0] == 404


def test_a_cast_that_does_not_fit_finds_nothing(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    own = world.identity(api, blueprint, ana)
    path = f"servicePrincipals/{own}/microsoft.graph.agentIdentityBlueprintPrincipal"
    assert api.refused("GET", path)[0] == 404
    assert api.refused("GET", f"users/{ana}/microsoft.graph.agentUser")[0] == 404
    found = api.ok("GET", f"servicePrincipals(appId='{blueprint}')")
    assert found["@odata.type"] == "#microsoft.graph.agentIdentityBlueprintPrincipal"


def test_secrets_of_a_blueprint_are_shown_once_and_never_kept(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    app = api.ok("GET", f"applications(appId='{world.blueprint(api, ana)}')")["id"]
    wish = {"passwordCredential": {"displayName": "rotation", "endDateTime": "2027-01-01T00:00:00Z"}}
    made = api.ok("POST", f"applications/{app}/addPassword", wish)
    kept = api.ok("GET", f"applications/{app}")["passwordCredentials"]
    assert [one["keyId"] for one in kept] == [made["keyId"]] and kept[0]["secretText"] is None
    assert made["secretText"] not in repr(world.store.all("application"))
    api.ok("POST", f"applications/{app}/removePassword", {"keyId": made["keyId"]})
    assert api.refused("POST", f"applications/{app}/removePassword", {"keyId": made["keyId"]})[0] == 400
    reader = world.app("AgentIdentityBlueprint.Read.All")
    assert reader.refused("POST", f"applications/{app}/addPassword", wish)[0] == 403
