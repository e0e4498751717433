"""Attribute definitions, compiled once from schema documents; the same ones that /Schemas serves.

The documents are those the scim2-models classes declare (`classes.py`), kept in `schemas.json`: making them anew at
every start would load that library and pydantic, half a second and 20 MB, for what never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from scim_bridge.registry.model import (
    AGENT_CORE_URN,
    AGENT_URN,
    APPLICATION_URN,
    CUSTOM_URNS,
    ENTERPRISE_URN,
    GROUP_EXTENSION_URN,
    GROUP_URN,
)

FILE = Path(__file__).with_name("schemas.json")

STRING = "string"
BOOLEAN = "boolean"
DECIMAL = "decimal"
INTEGER = "integer"
DATE_TIME = "dateTime"
REFERENCE = "reference"
BINARY = "binary"
COMPLEX = "complex"

NAMES = ("User", "Group", "Agent", "AgenticApplication")
# The documents under /Schemas, by the names of their classes, in this order.
SERVED = (
    "User",
    "Group",
    "EnterpriseUser",
    "AgentExtension",
    "GroupExtension",
    "Agent",
    "AgenticApplication",
)
# Okta's own, which others do not see.
FOREIGN = ("Role", "Entitlement")

CANONICAL = "canonical"
SPELLED = "spelled"
KNOWN = "known"
WORKLOAD = "workload"

# What we say and do not hold to: a member's name comes from the member, and is only remembered of one
# that is not known yet.
_SAID: Mapping[tuple[str, str], Mapping[str, Any]] = {
    (GROUP_URN, "members.display"): {"mutability": "readOnly"},
}

Documents: TypeAlias = "Sequence[Mapping[str, Any]]"

# Where canonical values are the only ones.
CLOSED = (*CUSTOM_URNS, GROUP_EXTENSION_URN)
# The same for single ones, by path.
RULES: Mapping[str, Mapping[str, str]] = {
    # `subject` is what our extension calls workloadId.
    AGENT_CORE_URN: {"agentType": "spelled", "subject": "workload"},
    # Scopes, policies and imports compare these exactly: a risk tier that no rule names would slip through them.
    AGENT_URN: {"environment": "known", "riskTier": "known", "workloadId": "workload"},
    APPLICATION_URN: {"agents.type": "canonical", "applicationUrls.type": "spelled"},
}
NO_RULES: Mapping[str, str] = {}

# URNs compare without case (RFC 8141 section 3.1). What a resource lists follows from what it holds.
_SCHEMAS: Mapping[str, Any] = {
    "name": "schemas",
    "type": REFERENCE,
    "multiValued": True,
    "required": True,
    "caseExact": False,
    "mutability": "readOnly",
    "returned": "always",
}


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute or sub-attribute (RFC 7643 sections 2.2 and 7); names in schema casing.

    `subs` finds a sub-attribute by its name, in schema casing or casefolded; empty unless the type is complex.
    `needs` are the required ones among them. `read_only`: only the service sets it. `hidden`: its value must not
    be learnt from any answer (RFC 7643 section 7, password).
    """

    name: str
    type: str
    multi: bool
    required: bool
    case_exact: bool
    mutability: str
    returned: str
    uniqueness: str
    canonical: tuple[str, ...]
    subs: Mapping[str, Attribute]
    # The rules values are read by: those of the type, "canonical" where no other values are taken, "spelled"
    # where others are, and those are written as they are, or "known" or "workload" (see `compiled`).
    kind: str = STRING
    needs: tuple[Attribute, ...] = ()
    read_only: bool = False
    hidden: bool = False

    def sub(self, name: str) -> Attribute | None:
        """The sub-attribute of this name, in any case."""
        return self.subs.get(name) or self.subs.get(name.casefold())


class Found(NamedTuple):
    """An attribute a name leads to; `urn` is its extension's, None for core and common attributes."""

    urn: str | None
    attribute: Attribute
    sub: Attribute | None


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """A resource type: core schema with the common attributes, and extensions by URN.

    `attributes` and `extensions[urn]` find a definition by its name, in schema casing or casefolded.
    `urns` finds the schema casing of a URN by its casefolded form. `required` are the core attributes that must
    be there, `required_in` those of extensions by URN; of `any_of`, when there are any, at least one must be.
    """

    name: str
    urn: str
    attributes: Mapping[str, Attribute]
    extensions: Mapping[str, Mapping[str, Attribute]]
    urns: Mapping[str, str]
    required: tuple[Attribute, ...]
    any_of: tuple[str, ...] = ()
    required_in: Mapping[str, tuple[Attribute, ...]] = field(default_factory=dict)

    def attribute(self, name: str, urn: str | None = None) -> Attribute | None:
        """The core attribute, or that of the extension `urn` (schema casing), of this name in any case."""
        among = self.attributes if urn is None else self.extensions.get(urn, {})
        return among.get(name) or among.get(name.casefold())

    def bare(self, name: str) -> tuple[str | None, Attribute] | None:
        """A name without a URN: a core attribute, else one of the enterprise extension, as Entra writes them."""
        core = self.attribute(name)
        if core is not None:
            return None, core
        enterprise = self.attribute(name, ENTERPRISE_URN)
        return None if enterprise is None else (ENTERPRISE_URN, enterprise)

    def find(self, urn: str | None, name: str, sub: str | None, *, tolerant: bool = True) -> Found | None:
        """What an attribute path names; None when nothing does.

        `tolerant` also finds enterprise attributes without their URN, and behind a dot instead of a colon
        (`…:User.manager`).
        """
        if urn is None:
            hit = self.bare(name) if tolerant else self._core(name)
        else:
            known = self.urns.get(urn.casefold())
            if known is None and tolerant and sub is not None:
                known, name, sub = self.urns.get(f"{urn}:{name}".casefold()), sub, None
            if known is None:
                return None
            where = None if known == self.urn else known
            there = self.attribute(name, where)
            hit = None if there is None else (where, there)
        if hit is None:
            return None
        if sub is None:
            return Found(hit[0], hit[1], None)
        below = hit[1].sub(sub)
        return None if below is None else Found(hit[0], hit[1], below)

    def _core(self, name: str) -> tuple[str | None, Attribute] | None:
        attribute = self.attribute(name)
        return None if attribute is None else (None, attribute)


def compiled(
    definitions: Iterable[Mapping[str, Any]],
    *,
    closed: bool = False,
    rules: Mapping[str, str] = NO_RULES,
) -> dict[str, Attribute]:
    """Definitions in the form of /Schemas (RFC 7643 section 7) as attributes by name, as written and casefolded.

    `closed`: where there are canonical values, no others are taken (RFC 7643 section 2.3.1 leaves it to us).
    `rules` say more of single attributes, by path: "canonical" (so), "spelled" (others are taken, too), "known" (so,
    and "unknown" is unassigned) or "workload" (a workload identifier).
    """
    found: dict[str, Attribute] = {}
    for definition in definitions:
        name = str(definition["name"])
        subs = compiled(definition.get("subAttributes") or (), rules=_below(name, rules))
        attribute = Attribute(
            name=name,
            type=definition.get("type", STRING),
            multi=bool(definition.get("multiValued")),
            required=bool(definition.get("required")),
            case_exact=bool(definition.get("caseExact")) or definition.get("type") == BINARY,
            mutability=definition.get("mutability", "readWrite"),
            returned=definition.get("returned", "default"),
            uniqueness=definition.get("uniqueness", "none"),
            canonical=tuple(definition.get("canonicalValues") or ()),
            subs=subs,
            kind=rules.get(name) or _kind(definition, closed),
            needs=_required(subs),
            read_only=definition.get("mutability") == "readOnly",
            hidden=definition.get("returned") == "never" or definition.get("mutability") == "writeOnly",
        )
        found[attribute.name] = found[attribute.name.casefold()] = attribute
    return found


def _below(name: str, rules: Mapping[str, str]) -> Mapping[str, str]:
    """The rules for the sub-attributes of an attribute."""
    below = f"{name}."
    return {path.removeprefix(below): rule for path, rule in rules.items() if path.startswith(below)}


def _kind(definition: Mapping[str, Any], closed: bool) -> str:
    if definition.get("canonicalValues") and closed:
        return CANONICAL
    return str(definition.get("type", STRING))


def resource_type(
    name: str,
    core: Mapping[str, Any],
    extensions: Iterable[Mapping[str, Any]] = (),
    any_of: tuple[str, ...] = (),
) -> ResourceType:
    """A resource type of schema documents: a core one and its extensions."""
    shared = [_SCHEMAS, *_declared()["Common"]["attributes"]]
    attributes = compiled([*shared, *core["attributes"]], rules=RULES.get(core["id"], NO_RULES))
    extended = {
        str(each["id"]): compiled(
            each["attributes"], closed=each["id"] in CLOSED, rules=RULES.get(each["id"], NO_RULES)
        )
        for each in extensions
    }
    return ResourceType(
        name=name,
        urn=core["id"],
        attributes=attributes,
        extensions=extended,
        urns={urn.casefold(): urn for urn in (core["id"], *extended)},
        required=_required(compiled(core["attributes"])),
        any_of=any_of,
        required_in={urn: needed for urn, each in extended.items() if (needed := _required(each))},
    )


def _required(attributes: Mapping[str, Attribute]) -> tuple[Attribute, ...]:
    return tuple({each.name: each for each in attributes.values() if each.required}.values())


def walk(attributes: list[dict[str, Any]], prefix: str = "") -> Iterable[tuple[str, dict[str, Any]]]:
    """Every attribute and sub-attribute of a document with its path."""
    for attribute in attributes:
        yield prefix + attribute["name"], attribute
        yield from walk(attribute.get("subAttributes") or [], f"{prefix}{attribute['name']}.")


@cache
def _declared() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = orjson.loads(FILE.read_bytes())
    return found


@cache
def _documents() -> dict[str, dict[str, Any]]:
    return {name: _declared()[name] for name in SERVED}


def types(users: Documents = (), agents: Documents = (), groups: Documents = ()) -> dict[str, ResourceType]:
    """The resource types by name, with these extensions beside those there always are.

    What is there for agents is there for users, too, for an agent is one.
    """
    known = _documents()
    theirs = (known["AgentExtension"], *users, *agents)
    return {
        "User": resource_type("User", known["User"], (known["EnterpriseUser"], *theirs)),
        "Group": resource_type("Group", known["Group"], (known["GroupExtension"], *groups)),
        "Agent": resource_type("Agent", known["Agent"], theirs, any_of=("agentUserName", "name")),
        "AgenticApplication": resource_type("AgenticApplication", known["AgenticApplication"]),
        **{name: resource_type(name, document) for name, document in foreign().items()},
    }


@cache
def _types() -> dict[str, ResourceType]:
    return types()


def of(resource: str | ResourceType) -> ResourceType:
    """The resource type of this name, one of NAMES; one already compiled is returned as it is."""
    return _types()[resource] if isinstance(resource, str) else resource


@cache
def foreign() -> dict[str, dict[str, Any]]:
    """The schemas of FOREIGN by the name of the resource type; to be read only."""
    return {name: _declared()[f"Okta{name}"] for name in FOREIGN}


@cache
def documents() -> list[dict[str, Any]]:
    """Every schema as /Schemas serves it, without meta (RFC 7643 section 7); to be read only."""
    said = deepcopy(list(_documents().values()))
    for document in said:
        for path, attribute in walk(document["attributes"]):
            attribute.update(_SAID.get((document["id"], path), {}))
    return said
