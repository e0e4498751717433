"""Okta's SCIM traffic, compared with what is documented and was captured: lines, headers, bodies."""

from __future__ import annotations

import json

import pytest

from tests.sandbox.okta.scim_app import ScimApp, configure, done, people
from tests.sandbox.servers import Running

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BOT = "bot@agents.test"
LOOKUP = "GET /Users?filter=userName%20eq%20%22bot%40agents.test%22&startIndex=1&count=100"
GROUP_LOOKUP = "GET /Groups?filter=displayName%20eq%20%22Owners%22&startIndex=1&count=100"
BOTH = pytest.mark.parametrize("dialect", ["okta-put", "okta-patch"])


def okta_id(org: Running, login: str = BOT) -> str:
    users = org.control.get("/objects/user").json()["objects"]
    return next(user["key"] for user in users if user["value"]["profile"]["login"] == login)


def ready(org: Running, app: ScimApp, dialect: str, *logins: str, groups: dict | None = None) -> None:
    configure(org, app, dialect)
    people(org, *(logins or (BOT,)), groups=groups)


@BOTH
def test_the_connector_test_reads_two_users_and_a_page_of_groups(
    org: Running, app: ScimApp, dialect: str
) -> None:
    configure(org, app, dialect)
    done(org, "test")
    assert app.lines() == ["GET /Users?startIndex=1&count=2", "GET /Groups?startIndex=1&count=100"]


@BOTH
def test_every_request_carries_okta_s_headers_and_bodies_only_where_there_is_one(
    org: Running, app: ScimApp, dialect: str
) -> None:
    ready(org, app, dialect)
    done(org, "assign", logins=[BOT])
    lookup, create = app.seen
    common = {
        "user-agent": "Okta SCIM Client 1.0.0",
        "accept": "application/scim+json",
        "accept-charset": "utf-8",
        "accept-encoding": "gzip,deflate",
        "authorization": "Bearer app-token",
        "host": app.base_url.split("/")[2],
    }
    assert lookup.headers == common
    body = {"content-type": "application/scim+json; charset=utf-8", "content-length": str(len(create.body))}
    assert create.headers == {**common, **body}


def test_the_header_mode_of_catalog_apps_sends_the_bare_token(org: Running, app: ScimApp) -> None:
    configure(org, app, "okta-patch", auth="header")
    done(org, "test")
    assert app.seen[0].headers["authorization"] == "app-token"


@BOTH
def test_assigning_looks_up_then_creates_with_the_captured_body(
    org: Running, app: ScimApp, dialect: str
) -> None:
    ready(org, app, dialect)
    answer = done(org, "assign", logins=[BOT])
    assert app.lines() == [LOOKUP, "POST /Users"]
    sent = app.seen[1].json
    password = sent["password"]
    expected = {
        "schemas": [USER],
        "userName": BOT,
        "name": {"givenName": "Bot", "familyName": "One"},
        "emails": [{"primary": True, "value": BOT, "type": "work"}],
        "displayName": "Bot One",
        "locale": "en-US",
        "externalId": okta_id(org),
        "groups": [],
        "password": password,
        "active": True,
    }
    assert app.seen[1].body == json.dumps(expected, separators=(",", ":")).encode()
    assert len(password) >= 12
    assert answer["calls"] == [
        {
            "operation": "look up 'bot@agents.test' in Users",
            "method": "GET",
            "path": LOOKUP[4:],
            "status": 200,
        },
        {"operation": "create user 'bot@agents.test'", "method": "POST", "path": "/Users", "status": 201},
    ]
    assert password not in json.dumps(org.control.get("/journal").json())


def test_mapped_properties_that_have_a_value_go_along_with_the_enterprise_extension(
    org: Running, app: ScimApp
) -> None:
    configure(org, app, "okta-put")
    boss = {"login": "boss@x.test", "email": "boss@x.test", "firstName": "Bo", "lastName": "Ss"}
    user = {"login": BOT, "email": BOT, "firstName": "A", "lastName": "B", "title": "Bot", "department": "IT"}
    org.control.post("/directory", json={"users": [boss, {**user, "manager": "boss@x.test"}]})
    done(org, "assign", logins=[BOT])
    sent = app.seen[1].json
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    assert sent["schemas"] == [USER, enterprise]
    assert sent["title"] == "Bot"
    manager = {"value": "boss@x.test", "displayName": "Bo Ss"}
    assert sent[enterprise] == {"department": "IT", "manager": manager}


@BOTH
@pytest.mark.parametrize("active", [True, False])
def test_assigning_somebody_who_is_there_links_by_get_and_put_of_what_the_get_returned(
    org: Running, app: ScimApp, dialect: str, active: bool
) -> None:
    ready(org, app, dialect)
    key = app.add_user(BOT.upper(), active=active, **{"urn:x:ext": {"risk": "high"}}, groups=[{"value": "g"}])
    done(org, "assign", logins=[BOT])
    switch = [f"PATCH /Users/{key}"] if dialect == "okta-patch" and not active else []
    assert app.lines() == [LOOKUP, *switch, f"GET /Users/{key}", f"PUT /Users/{key}"]
    sent = app.seen[-1].json
    assert sent["meta"] == {
        "resourceType": "User",
        "location": f"{app.base_url}/Users/{key}",
        "version": 'W/"1"',
    }
    assert (sent["urn:x:ext"], sent["groups"], sent["id"]) == ({"risk": "high"}, [{"value": "g"}], key)
    assert (sent["userName"], sent["active"], sent["externalId"]) == (BOT, True, okta_id(org))
    assert "password" not in sent
    linked = org.control.get("/objects/appuser").json()["objects"][0]["value"]
    assert (linked["externalId"], linked["status"], linked["syncState"]) == (
        key,
        "PROVISIONED",
        "SYNCHRONIZED",
    )


@BOTH
def test_a_profile_change_is_get_and_put_and_an_unmapped_one_is_nothing(
    org: Running, app: ScimApp, dialect: str
) -> None:
    ready(org, app, dialect)
    done(org, "assign", logins=[BOT])
    app.seen.clear()
    assert done(org, "update", login=BOT, profile={"city": "Lisbon"})["calls"] == []
    done(org, "update", login=BOT, profile={"title": "Robot"})
    assert app.lines() == ["GET /Users/u1", "PUT /Users/u1"]
    assert app.seen[1].json["title"] == "Robot"


def test_deactivation_by_put_is_get_and_put_with_active_false(org: Running, app: ScimApp) -> None:
    ready(org, app, "okta-put")
    done(org, "assign", logins=[BOT])
    app.seen.clear()
    done(org, "deactivate", login=BOT)
    assert app.lines() == ["GET /Users/u1", "PUT /Users/u1"]
    assert app.seen[1].json["active"] is False
    assert app.seen[1].json["userName"] == BOT


def test_deactivation_and_reactivation_by_patch_have_no_path_and_an_object_as_value(
    org: Running, app: ScimApp
) -> None:
    ready(org, app, "okta-patch")
    done(org, "assign", logins=[BOT])
    app.seen.clear()
    done(org, "deactivate", login=BOT)
    assert app.lines() == ["PATCH /Users/u1"]
    shape = b'{"schemas":["%s"],"Operations":[{"op":"replace","value":{"active":%s}}]}'
    assert app.seen[0].body == shape % (PATCH_OP.encode(), b"false")
    app.seen.clear()
    done(org, "reactivate", login=BOT)
    assert app.lines() == [LOOKUP, "PATCH /Users/u1", "GET /Users/u1", "PUT /Users/u1"]
    assert app.seen[1].body == shape % (PATCH_OP.encode(), b"true")


def test_reactivation_by_put_finds_the_inactive_user_and_puts_active_true(org: Running, app: ScimApp) -> None:
    ready(org, app, "okta-put")
    done(org, "assign", logins=[BOT])
    done(org, "deactivate", login=BOT)
    app.seen.clear()
    done(org, "reactivate", login=BOT)
    assert app.lines() == [LOOKUP, "GET /Users/u1", "PUT /Users/u1"]
    assert app.seen[2].json["active"] is True
    assert len(app.users) == 1


def test_a_reactivated_user_the_app_forgot_is_created_again_with_the_same_external_id(
    org: Running, app: ScimApp
) -> None:
    ready(org, app, "okta-put")
    done(org, "assign", logins=[BOT])
    first = app.seen[1].json["externalId"]
    done(org, "deactivate", login=BOT)
    app.users.clear()
    done(org, "reactivate", login=BOT)
    assert app.seen[-1].line == "POST /Users"
    assert app.seen[-1].json["externalId"] == first


def test_group_push_by_put_is_lookup_create_read_and_put_of_everything(org: Running, app: ScimApp) -> None:
    ready(org, app, "okta-put", BOT, "loose@x.test", groups={"Owners": [BOT, "loose@x.test"], "Empty": []})
    done(org, "assign", logins=[BOT])
    app.seen.clear()
    done(org, "push-groups", names=["Owners"])
    assert app.lines() == [GROUP_LOOKUP, "POST /Groups", "GET /Groups/g2", "PUT /Groups/g2"]
    assert app.seen[1].body == f'{{"schemas":["{GROUP}"],"displayName":"Owners","members":[]}}'.encode()
    member = '{"value":"u1","display":"bot@agents.test"}'
    whole = f'{{"schemas":["{GROUP}"],"id":"g2","displayName":"Owners","members":[{member}]}}'
    assert app.seen[3].body == whole.encode()
    app.seen.clear()
    done(org, "push-groups", names=["Empty"])
    assert app.seen[3].json["members"] == []


def test_group_push_by_patch_renames_and_then_adds_and_removes_members_without_a_type(
    org: Running, app: ScimApp
) -> None:
    ready(org, app, "okta-patch", BOT, "two@x.test", groups={"Owners": [BOT]})
    done(org, "assign", logins=[BOT, "two@x.test"])
    app.seen.clear()
    done(org, "push-groups", names=["Owners"])
    assert app.lines() == [GROUP_LOOKUP, "POST /Groups", "PATCH /Groups/g3", "PATCH /Groups/g3"]
    rename = {"op": "replace", "value": {"id": "g3", "displayName": "Owners"}}
    assert app.seen[2].json == {"schemas": [PATCH_OP], "Operations": [rename]}
    add = {"op": "add", "path": "members", "value": [{"value": "u1", "display": BOT}]}
    assert app.seen[3].json == {"schemas": [PATCH_OP], "Operations": [add]}
    app.seen.clear()
    people(org, groups={"Owners": ["two@x.test"]})
    done(org, "push-groups", names=["Owners"])
    remove = {"op": "remove", "path": 'members[value eq "u1"]'}
    add = {"op": "add", "path": "members", "value": [{"value": "u2", "display": "two@x.test"}]}
    assert [request.json["Operations"] for request in app.seen[:2]] == [[rename], [remove, add]]
    assert app.groups["g3"]["members"] == [{"value": "u2", "display": "two@x.test"}]


def test_push_now_overwrites_the_members_and_an_empty_group_is_emptied(org: Running, app: ScimApp) -> None:
    ready(org, app, "okta-patch", BOT, groups={"Owners": []})
    app.groups["g9"] = {"id": "g9", "displayName": "owners", "members": [{"value": "stranger"}]}
    done(org, "push-groups", names=["Owners"])
    assert app.lines() == [GROUP_LOOKUP, "PATCH /Groups/g9", "PATCH /Groups/g9"]
    assert app.seen[2].json["Operations"] == [{"op": "replace", "path": "members", "value": []}]
    assert app.groups["g9"]["members"] == []
    app.seen.clear()
    assert done(org, "push-groups", names=["Owners"])["calls"] == []
    done(org, "push-groups", names=["Owners"], now=True)
    assert app.seen[1].json["Operations"] == [{"op": "replace", "path": "members", "value": []}]


def test_unpushing_with_delete_deletes_the_group_and_without_leaves_it(org: Running, app: ScimApp) -> None:
    ready(org, app, "okta-put", groups={"Owners": [], "Other": []})
    done(org, "push-groups", names=["Owners", "Other"])
    app.seen.clear()
    done(org, "unpush-groups", names=["Owners"], delete=True)
    done(org, "unpush-groups", names=["Other"])
    assert app.lines() == ["DELETE /Groups/g1"]
    assert list(app.groups) == ["g2"]


def test_import_reads_pages_of_a_hundred_until_the_total_is_reached(org: Running, app: ScimApp) -> None:
    configure(org, app, "okta-put")
    for number in range(205):
        app.add_user(f"user{number:03d}@x.test", active=number % 2 == 0)
    answer = done(org, "import")
    assert app.lines() == [
        "GET /Users?startIndex=1&count=100",
        "GET /Users?startIndex=101&count=100",
        "GET /Users?startIndex=201&count=100",
        "GET /Groups?startIndex=1&count=100",
    ]
    assert answer["result"] == {"scanned": 103, "created": 103, "linked": 0, "unassigned": 0, "groups": 0}
