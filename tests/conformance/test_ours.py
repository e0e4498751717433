"""Our own server, over HTTP: every suite is green, what is skipped is skipped for a known reason, nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2
import pytest

from scim_bridge.conformance.catalogue import VENDORS
from scim_bridge.conformance.model import Report, Verdict
from tests.conformance.conftest import Ours, Prove

NO_CLIENT = {"entra.21", "entra.22"}
# Requests of the Postman collection of which nothing is asserted here, and why, is in their results.
NAMED = {
    "entra.postman.1": "only Microsoft's sample server",
    "entra.postman.53": "the body also says active: false",
}


def skipped(report: Report) -> set[str]:
    """The steps that were skipped."""
    return {result.id for result in report.results if result.verdict is Verdict.SKIP}


def failures(report: Report) -> list[str]:
    """What failed, and how."""
    return [f"{r.id}: {r.came}" for r in report.results if r.verdict is Verdict.FAIL]


def everything(ours: Ours, dialect: str) -> dict[str, Any]:
    """Every user and group with their versions."""
    headers = {"authorization": f"Bearer {ours.tokens[dialect]}"}
    with httpx2.Client(headers=headers, trust_env=False) as client:
        made: dict[str, Any] = {}
        for endpoint in ("Users", "Groups"):
            answer = client.get(f"{ours.base_url}/{endpoint}", params={"count": 200})
            assert answer.status_code == 200
            made |= {item["id"]: item for item in answer.json()["Resources"]}
        return made


@pytest.fixture(scope="module")
def inhabited(ours: Ours) -> Ours:
    """Our server with an agent, its owner and a group in it."""
    headers = {"authorization": f"Bearer {ours.tokens['okta-put']}"}
    user = "urn:ietf:params:scim:schemas:core:2.0:User"
    with httpx2.Client(base_url=ours.base_url, headers=headers, trust_env=False) as client:
        ids = []
        for number, kind in enumerate(("Employee", "Agent")):
            login = f"there{number}@example.com"
            body = {"schemas": [user], "userName": login, "userType": kind, "externalId": f"there{number}"}
            body |= {"name": {"givenName": "There", "familyName": "Before"}, "emails": [{"value": login}]}
            answer = client.post(f"{ours.base_url}/Users", json=body)
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["id"])
        group = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "There before",
            "members": [{"value": identity} for identity in ids],
        }
        assert client.post(f"{ours.base_url}/Groups", json=group).status_code == 201
    return ours


@dataclass(frozen=True)
class Proven:
    """A report, and everything the server had before and after the run."""

    report: Report
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def proven(prove: Prove, inhabited: Ours) -> Callable[[str, str], Proven]:
    """A vendor's suites run against our server with a connection of a dialect, once."""

    @cache
    def run(vendor: str, dialect: str) -> Proven:
        before = everything(inhabited, dialect)
        report = prove(inhabited.base_url, vendor, token=inhabited.tokens[dialect])
        return Proven(report, before, everything(inhabited, dialect))

    return run


@pytest.mark.parametrize(
    ("vendor", "dialect", "known"),
    [
        ("okta", "okta-put", set()),
        ("okta", "okta-patch", set()),
        ("entra", "entra", NO_CLIENT | NAMED.keys()),
        ("rfc", "strict", set()),
    ],
)
def test_every_suite_is_green_and_what_was_there_stays_as_it_was(
    proven: Callable[[str, str], Proven], vendor: str, dialect: str, known: set[str]
) -> None:
    run = proven(vendor, dialect)
    assert not failures(run.report)
    assert run.report.ok and run.report.leftovers == ()
    assert skipped(run.report) == known
    assert run.after == run.before and len(run.before) == 3
    ran = {result.id for result in run.report.results}
    assert ran >= {step.id for suite in VENDORS[vendor] for step in suite.steps}


def test_a_tolerant_connection_departs_from_the_letter_in_one_choice(prove: Prove, ours: Ours) -> None:
    report = prove(ours.base_url, "rfc", "rfc.resources", "rfc.changes", token=ours.tokens["generic"])
    # A PATCH of a read-only attribute is passed over, not refused: three steps see it.
    failed = [result.id for result in report.results if result.verdict is Verdict.FAIL]
    assert failed == ["rfc.C-22", "rfc.X-02", "rfc.X-10"]
    assert report.leftovers == ()


def test_every_assertion_of_the_postman_collection_passes_or_is_named(
    proven: Callable[[str, str], Proven],
) -> None:
    report = proven("entra", "entra").report
    results = [r for r in report.results if r.id.startswith("entra.postman.") and r.id[14:].isdigit()]
    assert [result.id for result in results] == [f"entra.postman.{n}" for n in range(1, 80)]
    findings = [(result.id, finding) for result in results for finding in result.findings]
    assert len(findings) == 108
    named = {name: finding.reason for name, finding in findings if finding.verdict is not Verdict.PASS}
    assert sum(finding.verdict is Verdict.PASS for _, finding in findings) == 105
    assert set(named) == {*NAMED, "entra.postman.30"}
    for name, reason in NAMED.items():
        assert named[name].startswith(reason)
    assert named["entra.postman.30"].startswith("members have no displayName")
