"""What the simulated Okta for AI Agents and its resource owners refuse, as the real ones do."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.sandbox.okta.okta_client import profile, ssws
from tests.sandbox.okta.test_api_refusals import causes, error_of
from tests.sandbox.servers import Running

BASE = "/workload-principals/api/v1"
OWNERS = "/governance/api/v1/resource-owners"
MERGE = {"content-type": "application/merge-patch+json"}
ORG = "orn:okta:directory:00osandboxorg0000001"


@pytest.fixture
def api(org: Running) -> Iterator[httpx2.Client]:
    """A client of an org with both subscriptions."""
    org.control.post("/org", json={"ai_agents": True, "governance": True})
    with org.client(authorization=f"SSWS {ssws(org)}") as client:
        yield client


def done(api: httpx2.Client, accepted: httpx2.Response) -> dict:
    """The operation an accepted change became."""
    assert accepted.status_code == 202 and accepted.content == b"", accepted.text
    found: dict = api.get(accepted.headers["location"]).json()
    return found


def registered(api: httpx2.Client, name: str = "Triage") -> str:
    operation = done(api, api.post(f"{BASE}/ai-agents", json={"profile": {"name": name}}))
    return str(operation["resource"]["id"])


def owned(api: httpx2.Client, key: str, *owners: str) -> httpx2.Response:
    principals = [f"{ORG}:users:{owner}" for owner in owners]
    resource = f"{ORG}:workload-principals:ai-agents:{key}"
    return api.post(OWNERS, json={"principalOrns": principals, "resourceOrns": [resource]})


def user(api: httpx2.Client, login: str) -> str:
    return str(api.post("/api/v1/users", json={"profile": profile(login)}).json()["id"])


def test_without_the_subscriptions_there_is_no_such_feature(org: Running) -> None:
    with org.client(authorization=f"SSWS {ssws(org)}") as client:
        assert error_of(client.get(f"{BASE}/ai-agents")) == (401, "E0000015")
        assert error_of(client.get(f'{OWNERS}?filter=resource.orn eq "x"')) == (401, "E0000015")


def test_a_registered_agent_is_staged_and_is_activated_only_with_an_owner(api: httpx2.Client) -> None:
    key = registered(api)
    here = f"{BASE}/ai-agents/{key}"
    assert api.get(here).json()["status"] == "STAGED"
    refused = done(api, api.post(f"{here}/lifecycle/activate"))
    assert refused["status"] == "FAILED" and "needs an owner" in refused["errorDetails"]["message"]
    assert owned(api, key, user(api, "maria@corp.test")).status_code == 200
    assert done(api, api.post(f"{here}/lifecycle/activate"))["resource"]["status"] == "ACTIVE"
    assert error_of(api.post(f"{here}/lifecycle/activate")) == (400, "E0000001")
    assert error_of(api.delete(here)) == (400, "E0000001"), "only an inactive one"
    done(api, api.post(f"{here}/lifecycle/deactivate"))
    assert error_of(api.post(f"{here}/lifecycle/deactivate")) == (400, "E0000001")
    assert done(api, api.delete(here))["resource"]["status"] == "DELETED"
    assert error_of(api.get(here)) == (404, "E0000007")


def test_a_name_is_unique_in_any_case_and_not_too_short(api: httpx2.Client) -> None:
    registered(api, "Triage")
    for name, why in (
        ("triage", "already exists"),
        ("ab", "between 3 and"),
        ("", "between 3 and"),
        (3, "string"),
    ):
        answer = api.post(f"{BASE}/ai-agents", json={"profile": {"name": name}})
        assert error_of(answer) == (400, "E0000001") and why in causes(answer), name
    assert error_of(api.post(f"{BASE}/ai-agents", json={})) == (400, "E0000001")


def test_an_operation_under_way_shows_nothing_yet_but_holds_the_name(
    org: Running, api: httpx2.Client
) -> None:
    org.control.post("/org", json={"ai_operation_seconds": 3600})
    answer = api.post(f"{BASE}/ai-agents", json={"profile": {"name": "Triage"}})
    assert done(api, answer)["status"] == "SCHEDULED"
    assert api.get(f"{BASE}/ai-agents").json()["data"] == []
    again = api.post(f"{BASE}/ai-agents", json={"profile": {"name": "Triage"}})
    assert "already exists" in causes(again)


def test_a_patch_is_a_merge_patch_and_says_so(api: httpx2.Client) -> None:
    here = f"{BASE}/ai-agents/{registered(api)}"
    body = {"profile": {"description": "sorts"}}
    assert error_of(api.patch(here, json=body)) == (415, "E0000021")
    for said, shown in (
        (b'{"profile":{"description":"sorts"}}', "sorts"),
        (b'{"profile":{"description":null}}', None),
    ):
        assert done(api, api.patch(here, content=said, headers=MERGE))["status"] == "COMPLETED"
        assert api.get(here).json()["profile"].get("description") == shown
    assert error_of(api.patch(here, content=b'{"profile":{"model":"x"}}', headers=MERGE)) == (400, "E0000001")


def test_owners_are_five_people_or_one_group_of_this_org(api: httpx2.Client) -> None:
    key = registered(api)
    people = [user(api, f"person-{number}@corp.test") for number in range(6)]
    assert "At most 5" in causes(owned(api, key, *people))
    assert error_of(owned(api, key, "00unobody")) == (404, "E0000007")
    assert error_of(owned(api, "wlpnobody", people[0])) == (400, "E0000001")
    assert owned(api, key, *people[:5]).status_code == 200
    found = api.get(OWNERS, params={"filter": f'resource.orn eq "{ORG}:workload-principals:ai-agents:{key}"'})
    (item,) = found.json()["data"]
    assert len(item["principals"]) == 5 and all(one["id"].startswith("pri") for one in item["principals"])
    assert error_of(api.get(OWNERS)) == (400, "E0000001")
    assert owned(api, key).status_code == 200, "an empty list takes all of them away"
    assert api.get(found.request.url).json()["data"] == []


def test_keys_are_public_large_enough_and_the_last_active_one_stays(api: httpx2.Client) -> None:
    here = f"{BASE}/ai-agents/{registered(api)}/credentials/jwks"
    key = {"kid": "one", "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", **POINT}
    made = api.post(here, json=key)
    assert made.status_code == 201 and made.json()["status"] == "ACTIVE"
    assert error_of(api.post(here, json=key)) == (400, "E0000001"), "the kid is taken"
    assert error_of(api.post(here, json={**key, "kid": "two", "x": "?"})) == (400, "E0000001")
    one = f"{here}/{made.json()['id']}"
    assert error_of(api.delete(one)) == (400, "E0000001")
    assert error_of(api.post(f"{one}/lifecycle/deactivate")) == (400, "E0000001")
    assert api.post(here, json={**key, "kid": "two"}).status_code == 201
    assert api.post(f"{one}/lifecycle/deactivate").json()["status"] == "INACTIVE"
    assert api.delete(one).status_code == 204


POINT = {
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
