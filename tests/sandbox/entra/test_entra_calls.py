"""Promises of every Graph call: who is let in, what it costs, batches, delays, and never a crash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scim_bridge.sandbox.entra.graph import throttle
from scim_bridge.sandbox.entra.graph.route import segments
from scim_bridge.sandbox.entra.sts import tokens
from scim_bridge.sandbox.kit.clock import SECOND
from tests.sandbox.entra.world import IDENTITIES, KEY, Api, World, identity_body, reference


def bearer(world: World, **change: Any) -> Api:
    """Graph with a token that differs from a right one as told."""
    parts: dict[str, Any] = {
        "app_id": "a",
        "object_id": "o",
        "name": "n",
        "roles": ["User.Read.All"],
        "kind": "application",
        "now": world.clock.now(),
        "seconds": 3599,
    }
    tenant = change.pop("tenant", world.tenant.id)
    return Api(world.graph, tokens.access_token(KEY, tenant, **{**parts, **change}), "a")


def test_a_right_token_is_let_in_until_it_ends(world: World) -> None:
    api = bearer(world)
    assert api.call("GET", "users").status == 200
    world.clock.move(3598)
    assert api.call("GET", "users").status == 200
    world.clock.move(1)
    assert api.refused("GET", "users")[2] == "Lifetime validation failed, the token is expired."


def test_what_is_not_a_token_of_this_tenant_is_refused(world: World) -> None:
    good = bearer(world).token
    exchange = tokens.exchange_token(
        KEY, world.tenant.id, blueprint="b", path="p", now=world.clock.now(), seconds=3599
    )
    for token in ("", "x", "a.b.c", good[:-4] + "AAAA", bearer(world, tenant="other").token, exchange):
        answer = Api(world.graph, token, "").call("GET", "users")
        assert answer.status == 401 and answer.body["error"]["code"] == "InvalidAuthenticationToken"
        assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_every_room_asks_for_an_app_role(world: World) -> None:
    admin, ana, group = world.admin(), world.user("ana"), world.group("staff")
    own = world.identity(admin, world.blueprint(admin, ana), ana)
    nobody = world.app()
    base = f"servicePrincipals/{own}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", "users", None),
        ("GET", f"users/{ana}", None),
        ("POST", "users", {}),
        ("PATCH", f"users/{ana}", {"jobTitle": "x"}),
        ("DELETE", f"users/{ana}", None),
        ("GET", f"users/{ana}/manager", None),
        ("GET", "users/delta", None),
        ("GET", "groups", None),
        ("GET", f"groups/{group}/members", None),
        ("POST", f"groups/{group}/members/$ref", reference(ana)),
        ("GET", "applications", None),
        ("POST", "applications", {"displayName": "x"}),
        ("GET", "servicePrincipals", None),
        ("GET", IDENTITIES, None),
        ("POST", IDENTITIES, identity_body("x", ana)),
        ("GET", base, None),
        ("PATCH", base, {"accountEnabled": False}),
        ("DELETE", base, None),
        ("GET", f"{base}/sponsors", None),
        ("POST", f"{base}/sponsors/$ref", reference(ana)),
        ("DELETE", f"{base}/sponsors/{ana}/$ref", None),
        ("POST", f"{base}/microsoft.graph.agentIdentity/attest", None),
        ("GET", f"{base}/lifecycle", None),
        ("GET", f"{base}/lifecycle/complianceIssues", None),
        ("GET", "directory/attributeSets", None),
        ("POST", "directory/attributeSets", {"id": "X"}),
        ("GET", f"directoryObjects/{ana}", None),
        ("POST", "directoryObjects/getByIds", {"ids": [ana]}),
        ("GET", "directory/deletedItems/microsoft.graph.user", None),
    ]
    for method, path, body in calls:
        status, code, _ = nobody.refused(method, path, body)
        assert (status, code) == (403, "Authorization_RequestDenied"), path


def test_paths_are_read_in_every_spelling_graph_takes() -> None:
    assert segments("/users('a@b.example')/manager") == ("users", "a@b.example", "manager")
    assert segments("servicePrincipals/graph.agentIdentity") == (
        "servicePrincipals",
        "microsoft.graph.agentIdentity",
    )
    assert segments("applications(appId='x')") == ("applications", "appId='x'")
    assert segments("users/delta()") == ("users", "delta")


def test_unknown_segments_methods_and_bodies_have_their_own_answers(world: World) -> None:
    api = world.admin()
    assert api.refused("GET", "planets") == (
        400,
        "BadRequest",
        "Resource not found for the segment 'planets'.",
    )
    assert api.refused("GET", "users/x/moons")[2] == "Resource not found for the segment 'moons'."
    assert api.refused("DELETE", "users")[0] == 405
    assert api.refused("POST", "users", [1])[1] == "BadRequest"
    headers = {"authorization": f"Bearer {api.token}", "content-type": "application/json"}
    answer = world.graph.answer("POST", "v1.0", "users", {}, headers, b"{")
    assert (answer.status, answer.body["error"]["code"]) == (400, "BadRequest")
    headers["content-type"] = "text/plain"
    assert world.graph.answer("POST", "v1.0", "users", {}, headers, b"{}").status == 400
    assert world.graph.answer("GET", "v2.0", "users", {}, headers, b"").status == 400


def test_a_client_request_id_comes_back(world: World) -> None:
    answer = world.admin().call("GET", "users/nobody", client_request_id="mine")
    assert answer.headers["client-request-id"] == "mine"
    assert answer.body["error"]["innerError"]["client-request-id"] == "mine"


@pytest.mark.parametrize(
    ("method", "path", "query", "units"),
    [
        ("GET", ("users",), {}, 2),
        ("GET", ("users",), {"$select": "id"}, 1),
        ("GET", ("users",), {"$select": "id", "$top": "5"}, 1),
        ("GET", ("users",), {"$expand": "manager"}, 3),
        ("GET", ("groups", "g", "members"), {}, 3),
        ("GET", ("users", "u"), {}, 1),
        ("PATCH", ("users", "u"), {}, 1),
    ],
)
def test_calls_cost_what_microsoft_publishes(
    method: str, path: tuple[str, ...], query: dict[str, str], units: int
) -> None:
    assert throttle.cost(method, path, query) == units


def test_an_empty_bucket_is_429_with_the_wait_that_is_enough(world: World) -> None:
    world.set(throttle_units=4, throttle_seconds=10)
    api, other = world.admin(), world.admin()
    assert [api.call("GET", "users").status for _ in range(2)] == [200, 200]
    answer = api.call("GET", "users")
    assert answer.status == 429 and answer.body["error"]["code"] == "Request_ThrottledTemporarily"
    assert answer.headers["Retry-After"] == "5" and "x-ms-throttle-scope" in answer.headers
    assert other.call("GET", "users").status == 200, "each application has its own bucket"
    world.clock.move(int(answer.headers["Retry-After"]))
    again = api.call("GET", "users")
    assert again.status == 200 and again.headers["x-ms-resource-unit"] == "2"
    assert float(again.headers["x-ms-throttle-limit-percentage"]) > 0.8


def test_writes_have_a_bucket_of_their_own(world: World) -> None:
    world.set(throttle_writes=1, throttle_write_seconds=150)
    api, ana = world.admin(), world.user("ana")
    assert api.call("PATCH", f"users/{ana}", {"jobTitle": "x"}).status == 204
    answer = api.call("PATCH", f"users/{ana}", {"jobTitle": "y"})
    assert answer.status == 429 and answer.headers["Retry-After"] == "150"
    assert api.call("GET", f"users/{ana}").status == 200
    stored = world.tenant.find("user", ana)
    assert stored is not None and stored["jobTitle"] == "x"


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=60),
    st.integers(5, 40),
    st.floats(1, 20),
)
def test_a_bucket_never_grants_more_than_its_rate(
    asks: list[tuple[int, int]], capacity: int, seconds: float
) -> None:
    now, bucket, granted, began = 0, None, 0.0, 0
    for wait, units in asks:
        now += wait * SECOND
        after, needed = throttle.take(bucket, units, capacity, seconds, now)
        if needed:
            later, still = throttle.take(after, units, capacity, seconds, now + needed * SECOND)
            assert not still or later.left <= capacity, "waiting as told is enough"
            assert still == 0
        else:
            granted += units
        bucket = after
        assert granted <= capacity + capacity * (now - began) / (seconds * SECOND) + 1e-6


def test_a_fresh_object_is_not_found_yet_as_often_as_told(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    world.set(settle_misses=2)
    blueprint = world.blueprint(api, ana, principal=False)
    path = "servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal"
    for _ in range(2):
        status, code, message = api.refused("POST", path, {"appId": blueprint})
        assert (status, code) == (400, "Request_BadRequest")
        assert message == f"Object with id {blueprint} not found."
    api.ok("POST", path, {"appId": blueprint})
    for _ in range(2):
        assert api.refused("POST", IDENTITIES, identity_body(blueprint, ana))[0] == 400
    own = world.identity(api, blueprint, ana)
    for _ in range(2):
        assert api.refused("PATCH", f"servicePrincipals/{own}", {"tags": []})[0] == 404
    assert api.call("PATCH", f"servicePrincipals/{own}", {"tags": []}).status == 204


def test_a_fresh_object_may_also_need_time(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    world.set(settle_seconds=30)
    blueprint = world.blueprint(api, ana, principal=False)
    assert api.refused("GET", f"applications(appId='{blueprint}')")[0] == 404
    world.clock.move(30)
    assert api.ok("GET", f"applications(appId='{blueprint}')")["appId"] == blueprint


def step(number: int, method: str, url: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """One step of a batch."""
    made = {"id": str(number), "method": method, "url": url, **more}
    return made if body is None else {**made, "body": body, "headers": {"Content-Type": "application/json"}}


def test_a_batch_answers_each_step_and_skips_what_depends_on_a_failure(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    requests = [
        step(1, "PATCH", f"/users/{ana}", {"jobTitle": "x"}),
        step(2, "GET", f"/users/{ana}?$select=jobTitle", dependsOn=["1"]),
        step(3, "PATCH", f"/users/{ana}", {"id": "x"}),
        step(4, "PATCH", f"/users/{ana}", {"jobTitle": "never"}, dependsOn=["3"]),
        step(5, "GET", "/users/nobody"),
    ]
    found = {one["id"]: one for one in api.ok("POST", "$batch", {"requests": requests})["responses"]}
    assert {key: one["status"] for key, one in found.items()} == {
        "1": 204,
        "2": 200,
        "3": 400,
        "4": 424,
        "5": 404,
    }
    assert found["2"]["body"]["jobTitle"] == "x" and "body" not in found["1"]
    assert found["5"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    stored = world.tenant.find("user", ana)
    assert stored is not None and stored["jobTitle"] == "x"
    inner = [one["operation"] for one in world.store.journal()]
    assert inner.count("batch step") == 4, "every step that was made is in the journal"


def test_a_throttled_step_is_429_inside_a_batch_that_is_200(world: World) -> None:
    world.set(throttle_units=3)
    api, ana = world.admin(), world.user("ana")
    found = api.ok("POST", "$batch", {"requests": [step(n, "GET", f"/users/{ana}") for n in range(4)]})
    statuses = [one["status"] for one in found["responses"]]
    assert statuses == [200, 200, 200, 429]
    assert found["responses"][3]["headers"]["Retry-After"].isdecimal()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"requests": []},
        {"requests": [step(n, "GET", "/users") for n in range(21)]},
        {"requests": [step(1, "GET", "/users"), step(1, "GET", "/users")]},
        {"requests": [step(1, "GET", "/users", dependsOn=["2"])]},
        {"requests": [{"id": "1", "method": "PATCH", "url": "/users/x", "body": {}}]},
        {"requests": [step(1, "FETCH", "/users")]},
        {"requests": ["x"]},
        [],
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_whole(world: World, body: Any) -> None:
    assert world.admin().refused("POST", "$batch", body)[:2] == (400, "BadRequest")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "displayName",
        "agentIdentityBlueprintId",
        "sponsors@odata.bind",
        "owners@odata.bind",
        "members@odata.bind",
        "customSecurityAttributes",
        "tags",
        "accountEnabled",
        "appId",
        "@odata.id",
        "@odata.type",
        "userPrincipalName",
        "identityParentId",
        "passwordProfile",
        "passwordCredential",
        "ids",
        "requests",
        "id",
        "attributeSet",
        "type",
        "rules",
        "groupTypes",
        "mailNickname",
        "principalId",
        "employeeLeaveDateTime",
        "allowedValues",
        "name",
    ]
)
PATHS = (
    ("POST", IDENTITIES),
    ("POST", "servicePrincipals"),
    ("POST", "applications"),
    ("POST", "users"),
    ("POST", "users/microsoft.graph.agentUser"),
    ("POST", "groups"),
    ("POST", "directory/attributeSets"),
    ("POST", "directory/customSecurityAttributeDefinitions"),
    ("POST", "directoryObjects/getByIds"),
    ("POST", "identityGovernance/lifecycleWorkflows/lifecyclePolicies"),
    ("POST", "$batch"),
    ("PATCH", "users/ana@harborpine.example"),
    ("PATCH", "servicePrincipals/{own}"),
    ("PATCH", "groups/{group}"),
    ("POST", "servicePrincipals/{own}/sponsors/$ref"),
    ("POST", "servicePrincipals/{own}/appRoleAssignedTo"),
    ("POST", "applications/{application}/addPassword"),
    ("POST", "applications/{application}/removePassword"),
)
_FUZZ = World()
_ADMIN = _FUZZ.admin()
_ANA = _FUZZ.user("ana")
_FUZZ.set(throttle_units=10**9, throttle_writes=10**9)
_BLUEPRINT = _FUZZ.blueprint(_ADMIN, _ANA)
_IDS = {
    "own": _FUZZ.identity(_ADMIN, _BLUEPRINT, _ANA),
    "group": _FUZZ.group("staff"),
    "application": _ADMIN.ok("GET", f"applications(appId='{_BLUEPRINT}')")["id"],
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PATHS), JSON | st.dictionaries(MEMBERS, JSON, max_size=6))
def test_no_body_makes_graph_crash(where: tuple[str, str], body: Any) -> None:
    method, path = where
    answer = _ADMIN.call(method, path.format(**_IDS), body)
    assert answer.status < 500


@settings(max_examples=120, deadline=None)
@given(
    st.text(alphabet="ab'() ,/:$eqnotandorin0123.-%", max_size=40),
    st.sampled_from(["$filter", "$select", "$orderby"]),
)
def test_no_query_makes_graph_crash(text: str, name: str) -> None:
    headers = {"authorization": f"Bearer {_ADMIN.token}"}
    answer = _FUZZ.graph.answer("GET", "v1.0", "users", {name: text}, headers, b"")
    assert answer.status in (200, 400)
