"""Lifecycle policies of agent identities: which one governs, what is amiss, may it be attested. Pure.

Source: Entra "agent lifecycle policies"; Graph resources lifecyclePolicy, periodicAttestationRule,
sponsorPresenceRule, complianceIssue, attestationComplianceIssue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.entra.graph.errors import GraphError, bad, invalid_value
from scim_bridge.sandbox.entra.tenant import Object
from scim_bridge.sandbox.kit.clock import SECOND, parse_iso

SPACE = "#microsoft.graph.identityGovernance"
DAY = 86400 * SECOND
MAX_POLICIES = 10
MAX_RULES = 10
RULES = ("periodicAttestationRule", "sponsorPresenceRule", "inactivityRule")


def system_default(policy_id: str) -> Object:
    """The policy every tenant starts with: attest every 90 days, at least one sponsor."""
    return {
        "@odata.type": f"{SPACE}.agentIdentityLifecyclePolicy",
        "id": policy_id,
        "displayName": "Default agent identity lifecycle policy",
        "isEnabled": True,
        "policySource": "systemDefault",
        "priority": 0,
        "enforcementAction": {
            "@odata.type": f"{SPACE}.disableThenDeleteEnforcementAction",
            "deletionGracePeriodInDays": 30,
        },
        "scope": None,
        "rules": [
            {
                "@odata.type": f"{SPACE}.periodicAttestationRule",
                "isEnabled": True,
                "attestationIntervalInDays": 90,
            },
            {"@odata.type": f"{SPACE}.sponsorPresenceRule", "isEnabled": True, "minimumSponsorCount": 1},
        ],
    }


def policy(body: Mapping[str, Any], policy_id: str, existing: int) -> Object:
    """A new policy; GraphError with the documented limit codes, or for a rule that is none."""
    if existing >= MAX_POLICIES:
        raise GraphError(
            400,
            "lifecyclePoliciesPerSubjectLimitExceeded",
            f"At most {MAX_POLICIES} lifecycle policies may apply to agent identities.",
        )
    if body.get("@odata.type") != f"{SPACE}.agentIdentityLifecyclePolicy":
        raise bad("'@odata.type' must be '#microsoft.graph.identityGovernance.agentIdentityLifecyclePolicy'.")
    if not isinstance(body.get("displayName"), str) or not body["displayName"]:
        raise invalid_value("displayName")
    rules = body.get("rules")
    if not isinstance(rules, list) or not rules:
        raise invalid_value("rules")
    if len(rules) > MAX_RULES:
        raise GraphError(400, "lifecyclePolicyRulesLimitExceeded", f"A policy has at most {MAX_RULES} rules.")
    for rule in rules:
        _check_rule(rule)
    return {
        "priority": existing,
        "isEnabled": True,
        "scope": None,
        **body,
        "id": policy_id,
        "policySource": "custom",
    }


def governing(policies: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The enabled policy with the highest priority number, or None."""
    enabled = [one for one in policies if one.get("isEnabled")]
    return max(enabled, key=lambda one: int(one.get("priority", 0)), default=None)


def issues(
    identity: Mapping[str, Any],
    sponsors: int,
    attested: str | None,
    rule_book: Mapping[str, Any] | None,
    now: int,
) -> list[Object]:
    """What is amiss with an agent identity: overdue attestation, too few sponsors.

    `attested` is the instant of the last attestation, `now` in microseconds.
    """
    if rule_book is None:
        return []
    found = []
    for rule in rule_book["rules"]:
        if not rule.get("isEnabled", True):
            continue
        kind = str(rule["@odata.type"]).rsplit(".", 1)[-1]
        if kind == "periodicAttestationRule":
            since = parse_iso(attested or str(identity["createdDateTime"]))
            days = int(rule["attestationIntervalInDays"])
            if since + days * DAY < now:
                found.append(_overdue(identity, rule_book, days))
        elif kind == "sponsorPresenceRule" and sponsors < int(rule["minimumSponsorCount"]):
            found.append(_sponsorless(identity, rule_book, int(rule["minimumSponsorCount"])))
    return found


def check_attestable(found: Sequence[Mapping[str, Any]]) -> None:
    """GraphError 400 while something that attestation cannot heal is amiss."""
    reasons = [reason for one in found for reason in one.get("attestationBlockReasons", [])]
    if reasons:
        raise bad(f"The agent identity cannot be attested: {', '.join(reasons)}.")


def _overdue(identity: Mapping[str, Any], rule_book: Mapping[str, Any], days: int) -> Object:
    return {
        "@odata.type": f"{SPACE}.complianceIssue",
        "id": f"{identity['id']}-periodicAttestation",
        "issueCode": "AttestationOverdue",
        "description": f"The agent identity was not attested within {days} days.",
        "governingPolicyReferenceId": rule_book["id"],
        "ruleType": "periodicAttestation",
    }


def _sponsorless(identity: Mapping[str, Any], rule_book: Mapping[str, Any], least: int) -> Object:
    return {
        "@odata.type": f"{SPACE}.attestationComplianceIssue",
        "id": f"{identity['id']}-sponsorPresence",
        "issueCode": "SponsorCountBelowMinimum",
        "description": f"The agent identity has fewer than {least} sponsors.",
        "governingPolicyReferenceId": rule_book["id"],
        "ruleType": "sponsorPresence",
        "attestationBlockReasons": ["MissingRequiredNumberOfSponsors"],
    }


def _check_rule(rule: object) -> None:
    kind = str(rule.get("@odata.type", "")).rsplit(".", 1)[-1] if isinstance(rule, Mapping) else ""
    if kind not in RULES or not isinstance(rule, Mapping):
        raise bad("A rule is a periodicAttestationRule, a sponsorPresenceRule or an inactivityRule.")
    if kind == "periodicAttestationRule":
        days = rule.get("attestationIntervalInDays")
        if type(days) is not int or not 30 <= days <= 730:
            raise invalid_value("attestationIntervalInDays")
    if kind == "sponsorPresenceRule":
        least = rule.get("minimumSponsorCount")
        if type(least) is not int or not 1 <= least <= 100:
            raise invalid_value("minimumSponsorCount")
