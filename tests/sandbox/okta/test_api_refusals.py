"""What Okta refuses, and how every answer of its API looks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.server import application, open_sandbox
from scim_bridge.sandbox.okta.app import build
from tests.sandbox.okta.okta_client import CLIENT_ID, JWK, SCOPES, assertion, profile, register, ssws
from tests.sandbox.servers import Running

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def api(org: Running) -> Iterator[httpx2.Client]:
    """A client with an API token, which may do everything."""
    with org.client(authorization=f"SSWS {ssws(org)}") as client:
        yield client


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def causes(answer: httpx2.Response) -> str:
    return " | ".join(cause["errorSummary"] for cause in answer.json()["errorCauses"])


def create(api: httpx2.Client, login: str, **more: object) -> httpx2.Response:
    return api.post("/api/v1/users", json={"profile": profile(login, **more)})


def grant(org: Running, **form: str) -> httpx2.Response:
    body = {
        "grant_type": "client_credentials",
        "scope": "okta.users.manage",
        "client_assertion_type": JWT_BEARER,
        **form,
    }
    with org.client() as client:
        return client.post("/oauth2/v1/token", data=body)


def bearer(org: Running, *scopes: str) -> httpx2.Client:
    answer = grant(org, scope=" ".join(scopes), client_assertion=assertion(org, time.time()))
    assert answer.status_code == 200, answer.text
    return org.client(authorization=f"Bearer {answer.json()['access_token']}")


def test_an_error_has_okta_s_members_and_every_answer_its_headers(org: Running, api: httpx2.Client) -> None:
    answer = api.get("/api/v1/users/ghost")
    body = answer.json()
    assert set(body) == {"errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"}
    assert body["errorSummary"] == "Not found: Resource not found: ghost (User)"
    assert (body["errorLink"], body["errorId"][:3]) == ("E0000007", "oae")
    anonymous = api.get("/api/v1/users", headers={"authorization": ""})
    for response in (answer, api.get("/api/v1/users"), api.get("/nowhere"), anonymous):
        for name in (
            "x-rate-limit-limit",
            "x-rate-limit-remaining",
            "x-rate-limit-reset",
            "x-okta-request-id",
        ):
            assert response.headers[name], name


@pytest.mark.parametrize("header", ["", "Bearer nothing", "SSWS nothing", "Basic eDp5", "nothing"])
def test_without_a_valid_token_every_path_of_the_api_is_401(org: Running, header: str) -> None:
    with org.client(**({"authorization": header} if header else {})) as client:
        for path in ("/api/v1/users", "/api/v1/logs", "/workload-principals/api/v1/ai-agents"):
            assert error_of(client.get(path)) == (401, "E0000011")


def test_a_scope_is_needed_for_every_call_and_manage_includes_read(org: Running) -> None:
    with bearer(org, "okta.users.manage", "okta.logs.read") as client:
        assert client.get("/api/v1/users").status_code == 200
        assert create(client, "a@x.test").status_code == 200
        assert client.get("/api/v1/logs").status_code == 200
        for method, path in (
            ("GET", "/api/v1/groups"),
            ("POST", "/api/v1/meta/types/user"),
            ("GET", "/api/v1/meta/schemas/user/default"),
            ("GET", "/api/v1/meta/schemas/user/linkedObjects"),
            ("GET", "/api/v1/apps"),
        ):
            answer = client.request(method, path)
            assert error_of(answer) == (403, "E0000006"), path
            assert "insufficient_scope" in answer.headers["www-authenticate"]
    register(org, [*SCOPES, "okta.users.read"])
    with bearer(org, "okta.users.read") as client:
        assert client.get("/api/v1/users").status_code == 200
        assert error_of(create(client, "b@x.test")) == (403, "E0000006")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://elsewhere.test/oauth2/v1/token"}, "audience"),
        ({"sub": "0oaother"}, "subject"),
        ({"iss": "0oaother"}, "client_id"),
        ({"exp": 100}, "expired"),
        ({"exp": int(time.time()) + 90_000}, "too far"),
        ({"exp": None}, "must have an expiration"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
    ],
)
def test_an_assertion_with_a_wrong_claim_is_an_invalid_client(
    org: Running, claims: dict, reason: str
) -> None:
    answer = grant(org, client_assertion=assertion(org, time.time(), **claims))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert reason in answer.json()["error_description"]


def test_an_assertion_is_good_once(org: Running) -> None:
    signed = assertion(org, time.time())
    assert grant(org, client_assertion=signed).status_code == 200
    answer = grant(org, client_assertion=signed)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "already been used" in answer.json()["error_description"]


def test_other_ways_to_sign_in_and_other_scopes_are_refused(org: Running) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey

    claims = {
        "iss": CLIENT_ID,
        "sub": CLIENT_ID,
        "aud": f"{org.url}/oauth2/v1/token",
        "exp": time.time() + 60,
    }
    stranger = jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048))
    shared = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("0" * 32))
    for forged in (stranger, shared, "no.jwt.atall", "", assertion(org, time.time())[:-6] + "AAAAAA"):
        answer = grant(org, client_assertion=forged)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), forged[:30]
    answer = grant(
        org, client_assertion="x", client_assertion_type="", client_id=CLIENT_ID, client_secret="s"
    )
    assert answer.json()["error"] == "invalid_client"
    for form, error in (
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "okta.users.read okta.eventHooks.manage"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ):
        answer = grant(org, **{"client_assertion": assertion(org, time.time()), **form})
        assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_token_ends_after_an_hour(org: Running) -> None:
    answer = grant(org, scope="okta.users.manage", client_assertion=assertion(org, time.time()))
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "okta.users.manage")
    for key, value in org.sandbox.store.all("accesstoken"):
        org.sandbox.store.put("accesstoken", key, {**value, "expires": time.time() - 1})
    with org.client(authorization=f"Bearer {body['access_token']}") as client:
        assert error_of(client.get("/api/v1/users")) == (401, "E0000011")


def test_no_token_or_assertion_is_in_the_journal(org: Running) -> None:
    signed = assertion(org, time.time())
    token = grant(org, client_assertion=signed).json()["access_token"]
    written = org.control.get("/journal").text
    assert signed not in written
    assert token not in written


def test_the_journal_names_every_call_after_what_it_does(org: Running, api: httpx2.Client) -> None:
    create(api, "a@x.test")
    api.get("/api/v1/users/a@x.test")
    api.post("/api/v1/users/a@x.test/lifecycle/deactivate")
    api.patch("/api/v1/users", json={})
    api.get("/nowhere")
    calls = org.control.get("/journal", params={"direction": "in"}).json()["calls"]
    operations = [call["operation"] for call in calls]
    assert operations == ["create_user", "get_user", "change_lifecycle", "method_not_allowed", "refuse"]


def test_limits_are_per_endpoint_and_minute_and_refuse_before_they_look(
    org: Running, api: httpx2.Client
) -> None:
    org.control.put("/limits", json={"buckets": {"users": 1}, "default": 50})
    assert api.get("/api/v1/users").headers["x-rate-limit-remaining"] == "0"
    over = api.get("/api/v1/users")
    assert error_of(over) == (429, "E0000047")
    assert "retry-after" not in over.headers
    assert 0 < int(over.headers["x-rate-limit-reset"]) - time.time() <= 61
    assert api.get("/api/v1/users", headers={"authorization": ""}).status_code == 429
    answer = api.get("/api/v1/groups")
    assert (answer.status_code, answer.headers["x-rate-limit-limit"]) == (200, "50")
    assert org.control.put("/limits", json={"default": "many"}).status_code == 400


def test_a_bucket_is_full_again_when_its_minute_is_over(tmp_path) -> None:
    class Clock:
        instant = 1_790_000_000 * SECOND

        def now(self) -> int:
            return self.instant

    from scim_bridge.sandbox.okta.limits import Limits

    clock = Clock()
    sandbox = open_sandbox("okta", tmp_path, "https://okta.test", clock)
    limits = Limits(sandbox.store)
    limits.resize({"users": 2})
    taken = [limits.take("users") for _ in range(3)]
    assert [item.exceeded for item in taken] == [False, False, True]
    assert {item.reset for item in taken} == {1_790_000_060}
    clock.instant += 59 * SECOND
    assert limits.take("users").exceeded
    clock.instant += SECOND
    assert not limits.take("users").exceeded
    sandbox.close()


def test_features_without_a_licence_and_paths_that_do_not_exist(api: httpx2.Client) -> None:
    for path in ("/workload-principals/api/v1/ai-agents", "/governance/api/v1/resource-owners"):
        assert error_of(api.get(path)) == (401, "E0000015")
        assert error_of(api.post(path, json={})) == (401, "E0000015")
    assert error_of(api.get("/api/v1/nothing")) == (404, "E0000008")
    assert error_of(api.patch("/api/v1/users", json={})) == (405, "E0000022")
    assert error_of(api.get("/oauth2/v1/token")) == (405, "E0000022")
    assert error_of(api.post("/api/v1/users", content=b"{")) == (400, "E0000003")
    assert error_of(api.post("/api/v1/users", json=[])) == (400, "E0000003")
    assert error_of(api.post("/api/v1/users", json={})) == (400, "E0000001")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"login": None}, "login: The field cannot be left blank"),
        ({"login": "nodomain"}, "form of an email address"),
        ({"login": "a@b"}, "shorter"),
        ({"login": "a" * 100 + "@x.test"}, "longer than the allowed 100"),
        ({"firstName": ""}, "firstName: The field cannot be left blank"),
        ({"lastName": "x" * 51}, "lastName: The value is longer"),
        ({"email": "nobody"}, "email: Does not match required pattern"),
        ({"title": 5}, "title: The value must be of type string"),
        ({"agentId": "x"}, "agentId: Property is not defined"),
        ({"countryCode": "PRT"}, "countryCode: The value is longer"),
    ],
)
def test_a_profile_the_schema_does_not_allow_is_refused(
    api: httpx2.Client, change: dict, reason: str
) -> None:
    answer = api.post("/api/v1/users", json={"profile": {**profile("a@x.test"), **change}})
    assert error_of(answer) == (400, "E0000001")
    assert reason in causes(answer)
    assert answer.json()["errorSummary"].startswith("Api validation failed: ")


def test_logins_are_unique_whatever_their_case_and_marks(api: httpx2.Client) -> None:
    assert create(api, "Isaac.Brock@x.test").status_code == 200
    for login in ("isaac.brock@x.test", "isáàc.bröck@x.test"):
        answer = create(api, login)
        assert error_of(answer) == (400, "E0000001")
        assert "already exists" in causes(answer)
    other = create(api, "other@x.test").json()["id"]
    answer = api.post(f"/api/v1/users/{other}", json={"profile": {"login": "ISAAC.BROCK@x.test"}})
    assert error_of(answer) == (400, "E0000001")
    assert api.post(f"/api/v1/users/{other}", json={"profile": {"login": "free@x.test"}}).status_code == 200
    assert create(api, "other@x.test").status_code == 200


def test_user_types_are_nine_at_most_and_keep_their_names(api: httpx2.Client) -> None:
    path = "/api/v1/meta/types/user"
    made = [api.post(path, json={"name": f"type{n}", "displayName": f"Type {n}"}) for n in range(10)]
    assert [answer.status_code for answer in made] == [200] * 9 + [400]
    assert "more than 9" in causes(made[9])
    key = made[0].json()["id"]
    answer = api.post(f"{path}/{key}", json={"name": "other"})
    assert error_of(answer) == (400, "E0000001")
    changed = api.post(f"{path}/{key}", json={"displayName": "Better"}).json()
    assert (changed["name"], changed["displayName"]) == ("type0", "Better")
    assert error_of(api.put(f"{path}/{key}", json={"displayName": "No name"})) == (400, "E0000001")
    assert api.put(f"{path}/{key}", json={"name": "type0", "displayName": "Whole"}).status_code == 200
    assert error_of(api.delete(f"{path}/default")) == (400, "E0000001")
    assert api.delete(f"{path}/{key}").status_code == 204
    assert error_of(api.get(f"{path}/{key}")) == (404, "E0000007")
    for bad in (
        {"name": "1st", "displayName": "x"},
        {"name": "TYPE1", "displayName": "x"},
        {"name": "x"},
        {},
    ):
        assert error_of(api.post(path, json=bad)) == (400, "E0000001")


def test_a_schema_changes_in_part_and_a_removed_property_takes_its_values_along(api: httpx2.Client) -> None:
    path = "/api/v1/meta/schemas/user/default"

    def change(**properties: object) -> httpx2.Response:
        return api.post(path, json={"definitions": {"custom": {"properties": properties}}})

    text = {"title": "T", "type": "string"}
    assert change(agentId=text, agentOk={"title": "T", "type": "boolean"}).status_code == 200
    after = change(agentTags={"title": "T", "type": "array", "items": {"type": "string"}}).json()
    assert set(after["definitions"]["custom"]["properties"]) == {"agentId", "agentOk", "agentTags"}
    made = create(api, "a@x.test", agentId="1", agentOk=False, agentTags=["x"])
    assert made.json()["profile"]["agentTags"] == ["x"]
    assert error_of(create(api, "b@x.test", agentOk="no")) == (400, "E0000001")
    assert change(agentId=None).status_code == 200
    assert "agentId" not in api.get("/api/v1/users/a@x.test").json()["profile"]
    for bad, reason in (
        ({"agentOk": {"title": "T", "type": "string"}}, "type of an existing property"),
        ({"agentok": text}, "already exists"),
        ({"login": text}, "already exists"),
        ({"1st": text}, "must start with"),
        ({"x": {"title": "T", "type": "date"}}, "type must be one of"),
        ({"x": {"type": "string"}}, "title"),
        ({"x": {**text, "maxLength": "5"}}, "maxLength must be an integer"),
        ({"x": {**text, "enum": ["a"]}}, "enum and oneOf"),
        ({"x": {**text, "size": 5}}, "not a known member"),
        ({"x": {"title": "T", "type": "array"}}, "items"),
    ):
        answer = change(**bad)
        assert error_of(answer) == (400, "E0000001"), bad
        assert reason in causes(answer), bad
    base = {"definitions": {"base": {"properties": {"email": {"required": False}}}}}
    assert error_of(api.post(path, json=base)) == (400, "E0000001")
    base = {"definitions": {"base": {"properties": {"lastName": {"required": False}}}}}
    assert api.post(path, json=base).status_code == 200
    assert create(api, "one@x.test", lastName=None).status_code == 200
    assert error_of(api.post(path, json={"definitions": {"extra": {}}})) == (400, "E0000001")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"primary": {"name": "1owner", "title": "x", "type": "USER"}}, (409, "E0000127")),
        ({"primary": {"name": "owned", "title": "x", "type": "USER"}}, (409, "E0000127")),
        ({"primary": {"name": "owner", "title": "x", "type": "GROUP"}}, (409, "E0000127")),
        ({"primary": {"name": "owner"}}, (400, "E0000001")),
        ({"primary": None}, (400, "E0000001")),
    ],
)
def test_a_bad_linked_object_definition_is_refused(api: httpx2.Client, change: dict, code: tuple) -> None:
    good = {
        "primary": {"name": "owner", "title": "Owner", "type": "USER"},
        "associated": {"name": "owned", "title": "Owned", "type": "USER"},
    }
    assert error_of(api.post("/api/v1/meta/schemas/user/linkedObjects", json={**good, **change})) == code


def test_an_asynchronous_deactivation_takes_its_time_and_refuses_changes_meanwhile(
    org: Running, api: httpx2.Client
) -> None:
    org.control.post("/org", json={"deactivation_seconds": 3600})
    user = create(api, "a@x.test").json()["id"]
    prefer = {"prefer": "respond-async"}
    assert api.post(f"/api/v1/users/{user}/lifecycle/deactivate", headers=prefer).status_code == 200
    moving = api.get(f"/api/v1/users/{user}").json()
    assert (moving["status"], moving["transitioningToStatus"]) == ("PROVISIONED", "DEPROVISIONED")
    assert "transition_due" not in moving
    change = {"profile": {"title": "x"}}
    assert error_of(api.post(f"/api/v1/users/{user}", json=change)) == (409, "E0000112")
    stored = org.sandbox.store.get("user", user)
    assert stored is not None
    org.sandbox.store.put("user", user, {**stored, "transition_due": 1})
    over = api.get(f"/api/v1/users/{user}").json()
    assert (over["status"], over.get("transitioningToStatus")) == ("DEPROVISIONED", None)


def test_search_lags_behind_but_reading_by_id_does_not(org: Running, api: httpx2.Client) -> None:
    old = create(api, "old@x.test").json()["id"]
    org.control.post("/org", json={"search_lag_seconds": 3600})
    api.post(f"/api/v1/users/{old}", json={"profile": {"title": "New"}})
    create(api, "new@x.test")
    by_title = api.get("/api/v1/users", params={"search": 'profile.title eq "New"'}).json()
    everyone = api.get("/api/v1/users", params={"search": "id pr"}).json()
    assert (by_title, [user["id"] for user in everyone]) == ([], [old])
    assert api.get(f"/api/v1/users/{old}").json()["profile"]["title"] == "New"
    assert len(api.get("/api/v1/users").json()) == 2
    assert org.control.post("/org", json={"speed": 1}).status_code == 400
    assert org.control.post("/org", json={"import_groups": 1}).status_code == 400


def test_paging_survives_the_deletion_of_the_user_the_cursor_stands_on(api: httpx2.Client) -> None:
    keys = [create(api, f"u{number}@x.test").json()["id"] for number in range(3)]
    first = api.get("/api/v1/users", params={"limit": 1})
    links = first.headers.get_list("link")
    assert [link.rsplit(" ", 1)[1] for link in links] == ['rel="self"', 'rel="next"']
    for _ in range(2):
        api.delete(f"/api/v1/users/{keys[0]}")
    second = api.get(links[1].split(">")[0][1:]).json()
    assert [user["id"] for user in second] == [keys[1]]
    assert error_of(api.get("/api/v1/users?after=%21")) == (400, "E0000001")
    assert error_of(api.get("/api/v1/users?limit=0")) == (400, "E0000001")
    assert error_of(api.get("/api/v1/users?q=a&search=id%20pr")) == (400, "E0000033")


def test_a_client_needs_an_rsa_key_and_scopes(org: Running) -> None:
    for body in (
        {},
        {"jwk": JWK},
        {"jwk": {"kty": "EC"}, "scopes": SCOPES},
        {"jwk": JWK, "scopes": ["users"]},
        {"jwk": "x", "scopes": SCOPES},
    ):
        assert org.control.post("/api-clients", json=body).status_code == 400


def test_the_org_can_be_called_in_one_process_without_a_network(tmp_path) -> None:
    import asyncio

    async def main() -> None:
        sandbox = open_sandbox("okta", tmp_path, "https://okta.test")
        transport = httpx2.ASGITransport(application(sandbox, build(sandbox), "ctl"))
        async with httpx2.AsyncClient(transport=transport, base_url="https://okta.test") as client:
            steer = {"authorization": "Bearer ctl"}
            token = (await client.post("/sandbox/api-tokens", headers=steer)).json()["token"]
            answer = await client.get("/api/v1/users", headers={"authorization": f"SSWS {token}"})
            assert (answer.status_code, answer.json()) == (200, [])
        sandbox.close()

    asyncio.run(main())
