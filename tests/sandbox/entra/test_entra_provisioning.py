"""Promises of provisioning runs: the calls in their order, what triggers them, and what failures lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from scim_bridge.sandbox.entra.app import build
from scim_bridge.sandbox.entra.scim import replies
from tests.sandbox.entra.peer import Peer
from tests.sandbox.servers import Running, running

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ANA, BEN, BOT = "ana@contoso.com", "ben@contoso.com", "triage-bot@contoso.com"
DIRECTORY = {
    "users": [
        {"userPrincipalName": ANA, "mail": ANA, "displayName": "Ana"},
        {"userPrincipalName": BEN, "mail": BEN, "displayName": "Ben", "manager": ANA},
        {"userPrincipalName": BOT, "mail": BOT, "displayName": "Triage", "employeeType": "Agent"},
    ],
    "groups": [{"displayName": "staff", "members": [ANA, BOT]}],
}


class Fixture:
    """A tenant and a target that listen."""

    def __init__(self, entra: Running, peer: Peer, target: Running) -> None:
        self.entra, self.peer, self.target = entra, peer, target

    def configure(self, dialect: str, **more: Any) -> None:
        """Point the tenant at the target."""
        body = {"base_url": f"{self.target.url}/scim/v2", "token": "t0ken", "dialect": dialect}
        self.post("scim/configure", {**body, "ca_file": self.target.ca_file, **more})

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """A control call that must be taken."""
        answer = self.entra.control.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def calls(self, path: str, body: Any = None) -> list[str]:
        """The operations of a run that must go well."""
        report = self.post(path, body)
        assert report["ok"], report
        return [one["operation"] for one in report["calls"]]

    def change(self, **user: Any) -> None:
        """Change a user of the tenant."""
        self.post("directory", {"users": [user]})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixture]:
    """A tenant and a target, started once."""
    peer, data = Peer(), tmp_path_factory.mktemp("entra")
    with running("peer", peer.build, data / "peer") as target, running("entra", build, data / "e") as entra:
        yield Fixture(entra, peer, target)


@pytest.fixture
def both(served: Fixture) -> Fixture:
    """A tenant with a fresh directory, and an empty target; not introduced to each other yet."""
    for one in (served.entra, served.target):
        one.control.post("reset").raise_for_status()
    served.peer.empty()
    served.post("directory", DIRECTORY)
    return served


def test_the_test_call_looks_for_somebody_who_cannot_exist(both: Fixture) -> None:
    both.configure("entra")
    assert both.calls("scim/test") == ["test connection"]
    ((method, target, body, headers),) = both.peer.received
    assert method == "GET" and body == b""
    assert re.fullmatch(rf"/Users\?filter=userName\+eq\+%22{GUID}%22", target)
    assert headers["authorization"] == "Bearer t0ken" and "content-type" not in headers


def test_the_first_cycle_creates_in_order_and_a_second_sends_nothing(both: Fixture) -> None:
    both.configure("entra")
    report = both.post("scim/cycle", {})
    assert report["ok"]
    assert both.peer.targets() == [
        "GET /Users?filter=userName+eq+%22ana%40contoso.com%22",
        "POST /Users",
        "GET /Users?filter=userName+eq+%22ben%40contoso.com%22",
        "POST /Users",
        "GET /Users?filter=userName+eq+%22triage-bot%40contoso.com%22",
        "POST /Users",
        "GET /Users?filter=id+eq+%22<u:ben@contoso.com>%22+and+manager+eq+%22<u:ana@contoso.com>%22&attributes=id",
        "PATCH /Users/<u:ben@contoso.com>",
        "GET /Groups?excludedAttributes=members&filter=displayName+eq+%22staff%22",
        "POST /Groups",
        "PATCH /Groups/<g:staff>",
    ]
    assert [set(one) for one in report["calls"]] == [{"operation", "method", "path", "status"}] * 11
    assert {one["value"] for one in both.peer.group("staff")["members"]} == {
        both.peer.user(ANA)["id"],
        both.peer.user(BOT)["id"],
    }
    assert all(
        headers["content-type"].startswith("application/scim+json")
        for method, _, _, headers in both.peer.received
        if method in ("POST", "PATCH")
    )
    assert both.calls("scim/cycle", {}) == []


@pytest.mark.parametrize("dialect", ["entra", "entra-062020"])
def test_disable_and_enable_are_written_as_the_dialect_says(both: Fixture, dialect: str) -> None:
    both.configure(dialect)
    both.calls("scim/cycle", {})
    for path, active in (("scim/disable", False), ("scim/enable", True)):
        assert both.calls(path, {"userPrincipalName": BOT})[:2] == ["read user", path[5:] + " user"]
        expected = f'"{active}"' if dialect == "entra" else str(active).lower()
        assert both.peer.bodies("PATCH")[-1].endswith(f'"path":"active","value":{expected}}}]}}')
        assert both.peer.user(BOT)["active"] is active
    flagged = ["aadOptscim062020" in target for _, target, _, _ in both.peer.received]
    assert all(flagged) if dialect == "entra-062020" else not any(flagged)


@pytest.mark.parametrize("dialect", ["entra", "entra-062020"])
def test_changes_are_read_compared_and_patched(both: Fixture, dialect: str) -> None:
    both.configure(dialect)
    both.calls("scim/cycle", {})
    both.change(userPrincipalName=ANA, displayName="Ana Ruiz", jobTitle="Lead", mail="a.ruiz@contoso.com")
    assert both.calls("scim/cycle", {}) == ["read user", "update user"]
    user = both.peer.user(ANA)
    assert (user["displayName"], user["title"]) == ("Ana Ruiz", "Lead")
    assert [one["value"] for one in user["emails"] if one["type"] == "work"] == ["a.ruiz@contoso.com"]
    assert both.calls("scim/cycle", {}) == []


@pytest.mark.parametrize("dialect", ["entra", "entra-062020"])
def test_members_come_and_go_without_touching_the_others(both: Fixture, dialect: str) -> None:
    both.configure(dialect)
    both.calls("scim/cycle", {})
    both.post("directory", {"groups": [{"displayName": "staff", "members": [ANA, BEN]}]})
    assert both.calls("scim/cycle", {}) == ["read group", "add members", "remove members"]
    assert {one["value"] for one in both.peer.group("staff")["members"]} == {
        both.peer.user(ANA)["id"],
        both.peer.user(BEN)["id"],
    }
    assert "?excludedAttributes=members" in both.peer.targets()[-3]


def test_who_is_no_longer_assigned_is_disabled_and_then_left_alone(both: Fixture) -> None:
    both.configure("entra")
    both.calls("scim/cycle", {})
    only_ana = {"users": [ANA], "groups": ["staff"]}
    assert both.calls("scim/cycle", only_ana) == ["read user", "disable user"] * 2
    assert not both.peer.user(BOT)["active"] and not both.peer.user(BEN)["active"]
    both.change(userPrincipalName=BOT, displayName="Changed")
    assert both.calls("scim/cycle", only_ana) == []
    assert both.calls("scim/delete", {"userPrincipalName": BOT, "hard": True}) == [], "no DELETE is sent"
    assert BOT in [one["userName"] for one in both.peer.resources["Users"].values()]


def test_who_is_assigned_again_is_matched_and_enabled(both: Fixture) -> None:
    both.configure("entra")
    both.calls("scim/cycle", {})
    before = both.peer.user(BEN)["id"]
    both.calls("scim/cycle", {"users": [ANA, BOT], "groups": []})
    assert both.calls("scim/cycle", {"users": [ANA, BEN, BOT], "groups": []})[:2] == [
        "match user",
        "enable user",
    ]
    assert both.peer.user(BEN)["active"] is True and both.peer.user(BEN)["id"] == before


def test_a_soft_delete_disables_and_a_purge_deletes(both: Fixture) -> None:
    both.configure("entra")
    both.calls("scim/cycle", {})
    assert both.calls("scim/delete", {"userPrincipalName": BOT}) == ["read user", "disable user"]
    assert both.peer.user(BOT)["active"] is False
    assert both.calls("scim/delete", {"userPrincipalName": BOT, "hard": True}) == ["delete user"]
    assert BOT not in [one["userName"] for one in both.peer.resources["Users"].values()]
    assert both.calls("scim/cycle", {}) == []


def test_a_user_who_is_not_active_is_never_created(both: Fixture) -> None:
    both.configure("entra")
    both.change(userPrincipalName=BOT, accountEnabled=False)
    both.calls("scim/cycle", {})
    assert BOT not in [one["userName"] for one in both.peer.resources["Users"].values()]


def test_somebody_who_is_there_already_is_matched_not_doubled(both: Fixture) -> None:
    both.configure("entra")
    both.calls("scim/cycle", {})
    both.post("scim/restart", {"full": True})
    calls = both.calls("scim/cycle", {})
    assert "create user" not in calls and "create group" not in calls
    assert calls.count("match user") == 3 and calls.count("check member") == 2
    assert len(both.peer.resources["Users"]) == 3 and "add members" not in calls


def test_a_resource_that_vanished_at_the_target_is_made_again(both: Fixture) -> None:
    both.configure("entra")
    both.calls("scim/cycle", {})
    both.peer.resources["Users"].clear()
    both.change(userPrincipalName=ANA, displayName="Ana Ruiz")
    assert both.calls("scim/cycle", {}) == ["read user", "match user", "create user"]
    assert both.peer.user(ANA)["displayName"] == "Ana Ruiz"


def test_managers_are_set_changed_and_removed(both: Fixture) -> None:
    both.configure("entra-062020", manager_shape="object")
    both.calls("scim/cycle", {})
    assert '"value":{"value":"' in both.peer.bodies("PATCH")[0]
    both.change(userPrincipalName=BEN, manager=BOT)
    assert both.calls("scim/cycle", {}) == ["read user", "check manager", "set manager"]
    both.change(userPrincipalName=BEN, manager="")
    assert both.calls("scim/cycle", {}) == ["read user", "remove manager"]
    assert both.peer.user(BEN)["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"] == {}


def test_on_demand_tests_first_and_knows_no_flag(both: Fixture) -> None:
    both.configure("entra-062020")
    assert both.calls("scim/on-demand", {"userPrincipalName": BOT}) == [
        "test connection",
        "match user",
        "create user",
    ]
    both.calls("scim/on-demand", {"group": "staff", "members": [BOT]})
    assert [one["value"] for one in both.peer.group("staff")["members"]] == [both.peer.user(BOT)["id"]]
    assert not any("aadOptscim062020" in target for _, target, _, _ in both.peer.received)
    answer = both.entra.control.post("scim/on-demand", json={"group": "staff", "members": [BOT] * 6})
    assert answer.status_code == 400


def fault(
    both: Fixture, path: str, status: int, body: Any, times: int | None = 1, method: str = "GET"
) -> None:
    """Script one fault of the target."""
    script = {"match": {"path": path, "method": method}, "action": "status", "status": status, "times": times}
    both.target.control.put("faults", json={"faults": [{**script, "body": body}]}).raise_for_status()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, {"detail": "no such user"}, "404"),
        (401, {"detail": "who are you"}, "InvalidCredentials"),
        (200, {"Resources": []}, "ListResponse"),
        (200, "<html>", "ListResponse"),
        (200, {"schemas": 7, "totalResults": 0}, "ListResponse"),
        (200, {"schemas": [replies.LIST], "totalResults": "0"}, "ListResponse"),
        (200, {"schemas": [replies.LIST], "totalResults": 1, "Resources": [{"id": "1"}]}, "cannot exist"),
    ],
)
def test_a_test_answered_wrongly_fails_and_says_why(both: Fixture, status: int, body: Any, why: str) -> None:
    both.configure("entra")
    fault(both, "/Users", status, body)
    report = both.post("scim/test")
    assert report["ok"] is False and why in report["error"]
    assert report["calls"][0]["status"] == status


def test_one_failing_object_is_retried_and_never_stops_the_others(both: Fixture) -> None:
    both.configure("entra")
    fault(both, "/Users", 500, {"detail": "oops"}, method="POST")
    report = both.post("scim/cycle", {})
    assert report["ok"] is False and "500 oops" in report["error"]
    assert len(both.peer.resources["Users"]) == 2
    (failure,) = both.entra.control.get("scim/status").json()["failures"]
    assert (failure["count"], failure["status"]) == (1, 500)
    assert "create user" in both.calls("scim/cycle", {})
    assert both.entra.control.get("scim/status").json() == {"quarantine": None, "failures": []}


@pytest.mark.parametrize("status", [401, 403])
def test_bad_credentials_stop_the_run_and_quarantine_the_job_until_a_test_goes_well(
    both: Fixture, status: int
) -> None:
    both.configure("entra")
    fault(both, "/Users", status, {"detail": "no"}, times=None)
    report = both.post("scim/cycle", {})
    assert report["ok"] is False and len(report["calls"]) == 1
    assert "InvalidCredentials" in both.entra.control.get("scim/status").json()["quarantine"]["reason"]
    both.target.control.put("faults", json={"faults": []})
    assert both.calls("scim/cycle", {})[0] == "test connection"
    assert both.entra.control.get("scim/status").json()["quarantine"] is None


def test_two_matches_are_an_error_not_a_choice(both: Fixture) -> None:
    both.configure("entra")
    twice = [{"id": "1", "userName": ANA}, {"id": "2", "userName": ANA}]
    found = {"schemas": [replies.LIST], "totalResults": 2, "Resources": twice}
    fault(both, "ana%40", 200, found)
    report = both.post("scim/cycle", {"users": [ANA], "groups": []})
    assert report["ok"] is False and "DuplicateTargetEntries" in report["error"]


def test_a_target_that_does_not_answer_is_a_failure_not_a_crash(both: Fixture) -> None:
    both.configure("entra", base_url="https://127.0.0.1:9/scim/v2")
    report = both.post("scim/test")
    assert report["ok"] is False and report["calls"][0]["status"] == 0


def test_a_certificate_nobody_vouches_for_is_refused(both: Fixture) -> None:
    both.configure("entra", ca_file=both.entra.ca_file)
    report = both.post("scim/test")
    assert report["ok"] is False and "CERTIFICATE_VERIFY_FAILED" in report["error"]


def test_a_run_cut_between_create_and_link_finds_its_user_again(both: Fixture) -> None:
    both.configure("entra")
    script = {"match": {"path": "/Users", "method": "POST"}, "action": "drop_after"}
    both.target.control.put("faults", json={"faults": [script]}).raise_for_status()
    assert both.post("scim/cycle", {"users": [ANA], "groups": []})["ok"] is False
    assert both.calls("scim/cycle", {"users": [ANA], "groups": []}) == ["match user"]
    assert len(both.peer.resources["Users"]) == 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"base_url": "http://127.0.0.1/scim", "token": "t"}, "base_url"),
        ({"base_url": "https://h/scim", "token": ""}, "token"),
        ({"base_url": "https://h/scim", "token": "t", "dialect": "okta-put"}, "dialect"),
        ({"base_url": "https://h/scim", "token": "t", "ca_file": "/nowhere"}, "ca_file"),
        ({"base_url": "https://h/scim", "token": "t", "manager_shape": "x"}, "manager_shape"),
        ({"base_url": "https://h/scim", "token": "t", "external_id": "mail"}, "external_id"),
        ({"base_url": "https://h/scim?x=1", "token": "t"}, "aadOptscim062020"),
    ],
)
def test_a_target_the_portal_would_not_take_is_refused(
    both: Fixture, body: dict[str, Any], word: str
) -> None:
    answer = both.entra.control.post("scim/configure", json=body)
    assert answer.status_code == 400 and word in answer.json()["error"]


def test_the_flag_in_the_tenant_url_chooses_the_dialect(both: Fixture) -> None:
    both.configure("entra", base_url=f"{both.target.url}/scim/v2?aadOptscim062020")
    both.calls("scim/test")
    assert both.peer.received[0][1].endswith("&aadOptscim062020")


def test_names_that_are_not_in_the_directory_are_refused(both: Fixture) -> None:
    assert both.entra.control.post("scim/cycle", json={"users": [ANA]}).status_code == 409, "no target yet"
    both.configure("entra")
    for path, body in (
        ("scim/cycle", {"users": ["nobody@contoso.com"]}),
        ("scim/cycle", {"groups": ["nothing"]}),
        ("scim/cycle", {"users": "all"}),
        ("scim/disable", {"userPrincipalName": "nobody@contoso.com"}),
        ("scim/on-demand", {}),
        ("directory", {"users": [{"displayName": "x"}]}),
        ("directory", {"users": [{"userPrincipalName": "x@y.z", "colour": "red"}]}),
        ("directory", {"groups": [{"displayName": "g", "members": ["nobody"]}]}),
    ):
        answer = both.entra.control.post(path, json=body)
        assert answer.status_code == 400 and answer.json()["ok"] is False, path


def test_failures_reach_the_threshold_only_in_great_numbers() -> None:
    assert not replies.threshold_reached(4999, 4999)
    assert replies.threshold_reached(5000, 12000) and not replies.threshold_reached(5000, 13000)
    assert replies.threshold_reached(40001, 10**9)
