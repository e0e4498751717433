"""Promises of users and groups in Graph: found by id, name and filter, paged, followed by delta."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.entra.world import GRAPH, Api, World, reference, user_url

EVENTUAL = {"consistencylevel": "eventual"}


def names(api: Api, path: str, **headers: str) -> list[str]:
    """The short names of users a query finds."""
    return sorted(one["userPrincipalName"].split("@")[0] for one in api.listed(path, **headers))


def test_a_user_is_found_by_id_and_by_principal_name_in_any_case(world: World) -> None:
    api, ana = world.admin(), world.user("ana", displayName="Ana Ruiz", department="Support")
    for key in (ana, ana.upper(), "ana@harborpine.example", "ANA@HARBORPINE.EXAMPLE"):
        assert api.ok("GET", f"users/{key}")["id"] == ana
    assert api.ok("GET", f"users('{ana}')")["id"] == ana
    found = api.ok("GET", f"users/{ana}")
    assert "department" not in found and found["displayName"] == "Ana Ruiz"
    picked = api.ok("GET", f"users/{ana}?$select=department,accountEnabled")
    assert {k: v for k, v in picked.items() if "@" not in k} == {
        "department": "Support",
        "accountEnabled": True,
    }
    status, code, message = api.refused("GET", "users/nobody@harborpine.example")
    assert (status, code) == (404, "Request_ResourceNotFound") and "nobody@harborpine.example" in message


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("userPrincipalName eq 'ANA@harborpine.example'", ["ana"]),
        ("mail in ('ana@harborpine.example','ben@harborpine.example','x')", ["ana", "ben"]),
        ("startswith(displayName,'a') or accountEnabled eq false", ["ana", "cem"]),
        ("not (department eq 'Support')", ["ben", "cem"]),
        ("department ne 'Support' and accountEnabled eq true", ["ben"]),
        ("endswith(mail,'harborpine.example') and displayName eq 'O''Brien'", ["cem"]),
        ("employeeType eq 'Agent'", ["cem"]),
        ("(accountEnabled eq true)", ["ana", "ben"]),
        ("otherMails/any(m:m eq 'a@b.example')", ["ben"]),
        ("department eq null", ["ben", "cem"]),
        ("createdDateTime ge 2000-01-01T00:00:00Z", ["ana", "ben", "cem"]),
    ],
)
def test_filters_find_what_they_say(world: World, query: str, found: list[str]) -> None:
    api = world.admin()
    world.user("ana", displayName="Ana", department="Support")
    world.user("ben", displayName="Ben", otherMails=["a@b.example"])
    world.user("cem", displayName="O'Brien", accountEnabled=False, employeeType="Agent")
    assert names(api, f"users?$filter={quote(query)}&$count=true", **EVENTUAL) == found


@pytest.mark.parametrize(
    "query",
    ["department ne 'x'", "not (mail eq 'x')", "endswith(mail,'x')", "employeeType eq 'Agent'"],
)
def test_advanced_filters_need_the_index_that_serves_them(world: World, query: str) -> None:
    api = world.admin()
    assert api.refused("GET", f"users?$filter={quote(query)}")[1] == "Request_UnsupportedQuery"
    assert api.refused("GET", f"users?$filter={quote(query)}", **EVENTUAL)[1] == "Request_UnsupportedQuery"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$filter=favouriteColour eq 'red'", "Request_UnsupportedQuery"),
        ("$filter=displayName gt 'a'", "Request_UnsupportedQuery"),
        ("$filter=displayName eq", "BadRequest"),
        ("$filter=displayName is 'a'", "BadRequest"),
        ("$filter=displayName eq 'a", "BadRequest"),
        ("$filter=displayName eq 'a' and", "BadRequest"),
        ("$filter=displayName eq 'a' 'b'", "BadRequest"),
        ("$filter=displayName eq nothing", "BadRequest"),
        ("$filter=((((", "BadRequest"),
        ("$filter=" + "(" * 3000 + "a", "BadRequest"),
        ("$filter=" + "not " * 1500 + "displayName eq 'a'", "BadRequest"),
        ("$filter=mail in (" + ",".join(f"'{n}'" for n in range(16)) + ")", "Request_UnsupportedQuery"),
        ("$filter=" + " or ".join(f"mail eq '{n}'" for n in range(16)), "Request_UnsupportedQuery"),
        ("$top=0", "Request_UnsupportedQuery"),
        ("$top=1000", "Request_UnsupportedQuery"),
        ("$top=many", "Request_UnsupportedQuery"),
        ("$select=favouriteColour", "BadRequest"),
        ("$orderby=accountEnabled", "Request_UnsupportedQuery"),
        ("$skiptoken=x", "BadRequest"),
        ("$skip=5", "BadRequest"),
        ('$search="displayName:a"', "Request_UnsupportedQuery"),
    ],
)
def test_queries_that_are_not_served_are_refused(world: World, query: str, code: str) -> None:
    name, _, value = query.partition("=")
    status, found, _ = world.admin().refused("GET", f"users?{name}={quote(value)}")
    assert (status, found) == (400, code)


def test_fifteen_alternatives_are_served(world: World) -> None:
    world.user("ana")
    query = " or ".join([*(f"mail eq '{n}'" for n in range(14)), "mail eq 'ana@harborpine.example'"])
    assert names(world.admin(), f"users?$filter={quote(query)}") == ["ana"]


def test_pages_hold_everybody_once_also_when_people_come_and_go_between_them(world: World) -> None:
    api = world.admin()
    expected = {world.user(f"u{n:03d}") for n in range(25)}
    first = api.ok("GET", "users?$top=10&$select=id")
    seen = [one["id"] for one in first["value"]]
    gone = seen[0]
    api.ok("DELETE", f"users/{gone}")
    link = first["@odata.nextLink"].split("entra.test")[1]
    seen += [one["id"] for one in api.listed(link)]
    assert len(seen) == len(set(seen)) and set(seen) == expected
    assert len(api.listed("users?$top=999&$select=id")) == 24
    assert api.ok("GET", "users?$count=true&$top=1", **EVENTUAL)["@odata.count"] == 24


def test_pages_in_an_order_of_names_go_both_ways(world: World) -> None:
    api = world.admin()
    for name in ("cem", "ana", "ben"):
        world.user(name, displayName=name)
    up = [one["displayName"] for one in api.listed("users?$orderby=displayName&$top=1")]
    down = [one["displayName"] for one in api.listed("users?$orderby=displayName desc&$top=1")]
    assert up == ["ana", "ben", "cem"] and down == up[::-1]


def test_a_call_that_was_rolled_back_leaves_nothing_in_later_listings(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    group = world.group("staff", ["ana"])
    assert len(api.listed("groups")) == 1
    body = {"members@odata.bind": [user_url(ana)]}
    assert api.refused("PATCH", f"groups/{group}", {**body, "displayName": "renamed"})[0] == 400
    assert [one["displayName"] for one in api.listed("groups")] == ["staff"]
    api.ok("PATCH", f"groups/{group}", {"displayName": "renamed"})
    assert [one["displayName"] for one in api.listed("groups")] == ["renamed"]


def test_managers_are_set_read_and_removed(world: World) -> None:
    api, ana, ben = world.admin(), world.user("ana"), world.user("ben", manager="ana@harborpine.example")
    assert api.ok("GET", f"users/{ben}/manager")["id"] == ana
    assert api.ok("GET", f"users/{ben}?$expand=manager")["manager"]["id"] == ana
    api.ok("DELETE", f"users/{ben}/manager/$ref")
    assert api.refused("GET", f"users/{ben}/manager")[0] == 404
    api.ok("PUT", f"users/{ben}/manager/$ref", {"@odata.id": user_url(ana)})
    assert api.refused("PUT", f"users/{ben}/manager/$ref", {"@odata.id": user_url(ben)})[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"},
        {"favouriteColour": "red"},
        {"userPrincipalName": "no at"},
        {"userPrincipalName": "ben@harborpine.example"},
        {"employeeId": "x" * 17},
        {"department": "x" * 65},
        {"accountEnabled": 1},
        {"otherMails": "x"},
        {"displayName": None},
    ],
)
def test_a_change_a_user_cannot_take_changes_nothing(world: World, change: dict[str, Any]) -> None:
    api, ana = world.admin(), world.user("ana")
    world.user("ben")
    before = world.tenant.find("user", ana)
    assert api.refused("PATCH", f"users/{ana}", {"jobTitle": "x", **change})[:2] == (
        400,
        "Request_BadRequest",
    )
    assert world.tenant.find("user", ana) == before


def test_a_leave_date_needs_its_own_permission(world: World) -> None:
    api, ana = world.admin(), world.user("ana", employeeLeaveDateTime="2027-01-31T18:00:00Z")
    assert api.refused("GET", f"users/{ana}?$select=employeeLeaveDateTime")[0] == 403
    allowed = world.app("User.Read.All", "User-LifeCycleInfo.Read.All")
    found = allowed.ok("GET", f"users/{ana}?$select=employeeLeaveDateTime")
    assert found["employeeLeaveDateTime"] == "2027-01-31T18:00:00Z"
    assert allowed.refused("PATCH", f"users/{ana}", {"employeeLeaveDateTime": None})[0] == 403


def test_a_new_user_needs_what_graph_needs(world: World) -> None:
    api = world.admin()
    body = {
        "accountEnabled": True,
        "displayName": "Dana",
        "mailNickname": "dana",
        "userPrincipalName": "dana@harborpine.example",
        "passwordProfile": {"password": "a long one indeed"},
    }
    made = api.ok("POST", "users", body)
    assert made["userPrincipalName"] == body["userPrincipalName"] and "passwordProfile" not in repr(made)
    assert "a long one" not in repr(world.store.all("user"))
    assert "already exists" in api.refused("POST", "users", body)[2]
    for name in body:
        message = api.refused("POST", "users", {k: v for k, v in body.items() if k != name})[2]
        assert name in message


def test_groups_take_and_lose_members_by_reference(world: World) -> None:
    api, ana, ben = world.admin(), world.user("ana"), world.user("ben")
    body = {"displayName": "staff", "mailEnabled": False, "mailNickname": "staff", "securityEnabled": True}
    group = api.ok("POST", "groups", {**body, "members@odata.bind": [user_url(ana)]})["id"]
    api.ok("POST", f"groups/{group}/members/$ref", reference(ben))
    assert "already exist" in api.refused("POST", f"groups/{group}/members/$ref", reference(ben))[2]
    assert {one["id"] for one in api.listed(f"groups/{group}/members")} == {ana, ben}
    assert [one["id"] for one in api.listed(f"users/{ana}/memberOf")] == [group]
    api.ok("DELETE", f"groups/{group}/members/{ana}/$ref")
    assert api.refused("DELETE", f"groups/{group}/members/{ana}/$ref")[0] == 404
    assert [one["id"] for one in api.listed(f"groups/{group}/members")] == [ben]
    dynamic = world.group("dynamic", groupTypes=["DynamicMembership"])
    assert "dynamic" in api.refused("POST", f"groups/{dynamic}/members/$ref", reference(ana))[2]


def test_twenty_members_are_the_most_in_one_patch(world: World) -> None:
    api, group = world.admin(), world.group("staff")
    urls = [user_url(world.user(f"u{n}")) for n in range(21)]
    assert "at most 20" in api.refused("PATCH", f"groups/{group}", {"members@odata.bind": urls})[2]
    api.ok("PATCH", f"groups/{group}", {"members@odata.bind": urls[:20]})
    assert len(api.listed(f"groups/{group}/members")) == 20


def changes(api: Api, path: str) -> tuple[list[dict[str, Any]], str]:
    """The rows of a delta round and the path of the next one."""
    found: list[dict[str, Any]] = []
    while True:
        body = api.ok("GET", path)
        found += body["value"]
        link = body.get("@odata.nextLink") or body["@odata.deltaLink"]
        path = link.split("entra.test")[1]
        if "@odata.deltaLink" in body:
            return found, path


def test_delta_tells_everything_once_then_only_what_changed(world: World) -> None:
    api = world.admin()
    ids = [world.user(f"u{n:03d}") for n in range(230)]
    rows, link = changes(api, "users/delta?$select=accountEnabled")
    assert {one["id"] for one in rows} == set(ids) and len(rows) == 230
    assert changes(api, link)[0] == []
    api.ok("PATCH", f"users/{ids[3]}", {"accountEnabled": False})
    api.ok("DELETE", f"users/{ids[4]}")
    api.ok("DELETE", f"users/{ids[5]}")
    api.ok("DELETE", f"directory/deletedItems/{ids[5]}")
    rows, link = changes(api, link)
    assert [one.get("accountEnabled", one.get("@removed")) for one in rows] == [
        False,
        {"reason": "changed"},
        {"reason": "deleted"},
    ]
    assert [one["id"] for one in rows] == [ids[3], ids[4], ids[5]]
    assert changes(api, link)[0] == []


def test_a_change_between_two_pages_of_a_delta_comes_in_the_next_round(world: World) -> None:
    api = world.admin()
    ids = [world.user(f"u{n:03d}") for n in range(150)]
    first = api.ok("GET", "users/delta")
    api.ok("PATCH", f"users/{ids[0]}", {"jobTitle": "new"})
    _, link = changes(api, first["@odata.nextLink"].split("entra.test")[1])
    assert [one["id"] for one in changes(api, link)[0]] == [ids[0]]


def test_an_old_delta_token_is_gone_and_says_where_to_start(world: World) -> None:
    api = world.admin()
    _, link = changes(api, "users/delta?$deltatoken=latest")
    world.clock.move(8 * 86400)
    api = world.admin()
    answer = api.call("GET", link)
    assert answer.status == 410 and answer.headers["Location"] == "https://entra.test/v1.0/users/delta"


def test_agent_identities_are_followed_by_the_delta_of_service_principals(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    blueprint = world.blueprint(api, ana)
    _, link = changes(api, "servicePrincipals/delta")
    own = world.identity(api, blueprint, ana)
    api.ok("PATCH", f"servicePrincipals/{own}", {"accountEnabled": False})
    rows, _ = changes(api, link)
    assert [(one["@odata.type"], one["accountEnabled"]) for one in rows if one["id"] == own] == [
        ("#microsoft.graph.agentIdentity", False)
    ]


def test_objects_of_any_type_are_read_by_ids(world: World) -> None:
    api, ana, group = world.admin(), world.user("ana"), world.group("staff")
    found = api.ok("POST", "directoryObjects/getByIds", {"ids": [ana, group, "nothing"]})["value"]
    assert [one["@odata.type"] for one in found] == ["#microsoft.graph.user", "#microsoft.graph.group"]
    assert api.ok("GET", f"directoryObjects/{ana}")["@odata.type"] == "#microsoft.graph.user"
    assert api.refused("POST", "directoryObjects/getByIds", {"ids": ["x"] * 1001})[0] == 400


def test_an_app_role_assignment_is_made_once(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    resource = world.tenant.principal_of(api.app_id)
    assert resource is not None
    body = {
        "principalId": own,
        "resourceId": resource["id"],
        "appRoleId": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    }
    path = f"servicePrincipals/{resource['id']}/appRoleAssignedTo"
    made = api.ok("POST", path, body)
    assert made["principalType"] == "agentIdentity"
    assert "already exists" in api.refused("POST", path, body)[2]
    assert [one["id"] for one in api.listed(f"servicePrincipals/{own}/appRoleAssignments")] == [made["id"]]
    api.ok("DELETE", f"{path}/{made['id']}")
    assert api.listed(path) == []
    assert api.refused("POST", path, {**body, "principalId": GRAPH})[0] == 400
