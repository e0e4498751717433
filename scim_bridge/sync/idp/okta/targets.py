"""The profile properties a mapping may set in Okta, as the org's schema of agents defines them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.okta.vocabulary import BASE, MARK, PROPERTIES
from scim_bridge.sync.idp.port import Target

LOGIN = "login"
# What is written without a mapping, in a mapping's words.
DEFAULTS: Mapping[str, str] = {
    "login": "userName",
    "email": "default(email, userName)",
    "displayName": "displayName",
    "userType": '"Agent"',
    "manager": "owner.displayName",
    "managerId": "owner.id",
    MARK: "id",
    "agentSlug": "slug",
    "agentPurpose": "purpose",
    "agentPlatform": "platform",
    "agentModel": "model",
    "agentEnvironment": "environment",
    "agentRiskTier": "riskTier",
    "agentWorkloadId": "workloadId",
    "agentOwnerName": "owner.displayName",
    "agentOwnerLogin": "owner.userName",
    "agentCoOwners": "coOwners.userName",
    "agentSponsors": "sponsors.userName",
    "agentHoldReasons": "holds",
    "agentAttestation": "attestation.state",
    "agentAttestedBy": "attestation.by",
    "agentAttestedAt": "attestation.at",
    "agentAttestedUntil": "attestation.until",
    "agentStatementId": "attestation.id",
}
FIXED = {
    MARK: "it is the mark by which the agent is found again",
    LOGIN: "by it the agent's user is found",
    "userType": "by it Okta's user is known to be an agent when it comes back here, and no person",
    "agentOwnerLogin": "by it the owner's account is found",
}
KINDS = ("string", "boolean", "integer", "number", "array")


def targets_in(schema: Mapping[str, Mapping[str, Any]], *, typed: bool = True) -> dict[str, Target]:
    """The targets among the properties of a schema; ours also before an org with user types has them."""
    ours = PROPERTIES if typed else {}
    found = {
        name: Target(
            name,
            several=kind == "array",
            longest=longest,
            default=DEFAULTS[name],
            fixed=FIXED.get(name, ""),
        )
        for name, (_title, kind, longest) in ours.items()
    }
    for name, item in schema.items():
        kind = str(item.get("type"))
        if kind in KINDS:
            found[name] = _target(name, kind, item)
    return found


def _target(name: str, kind: str, item: Mapping[str, Any]) -> Target:
    several = kind == "array"
    inner: Mapping[str, Any] = item.get("items") or {} if several else item
    choices = inner.get("enum") or [
        one.get("const") for one in inner.get("oneOf") or () if isinstance(one, Mapping)
    ]
    lengths = [n for n in (item.get("maxLength"), BASE.get(name), _ours(name)) if isinstance(n, int)]
    fixed = FIXED.get(name, "")
    if item.get("mutability") == "READ_ONLY":
        fixed = "Okta lets nobody write it"
    return Target(
        name,
        "string" if several else kind,
        several,
        min(lengths, default=0),
        tuple(str(choice) for choice in choices),
        DEFAULTS.get(name, ""),
        fixed,
        needed=item.get("required") is True,
    )


def _ours(name: str) -> int | None:
    return PROPERTIES[name][2] if name in PROPERTIES else None
