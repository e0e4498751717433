"""What a mapping may read of an agent, by path. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.model import AGENT_URN, CUSTOM_AGENT_URN, CUSTOM_USER_URN, ENTERPRISE_URN
from scim_bridge.sync.idp.port import DesiredAgent

# path: what it is
PATHS: Mapping[str, str] = {
    "id": "the agent's id here",
    "slug": "its short name",
    "userName": "its login name",
    "displayName": "its name for people",
    "email": "its primary address",
    "purpose": "what it is for",
    "platform": "where it runs",
    "model": "the model it uses",
    "version": "its version",
    "environment": "dev, staging or production",
    "riskTier": "low, medium or high",
    "workloadId": "SPIFFE or WIMSE id",
    "tools": "list: tools it may use",
    "resources": "list: resources it may touch",
    "expiresAt": "when it expires",
    "active": "true when nobody holds it (that connection's own hold left out)",
    "holds": "list: why it may not act",
    "owner.id": "id of the person who answers for it",
    "owner.userName": "their login name",
    "owner.displayName": "their name",
    "owner.email": "their address",
    "coOwners.userName": "list: login names",
    "coOwners.displayName": "list: names",
    "sponsors.userName": "list: login names",
    "sponsors.displayName": "list: names",
    "attestation.state": "none, valid, refused or lapsed",
    "attestation.by": "who made the owner's statement",
    "attestation.at": "when",
    "attestation.until": "until when it is valid",
    "attestation.id": "id of the signed statement",
}
# Attributes of the document: of SCIM's core user, of the enterprise extension, and the installation's own.
OPEN = {
    "user": "attributes of the core user, user.title",
    "enterprise": "enterprise.department",
    "custom": "attributes the installation declares, custom.costCenter",
}
# A document says these for everybody; or they are paths of their own.
_OWN = frozenset(
    {"schemas", "id", "meta", "userName", "displayName", "emails", "active", "password", "userType"}
)
_EXTENSION = ("version", "tools", "resources", "expiresAt")


def known(path: str) -> bool:
    """True for a path that can be read, whether or not an agent has it."""
    first, dot, rest = path.partition(".")
    return path in PATHS or (bool(dot) and bool(rest) and first in OPEN)


def beside(doc: Mapping[str, Any]) -> dict[str, Any]:
    """What a document says beside the facts every push knows, by path."""
    found: dict[str, Any] = {}
    extension = doc.get(AGENT_URN)
    if isinstance(extension, dict):
        found |= {name: extension[name] for name in _EXTENSION if extension.get(name) not in (None, "", [])}
    for prefix, place in (
        (
            "user",
            {name: value for name, value in doc.items() if name not in _OWN and not name.startswith("urn:")},
        ),
        ("enterprise", doc.get(ENTERPRISE_URN)),
        ("custom", doc.get(CUSTOM_USER_URN)),
        ("custom", doc.get(CUSTOM_AGENT_URN)),
    ):
        if isinstance(place, dict):
            found |= dict(_flat(place, prefix))
    return found


def _flat(place: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    made: list[tuple[str, Any]] = []
    for name, value in place.items():
        if isinstance(value, dict):
            made += [(f"{prefix}.{name}.{sub}", v) for sub, v in value.items() if _plain(v)]
        elif isinstance(value, list):
            texts = [str(v.get("value")) if isinstance(v, dict) else str(v) for v in value]
            made.append((f"{prefix}.{name}", [text for text in texts if text and text != "None"]))
        elif _plain(value):
            made.append((f"{prefix}.{name}", value))
    return made


def _plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def values_of(agent: DesiredAgent) -> dict[str, Any]:
    """Everything a mapping may read of an agent, by path."""
    owner, statement = agent.owner, agent.attestation
    found: dict[str, Any] = {
        "id": agent.agent_id,
        "slug": agent.slug,
        "userName": agent.user_name,
        "displayName": agent.display_name,
        "email": agent.email,
        "purpose": agent.purpose,
        "platform": agent.platform,
        "model": agent.model,
        "environment": agent.environment,
        "riskTier": agent.risk_tier,
        "workloadId": agent.workload_id,
        "active": agent.enabled,
        "holds": list(agent.holds),
        "coOwners.userName": [person.user_name for person in agent.co_owners],
        "coOwners.displayName": [person.display_name for person in agent.co_owners],
        "sponsors.userName": [person.user_name for person in agent.sponsors],
        "sponsors.displayName": [person.display_name for person in agent.sponsors],
        "attestation.state": statement.state,
        "attestation.by": statement.by,
        "attestation.at": None if statement.at is None else iso(statement.at),
        "attestation.until": None if statement.until is None else iso(statement.until),
        "attestation.id": statement.id,
    }
    if owner is not None:
        found |= {
            "owner.id": owner.id,
            "owner.userName": owner.user_name,
            "owner.displayName": owner.display_name,
            "owner.email": owner.email,
        }
    return {**agent.more, **found}
