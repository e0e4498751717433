"""What Okta makes of the app's answers, and what its own lifecycle does to the app."""

from __future__ import annotations

import time

import pytest

from scim_bridge.sandbox.kit.scim_client import ScimReply
from scim_bridge.sandbox.okta.scim_side import answers, importing
from tests.sandbox.okta.okta_client import ssws
from tests.sandbox.okta.scim_app import ScimApp, configure, done, people, steer
from tests.sandbox.servers import Running

BOT = "bot@agents.test"
JSON = {"content-type": "application/scim+json"}


@pytest.fixture
def ready(org: Running, app: ScimApp) -> Running:
    """An org that provisions into the app by PUT, with one user."""
    configure(org, app, "okta-put")
    people(org, BOT)
    return org


def error_of(org: Running, verb: str, **body: object) -> str:
    answer = steer(org, verb, **body)
    assert answer["ok"] is False
    return str(answer["error"])


def listed(*users: dict, total: object = None) -> str:
    import json

    count = len(users) if total is None else total
    body = {"totalResults": count, "startIndex": 1, "itemsPerPage": len(users), "Resources": list(users)}
    return json.dumps({"schemas": [answers.LIST_RESPONSE], **body})


def test_a_lookup_that_answers_404_is_an_empty_list(ready: Running, app: ScimApp) -> None:
    app.answers.append(
        (404, JSON, '{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}')
    )
    done(ready, "assign", logins=[BOT])
    assert app.seen[1].line == "POST /Users"


def test_a_conflict_on_create_ends_the_task_for_good_with_the_app_s_detail(
    ready: Running, app: ScimApp
) -> None:
    app.answers += [(200, JSON, listed()), (409, JSON, '{"detail":"taken by somebody"}')]
    answer = steer(ready, "assign", logins=[BOT])
    assert answer["ok"] is False
    assert "409 taken by somebody" in answer["error"]
    assert [call["status"] for call in answer["calls"]] == [200, 409]
    failed = ready.control.get("/scim/tasks").json()
    assert (len(failed["failed"]), failed["waiting"]) == (1, [])


def test_a_body_that_is_no_json_shows_as_a_bad_gateway(ready: Running, app: ScimApp) -> None:
    app.answers.append((502, {"content-type": "text/html"}, "<html>proxy</html>"))
    assert "Bad Gateway. Invalid JSON: Unrecognized token '<html>proxy</html>'" in error_of(ready, "test")


@pytest.mark.parametrize("body", ["", "{}"])
def test_a_create_without_a_user_in_the_answer_fails(ready: Running, app: ScimApp, body: str) -> None:
    app.answers += [(200, JSON, listed()), (201, JSON, body)]
    assert "create returned empty user" in error_of(ready, "assign", logins=[BOT])


def test_a_user_without_what_okta_needs_fails_and_says_what_is_missing(ready: Running, app: ScimApp) -> None:
    half = '{"id":"u1","userName":"bot@agents.test","name":{"givenName":""},"emails":[],"active":"true"}'
    app.answers += [(200, JSON, listed()), (201, JSON, half)]
    told = error_of(ready, "assign", logins=[BOT])
    assert told.endswith("the user has no name.givenName, name.familyName, emails[0].value, active")


def test_429_with_whole_seconds_is_waited_for(ready: Running, app: ScimApp) -> None:
    app.answers += [(429, {**JSON, "retry-after": "1"}, '{"detail":"slow down"}')]
    began = time.monotonic()
    answer = done(ready, "assign", logins=[BOT])
    assert time.monotonic() - began >= 1
    assert [call["status"] for call in answer["calls"]] == [429, 200, 201]


def test_429_with_a_date_is_rescheduled_in_five_minutes_and_stays_in_the_list(
    ready: Running, app: ScimApp
) -> None:
    app.answers += [(429, {**JSON, "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "{}")]
    assert "again in 300 s" in error_of(ready, "assign", logins=[BOT])
    waiting = ready.control.get("/scim/tasks").json()["waiting"]
    assert [(task["kind"], task["tries"]) for task in waiting] == [("provision", 1)]


def test_waits_double_with_every_try_and_only_whole_seconds_count() -> None:
    assert [answers.wait_before(7, tries) for tries in (1, 2, 3, 10)] == [7, 14, 28, 3584]
    assert [answers.retry_after(text) for text in ("5", " 12 ", "1.5", "-3", "", "soon")] == [
        5,
        12,
        300,
        300,
        300,
        300,
    ]


def test_a_tenth_429_is_a_permanent_failure(ready: Running, app: ScimApp) -> None:
    app.answers += [(429, {**JSON, "retry-after": "0"}, "{}")] * 10
    assert "429 10 times" in error_of(ready, "test")
    assert len(app.seen) == 10


def test_501_on_patch_is_a_manual_task_without_a_put_instead(org: Running, app: ScimApp) -> None:
    configure(org, app, "okta-patch")
    people(org, BOT)
    done(org, "assign", logins=[BOT])
    app.seen.clear()
    app.answers.append((501, JSON, '{"detail":"no PATCH here"}'))
    assert "provision by hand" in error_of(org, "deactivate", login=BOT)
    assert app.lines() == ["PATCH /Users/u1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (listed(total="0"), "totalResults is not an integer"),
        ('{"Resources":[]}', "no ListResponse"),
        (listed({"id": "a"}, {"id": "b"}), "2 resources match"),
        (listed({"userName": "x"}), "has no id"),
    ],
)
def test_a_listing_okta_cannot_use_fails_the_task(
    ready: Running, app: ScimApp, body: str, reason: str
) -> None:
    app.answers.append((200, JSON, body))
    assert reason in error_of(ready, "assign", logins=[BOT])


def test_a_failed_task_can_be_tried_again(ready: Running, app: ScimApp) -> None:
    app.answers.append((500, JSON, '{"detail":"broken"}'))
    assert "500 broken" in error_of(ready, "assign", logins=[BOT])
    done(ready, "retry")
    assert app.users["u1"]["userName"] == BOT


def test_an_app_that_is_not_there_is_a_failure_without_status(ready: Running, app: ScimApp) -> None:
    body = {
        "base_url": "https://127.0.0.1:1/scim",
        "token": "t",
        "dialect": "okta-put",
        "ca_file": app.ca_file,
    }
    assert ready.control.post("/scim/configure", json=body).status_code == 200
    answer = steer(ready, "test")
    assert (answer["ok"], answer["calls"][0]["status"]) == (False, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"base_url": "http://x.test/scim"}, "https"),
        ({"base_url": "https://x.test/scim_v2"}, "underscore"),
        ({"dialect": "okta"}, "dialect"),
        ({"auth": "basic"}, "auth"),
        ({"token": ""}, "needed"),
        ({"token": 5}, "text"),
    ],
)
def test_settings_okta_would_not_save_are_refused(org: Running, change: dict, reason: str) -> None:
    body = {"base_url": "https://x.test/scim", "token": "t", "dialect": "okta-put", **change}
    answer = org.control.post("/scim/configure", json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_nothing_is_provisioned_before_provisioning_is_configured(org: Running) -> None:
    people(org, BOT)
    assert org.control.post("/scim/assign", json={"logins": [BOT]}).status_code == 409


def test_the_app_s_token_is_shown_nowhere(ready: Running) -> None:
    done(ready, "test")
    assert "app-token" not in ready.control.get("/objects/setting").text
    assert "app-token" not in ready.control.get("/journal").text


def test_imported_users_become_active_okta_users_linked_to_the_app_and_join_their_groups(
    org: Running, app: ScimApp
) -> None:
    configure(org, app, "okta-patch")
    people(org, "known@x.test", groups={"Tools": ["triage@agents.test", "known@x.test"]})
    known = app.add_user("known@x.test")
    triage = app.add_user("triage@agents.test", userType="Agent", displayName="Triage")
    app.add_user("held@agents.test", active=False)
    result = done(org, "import")["result"]
    assert result == {"scanned": 2, "created": 1, "linked": 1, "unassigned": 0, "groups": 0}
    users = {
        u["value"]["profile"]["login"]: u["value"] for u in org.control.get("/objects/user").json()["objects"]
    }
    assert set(users) == {"known@x.test", "triage@agents.test"}
    made = users["triage@agents.test"]
    assert (made["status"], made["profile"]["userType"]) == ("ACTIVE", "Agent")
    assert made["profile"]["displayName"] == "Triage"
    linked = {
        a["key"]: a["value"]["externalId"] for a in org.control.get("/objects/appuser").json()["objects"]
    }
    assert linked == {users["known@x.test"]["id"]: known, made["id"]: triage}
    app.seen.clear()
    done(org, "assign", logins=["triage@agents.test"])
    assert app.lines()[1:] == [f"GET /Users/{triage}", f"PUT /Users/{triage}"]
    assert app.seen[2].json["userType"] == "Agent"
    done(org, "push-groups", names=["Tools"])
    pushed = next(iter(app.groups.values()))
    assert {member["value"] for member in pushed["members"]} == {known, triage}
    again = done(org, "import")["result"]
    assert (again["created"], again["linked"]) == (0, 2)


def test_an_import_that_would_unassign_a_fifth_changes_nothing(org: Running, app: ScimApp) -> None:
    configure(org, app, "okta-put")
    keys = [app.add_user(f"u{number}@x.test") for number in range(6)]
    done(org, "import")
    for key in keys[:2]:
        del app.users[key]
    assert "safeguard: 2 of 6" in error_of(org, "import")
    assert len(org.control.get("/objects/appuser").json()["objects"]) == 6
    app.users[keys[1]] = {**app.users[keys[2]], "id": keys[1], "userName": "u1@x.test", "active": False}
    assert done(org, "import")["result"]["unassigned"] == 1
    assert len(org.control.get("/objects/appuser").json()["objects"]) == 5


def test_an_unstable_order_of_pages_is_noticed() -> None:
    class Pages:
        async def page(self, resource: str, start: int) -> tuple[list[dict], int]:
            return [{"id": f"u{number}"} for number in range(100)], 150

    import asyncio

    with pytest.raises(answers.Failed, match="came twice"):
        asyncio.run(importing.everything(Pages(), "Users"))  # type: ignore[arg-type]


def test_a_reply_without_an_answer_is_a_failure() -> None:
    with pytest.raises(answers.Failed, match="No answer"):
        answers.expect(ScimReply(0, None, error="No answer within 60 seconds."), 200, what="read")


def api(org: Running) -> dict[str, str]:
    return {"authorization": f"SSWS {ssws(org)}"}


def test_deactivating_on_okta_s_api_switches_the_app_s_user_off_and_drops_the_assignment(
    ready: Running, app: ScimApp
) -> None:
    done(ready, "assign", logins=[BOT])
    with ready.client(**api(ready)) as client:
        assert client.post(f"/api/v1/users/{BOT}/lifecycle/deactivate").status_code == 200
        done(ready, "settle")
        assert app.users["u1"]["active"] is False
        assert ready.control.get("/objects/appuser").json()["objects"] == []
        app.seen.clear()
        assert client.post(f"/api/v1/users/{BOT}/lifecycle/activate").status_code == 200
        done(ready, "settle")
        assert app.seen == [], "activating must not assign again"


def test_suspending_on_okta_s_api_sends_nothing_at_all(ready: Running, app: ScimApp) -> None:
    done(ready, "assign", logins=[BOT])
    app.seen.clear()
    with ready.client(**api(ready)) as client:
        for action in ("suspend", "unsuspend"):
            assert client.post(f"/api/v1/users/{BOT}/lifecycle/{action}").status_code == 200
    done(ready, "settle")
    assert app.seen == []


def test_okta_s_api_pushes_mapped_profile_changes_memberships_names_and_deletions(
    org: Running, app: ScimApp
) -> None:
    configure(org, app, "okta-patch")
    people(org, BOT, groups={"Owners": []})
    done(org, "assign", logins=[BOT])
    done(org, "push-groups", names=["Owners"])
    app.seen.clear()
    with org.client(**api(org)) as client:
        group = client.get("/api/v1/groups?q=Own").json()[0]["id"]
        user = client.get(f"/api/v1/users/{BOT}").json()["id"]
        client.post(f"/api/v1/users/{user}", json={"profile": {"title": "Robot"}})
        done(org, "settle")
        assert app.users["u1"]["title"] == "Robot"
        client.put(f"/api/v1/groups/{group}/users/{user}")
        done(org, "settle")
        assert app.groups["g2"]["members"] == [{"value": "u1", "display": BOT}]
        client.put(f"/api/v1/groups/{group}", json={"profile": {"name": "Keepers"}})
        done(org, "settle")
        assert app.groups["g2"]["displayName"] == "Keepers"
        client.delete(f"/api/v1/groups/{group}")
        done(org, "settle")
        assert app.groups == {}
    renames = [seen.json["Operations"] for seen in app.seen if seen.line == "PATCH /Groups/g2"]
    assert renames[-1] == [{"op": "replace", "value": {"id": "g2", "displayName": "Keepers"}}]


def test_assigning_through_okta_s_api_provisions_and_unassigning_switches_off(
    ready: Running, app: ScimApp
) -> None:
    with ready.client(**api(ready)) as client:
        app_id = client.get("/api/v1/apps").json()[0]["id"]
        user = client.get(f"/api/v1/users/{BOT}").json()["id"]
        assert client.post(f"/api/v1/apps/{app_id}/users", json={"id": user}).status_code == 200
        again = client.post(f"/api/v1/apps/{app_id}/users", json={"id": user})
        assert (again.status_code, again.json()["errorCode"]) == (409, "E0000062")
        done(ready, "settle")
        assert client.get(f"/api/v1/apps/{app_id}/users/{user}").json()["externalId"] == "u1"
        assert client.delete(f"/api/v1/apps/{app_id}/users/{user}").status_code == 204
        done(ready, "settle")
        assert app.users["u1"]["active"] is False


def test_deactivating_the_okta_user_and_reactivating_it_by_control_does_both(
    ready: Running, app: ScimApp
) -> None:
    done(ready, "assign", logins=[BOT])
    done(ready, "deactivate", login=BOT, how="user")
    assert ready.control.get("/objects/user").json()["objects"][0]["value"]["status"] == "DEPROVISIONED"
    assert app.users["u1"]["active"] is False
    done(ready, "reactivate", login=BOT)
    assert app.users["u1"]["active"] is True


def test_a_suspended_user_may_be_assigned_again_and_stays_suspended(ready: Running, app: ScimApp) -> None:
    with ready.client(**api(ready)) as client:
        client.post(f"/api/v1/users/{BOT}/lifecycle/suspend")
        done(ready, "reactivate", login=BOT)
        assert app.users["u1"]["active"] is True
        assert client.get(f"/api/v1/users/{BOT}").json()["status"] == "SUSPENDED"
        done(ready, "reactivate", login=BOT, how="user")
        assert client.get(f"/api/v1/users/{BOT}").json()["status"] == "ACTIVE"


def test_an_app_that_says_inactive_although_okta_switched_on_is_no_failure(
    ready: Running, app: ScimApp
) -> None:
    done(ready, "assign", logins=[BOT])
    app.forced_active = False
    done(ready, "reactivate", login=BOT)


def test_verbs_that_name_nobody_say_so(ready: Running) -> None:
    for verb, body in (
        ("assign", {"logins": ["ghost@x.test"]}),
        ("assign", {}),
        ("update", {"login": BOT}),
        ("deactivate", {"login": BOT, "how": "gently"}),
        ("push-groups", {"names": ["Nobody"]}),
        ("unpush-groups", {"names": ["Nobody"]}),
        ("test", {"patience": "long"}),
    ):
        answer = steer(ready, verb, **body)
        assert (answer["ok"], bool(answer["error"])) == (False, True), verb
    refused = steer(ready, "update", login=BOT, profile={"nonsense": 1})
    assert "E0000001" in refused["error"]


def test_deactivating_somebody_who_is_not_assigned_sends_nothing(ready: Running, app: ScimApp) -> None:
    assert done(ready, "deactivate", login=BOT)["calls"] == []
    # The connector's own test of the connection, from being configured, may still be on its way.
    assert [one.target for one in app.seen if "count=2" not in one.target] == []
