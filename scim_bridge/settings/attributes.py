"""Attributes an installation declares: read from the settings, checked, and turned into schema and indexes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.document_index import EXACT, FOLDED, INSTANT, NUMBER, TRUTH, DocumentIndex
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.registry.model import (
    AGENT,
    CUSTOM_AGENT_URN,
    CUSTOM_GROUP_URN,
    CUSTOM_USER_URN,
    GROUP,
    PERSON,
)

# The forms in which values of a type are equal; of text it is for the attribute to say.
FORMS = {"string": "", "reference": "", "boolean": TRUTH, "integer": NUMBER, "decimal": NUMBER}
FORMS["dateTime"] = INSTANT
TARGETS = {
    "User": (CUSTOM_USER_URN, (AGENT, PERSON)),
    "Agent": (CUSTOM_AGENT_URN, (AGENT,)),
    "Group": (CUSTOM_GROUP_URN, (GROUP,)),
}
ABOUT = {
    "User": "What this installation keeps of people and agents beside the standard.",
    "Agent": "What this installation keeps of agents beside the standard.",
    "Group": "What this installation keeps of groups beside the standard.",
}
# RFC 7643 section 2.1: ATTRNAME = ALPHA *(nameChar).
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
MOST = 200


@dataclass(frozen=True, slots=True)
class AttributeSettings:
    """One declared attribute (RFC 7643 section 7), for these resource types; `User` are people and agents."""

    name: str
    type: str = "string"
    multi_valued: bool = False
    case_exact: bool = False
    required: bool = False
    indexed: bool = False
    canonical_values: tuple[str, ...] = ()
    description: str = ""
    applies_to: tuple[str, ...] = ("User",)


def check_attributes(attributes: Sequence[AttributeSettings]) -> None:
    """ConfigurationError for the first declaration that makes no sense."""
    if len(attributes) > MOST:
        raise ConfigurationError("scim.attributes", f"has more than {MOST} attributes", "Declare fewer.")
    seen: set[tuple[str, str]] = set()
    for attribute in attributes:
        key = f"scim.attributes.{attribute.name}"
        _check(attribute, key)
        for target in attribute.applies_to:
            # An agent is a user: what all users have, agents have already.
            for covered in (target, {"User": "Agent", "Agent": "User"}.get(target, target)):
                if (covered, attribute.name.casefold()) in seen:
                    raise ConfigurationError(
                        key, f"is declared twice for {target}", "Keep one (User covers agents, too)."
                    )
        seen |= {(target, attribute.name.casefold()) for target in attribute.applies_to}


def _check(attribute: AttributeSettings, key: str) -> None:
    if not NAME.fullmatch(attribute.name):
        raise ConfigurationError(
            f"{key}.name", "is no attribute name", "Use a letter, then letters, digits, - and _ (64 at most)."
        )
    if attribute.type not in FORMS:
        raise ConfigurationError(
            f"{key}.type", f"{attribute.type!r} is no type for it", f"Use one of {', '.join(FORMS)}."
        )
    unknown = [target for target in attribute.applies_to if target not in TARGETS]
    if unknown or not attribute.applies_to:
        wrong = f"{unknown[0]!r} is no resource type for it" if unknown else "is empty"
        raise ConfigurationError(f"{key}.applies_to", wrong, f"Use one or more of {', '.join(TARGETS)}.")
    if len(set(attribute.applies_to)) < len(attribute.applies_to) or {"User", "Agent"} <= set(
        attribute.applies_to
    ):
        raise ConfigurationError(
            f"{key}.applies_to", "names the same twice", "Keep one (User covers agents, too)."
        )
    is_text = attribute.type in ("string", "reference")
    if attribute.case_exact and not is_text:
        raise ConfigurationError(
            f"{key}.case_exact", f"means nothing for {attribute.type}", "Leave it out, or use type string."
        )
    if attribute.canonical_values and not is_text:
        raise ConfigurationError(
            f"{key}.canonical_values",
            f"mean nothing for {attribute.type}",
            "Leave them out, or use type string.",
        )
    folded = [value if attribute.case_exact else value.casefold() for value in attribute.canonical_values]
    if len(set(folded)) < len(folded):
        raise ConfigurationError(f"{key}.canonical_values", "hold one value twice", "Keep one of them.")


def documents(attributes: Sequence[AttributeSettings], target: str) -> tuple[dict[str, Any], ...]:
    """The schema of what is declared for a resource type, in the form of /Schemas; none when nothing is."""
    own = [attribute for attribute in attributes if target in attribute.applies_to]
    if not own:
        return ()
    urn = TARGETS[target][0]
    made = {
        "id": urn,
        "name": urn.rpartition(":")[2],
        "description": ABOUT[target],
        "attributes": [_definition(attribute) for attribute in own],
    }
    return (made,)


def _definition(attribute: AttributeSettings) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": attribute.name,
        "type": attribute.type,
        "multiValued": attribute.multi_valued,
        "description": attribute.description or f"{attribute.name}, as this installation declares it.",
        "required": attribute.required,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    }
    if attribute.type in ("string", "reference"):
        made["caseExact"] = attribute.case_exact
    if attribute.type == "reference":
        made["referenceTypes"] = ["external", "uri"]
    if attribute.canonical_values:
        made["canonicalValues"] = list(attribute.canonical_values)
    return made


def indexes_of(attributes: Sequence[AttributeSettings]) -> tuple[DocumentIndex, ...]:
    """The indexes that are declared."""
    return tuple(
        DocumentIndex(*_place(attribute, target))
        for attribute in attributes
        if attribute.indexed
        for target in attribute.applies_to
    )


def _place(attribute: AttributeSettings, target: str) -> tuple[str, str, str, tuple[str, ...]]:
    urn, kinds = TARGETS[target]
    return urn, attribute.name, FORMS[attribute.type] or (EXACT if attribute.case_exact else FOLDED), kinds
