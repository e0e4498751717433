"""Promises of attestation: it is dated, it heals what it can, and what it cannot heal stands in its way."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.sandbox.entra.graph.lifecycle_rules import SPACE
from tests.sandbox.entra.world import AGENT_ROLES, World

POLICIES = "beta/identityGovernance/lifecycleWorkflows/lifecyclePolicies"


def policy(*rules: dict[str, Any]) -> dict[str, Any]:
    """The body of a policy with these rules."""
    return {
        "@odata.type": f"{SPACE}.agentIdentityLifecyclePolicy",
        "displayName": "strict",
        "rules": list(rules),
    }


def periodic(days: Any) -> dict[str, Any]:
    """A rule that asks for attestation."""
    return {
        "@odata.type": f"{SPACE}.periodicAttestationRule",
        "isEnabled": True,
        "attestationIntervalInDays": days,
    }


def presence(least: Any) -> dict[str, Any]:
    """A rule that asks for sponsors."""
    return {"@odata.type": f"{SPACE}.sponsorPresenceRule", "isEnabled": True, "minimumSponsorCount": least}


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_an_attestation_is_dated_and_has_no_answer(world: World, version: str) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    base = f"{version}/servicePrincipals/{own}"
    assert api.ok("GET", f"{base}/lifecycle")["lastAttestationDateTime"] is None
    answer = api.call("POST", f"{base}/microsoft.graph.agentIdentity/attest")
    assert (answer.status, answer.body) == (204, None)
    found = api.ok("GET", f"{base}/lifecycle?$expand=effectiveGoverningPolicy")
    assert found["lastAttestationDateTime"] == world.tenant.now_text()
    assert found["effectiveGoverningPolicy"]["policySource"] == "systemDefault"


def test_after_ninety_days_it_is_overdue_until_it_is_attested(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    path = f"beta/servicePrincipals/{own}/lifecycle/complianceIssues"
    assert api.ok("GET", path) == {"value": []}
    world.clock.move(91 * 86400)
    api = world.app(*AGENT_ROLES)
    (issue,) = api.ok("GET", path)["value"]
    assert (issue["ruleType"], issue["@odata.type"]) == ("periodicAttestation", f"{SPACE}.complianceIssue")
    api.ok("POST", f"beta/servicePrincipals/{own}/attest")
    assert api.ok("GET", path) == {"value": []}


def test_without_a_sponsor_left_it_cannot_be_attested(world: World) -> None:
    api, ana, ben = world.admin(), world.user("ana"), world.user("ben")
    own = world.identity(api, world.blueprint(api, ben), ana)
    base = f"beta/servicePrincipals/{own}"
    api.ok("DELETE", f"users/{ana}")
    (issue,) = api.ok("GET", f"{base}/lifecycle/complianceIssues")["value"]
    assert issue["issueCode"] == "SponsorCountBelowMinimum"
    assert issue["attestationBlockReasons"] == ["MissingRequiredNumberOfSponsors"]
    assert api.refused("POST", f"{base}/attest")[0] == 400
    api.ok(
        "POST",
        f"servicePrincipals/{own}/sponsors/$ref",
        {"@odata.id": f"https://graph.microsoft.com/v1.0/users/{ben}"},
    )
    assert api.call("POST", f"{base}/attest").status == 204


def test_a_version_without_the_feature_does_not_know_the_segment(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    world.set(attest_versions=["beta"])
    path = f"servicePrincipals/{own}/microsoft.graph.agentIdentity/attest"
    assert api.refused("POST", path) == (400, "BadRequest", "Resource not found for the segment 'attest'.")
    assert api.call("POST", f"beta/{path}").status == 204


def test_only_agent_identities_are_attested_and_without_a_body(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    mine = world.tenant.principal_of(api.app_id)
    assert mine is not None
    assert api.refused("POST", f"servicePrincipals/{mine['id']}/attest")[0] == 404
    assert api.refused("POST", f"servicePrincipals/{own}/attest", {"comment": "fine"})[0] == 400


def test_the_policy_with_the_highest_priority_governs(world: World) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    made = api.ok("POST", POLICIES, policy(periodic(30), presence(2)))
    (issue,) = api.ok("GET", f"beta/servicePrincipals/{own}/lifecycle/complianceIssues")["value"]
    assert issue["governingPolicyReferenceId"] == made["id"]
    assert [
        one["policySource"] for one in api.listed(f"{POLICIES}?$filter=policySource eq 'systemDefault'")
    ] == ["systemDefault"]
    api.ok("DELETE", f"{POLICIES}/{made['id']}")
    assert api.ok("GET", f"beta/servicePrincipals/{own}/lifecycle/complianceIssues")["value"] == []


@pytest.mark.parametrize(
    "body",
    [
        policy(),
        policy(periodic(29)),
        policy(periodic("90")),
        policy(presence(0)),
        policy({"@odata.type": f"{SPACE}.moonPhaseRule"}),
        {**policy(presence(1)), "displayName": ""},
        {**policy(presence(1)), "@odata.type": "x"},
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused(world: World, body: dict[str, Any]) -> None:
    assert world.admin().refused("POST", POLICIES, body)[0] == 400


def test_the_limits_of_policies_have_their_documented_codes(world: World) -> None:
    api = world.admin()
    assert (
        api.refused("POST", POLICIES, policy(*[presence(1)] * 11))[1] == "lifecyclePolicyRulesLimitExceeded"
    )
    for _ in range(9):
        api.ok("POST", POLICIES, policy(presence(1)))
    assert api.refused("POST", POLICIES, policy(presence(1)))[1] == "lifecyclePoliciesPerSubjectLimitExceeded"
