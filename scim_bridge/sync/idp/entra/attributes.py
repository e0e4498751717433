"""The custom security attributes an agent carries in Entra: their definitions and limits. Pure.

Agent identities take no other structured data. A text holds at most 64 characters and an object 50
values of all sets together (Entra, limits and constraints of custom security attributes), so long
texts are cut and lists are kept short; the whole stands in the bridge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.sync.idp.port import Attributes, DesiredAgent

LONGEST = 64
MOST = 12
VALUE_TYPE = "#Microsoft.DirectoryServices.CustomSecurityAttributeValue"
STRING_LIST = "#Collection(String)"
STATEMENT = "statementId"
ATTESTATION = "attestationState"
ATTESTED_AT = "attestedAt"


@dataclass(frozen=True, slots=True)
class Definition:
    """One attribute of our set: a text, or a list of texts."""

    name: str
    description: str
    collection: bool = False

    def body(self, attribute_set: str) -> dict[str, Any]:
        """What makes it in a tenant."""
        return {
            "attributeSet": attribute_set,
            "name": self.name,
            "description": self.description,
            "type": "String",
            "isCollection": self.collection,
            "isSearchable": True,
            "usePreDefinedValuesOnly": False,
            "status": "Available",
        }


DEFINITIONS = (
    Definition("agentId", "Id of the agent in scim-bridge."),
    Definition("slug", "Short name of the agent in scim-bridge."),
    Definition("purpose", "What the agent is for (the beginning of it)."),
    Definition("platform", "Platform the agent runs on."),
    Definition("model", "Model the agent uses."),
    Definition("environment", "dev, staging or production."),
    Definition("riskTier", "low, medium or high."),
    Definition("workloadId", "SPIFFE or WIMSE id of the agent's workload."),
    Definition("owner", "userName of the person who answers for the agent."),
    Definition("coOwners", "userNames of those who answer for it too.", collection=True),
    Definition(ATTESTATION, "State of the owner's statement: none, valid, refused or lapsed."),
    Definition(ATTESTED_AT, "When the owner made the statement."),
    Definition("attestedUntil", "Until when the owner's statement is valid."),
    Definition("attestedBy", "Who made the statement."),
    Definition(STATEMENT, "Id of the signed statement in scim-bridge."),
    Definition("holds", "Why the agent may not act.", collection=True),
)
COLLECTIONS = frozenset(one.name for one in DEFINITIONS if one.collection)


def cut(text: str) -> str:
    """A text as long as an attribute may be; a cut one ends in an ellipsis."""
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…"


def _several(texts: Iterable[str]) -> list[str]:
    """Distinct texts in a fixed order, few enough: Entra keeps no order."""
    found = sorted({cut(text) for text in texts if text.strip()})
    if len(found) <= MOST:
        return found
    return sorted([*found[: MOST - 1], f"and {len(found) - MOST + 1} more"])


def key(attribute_set: str, name: str) -> str:
    """The name of an attribute in a plan: Entra's own id of its definition."""
    return f"{attribute_set}_{name}"


def wanted_attributes(agent: DesiredAgent, attribute_set: str) -> dict[str, Any]:
    """Every attribute an agent should carry; None and [] for what it has not."""
    attestation = agent.attestation
    values: dict[str, Any] = {
        "agentId": agent.agent_id,
        "slug": agent.slug,
        "purpose": agent.purpose,
        "platform": agent.platform,
        "model": agent.model,
        "environment": agent.environment,
        "riskTier": agent.risk_tier,
        "workloadId": agent.workload_id,
        "owner": agent.owner.user_name if agent.owner is not None else "",
        "coOwners": _several(person.user_name for person in agent.co_owners),
        ATTESTATION: attestation.state,
        ATTESTED_AT: iso(attestation.at) if attestation.at is not None else "",
        "attestedUntil": iso(attestation.until) if attestation.until is not None else "",
        "attestedBy": attestation.by or "",
        STATEMENT: attestation.id or "",
        "holds": _several(agent.holds),
    }
    return {
        key(attribute_set, name): value if isinstance(value, list) else cut(value) or None
        for name, value in values.items()
    }


def observed_attributes(found: Mapping[str, Any], attribute_set: str) -> dict[str, Any]:
    """Our attributes of an object as Graph shows it (`customSecurityAttributes` selected)."""
    sets = found.get("customSecurityAttributes") or {}
    ours: Mapping[str, Any] = next(
        (values for name, values in sets.items() if name.casefold() == attribute_set.casefold()), {}
    )
    by_name = {name.casefold(): value for name, value in ours.items() if "@odata." not in name}
    read: dict[str, Any] = _others(sets, attribute_set)
    for one in DEFINITIONS:
        value = by_name.get(one.name.casefold())
        read[key(attribute_set, one.name)] = sorted(value) if isinstance(value, list) else value
    return read


def _others(sets: Mapping[str, Any], attribute_set: str) -> dict[str, Any]:
    """What other sets say, which only a mapping writes; and attributes of ours that are not defined here."""
    return {
        key(place, name): sorted(value, key=str) if isinstance(value, list) else value
        for place, values in sets.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
        if "@odata." not in name and key(place, name).casefold() not in _own_keys(attribute_set)
    }


def _own_keys(attribute_set: str) -> frozenset[str]:
    return frozenset(key(attribute_set, one.name).casefold() for one in DEFINITIONS)


def attribute_patch(after: Attributes, attribute_set: str) -> dict[str, Any]:
    """The part of a PATCH that sets these attributes; empty when none of them is ours.

    null takes a text away, [] a list (Graph, assign custom security attributes).
    """
    values: dict[str, Any] = {}
    for one in DEFINITIONS:
        name = key(attribute_set, one.name)
        if name not in after:
            continue
        if one.collection:
            values[f"{one.name}@odata.type"] = STRING_LIST
            values[one.name] = list(after[name] or [])
        else:
            values[one.name] = after[name] or None
    sets = {attribute_set: values} if values else {}
    for name, value in after.items():
        place, found, attribute = name.partition("_")
        if found and name.casefold() not in _own_keys(attribute_set):
            _mapped(sets.setdefault(place, {}), attribute, value)
    if not sets:
        return {}
    return {
        "customSecurityAttributes": {
            place: {"@odata.type": VALUE_TYPE, **written} for place, written in sets.items()
        }
    }


def _mapped(values: dict[str, Any], name: str, value: Any) -> None:
    """Add an attribute that a mapping sets; numbers have to say that they are."""
    if isinstance(value, list):
        values[f"{name}@odata.type"] = STRING_LIST
    elif isinstance(value, int) and not isinstance(value, bool):
        values[f"{name}@odata.type"] = "#Int32"
    values[name] = value
