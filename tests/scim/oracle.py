"""scim2-models as the oracle, and the written list of where we decide otherwise, each with a case that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from scim2_models import Context, EnterpriseUser, PatchOp, SCIMException, ScimFilter, ScimPolicy, User

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, GROUP_URN, USER_URN
from scim_bridge.scim import schema
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.extension import AgentExtension
from scim_bridge.scim.grammar import Compare, Element, Filter, parse
from scim_bridge.scim.instants import instant
from scim_bridge.scim.match import predicate
from scim_bridge.scim.mentions import terms
from scim_bridge.scim.operations import PATCH_URN
from scim_bridge.scim.patch import apply, read_operations
from scim_bridge.scim.path import parse_path
from scim_bridge.scim.validate import clean

Doc = dict[str, Any]
MODEL = User[EnterpriseUser | AgentExtension]
TOLERANT = ScimPolicy(unknown="ignore", remove_value_as_filter="apply", unmatched_path_filter="create")
STRICT = ScimPolicy()
REFUSED = "refused"


def shape(value: Any) -> Any:
    """A value in a form that says the same for both: no husks, no order, instants as numbers, no `schemas`."""
    if isinstance(value, dict):
        shaped = {
            name: shape(item) for name, item in sorted(value.items()) if name not in ("schemas", "password")
        }
        return {name: item for name, item in shaped.items() if item not in (None, [], {})}
    if isinstance(value, list):
        return sorted((item for item in map(shape, value) if item not in (None, [], {})), key=repr)
    if isinstance(value, str) and value[:2] == "20" and "T" in value:
        return instant(value)
    return value


def dumped(model: Any) -> Any:
    """An oracle's resource as a document."""
    return shape(json.loads(model.model_dump_json(scim_ctx=None, by_alias=True, exclude_none=True)))


def our_match(text: str, doc: Doc) -> bool | str:
    """What we say of a filter, held to the letter."""
    try:
        return predicate(parse(text, tolerant=False), "User", strict=True)(doc)
    except ScimError:
        return REFUSED


def their_match(text: str, doc: Doc) -> bool | str:
    """What the oracle says of it."""
    resource = MODEL.model_validate(doc)
    try:
        return ScimFilter[MODEL](text).match(resource, strict=True)  # type: ignore[valid-type]
    except SCIMException:
        return REFUSED


def message(operation: Doc) -> Doc:
    """A PatchOp message with one operation."""
    return {"schemas": [PATCH_URN], "Operations": [operation]}


def our_patch(doc: Doc, operation: Doc, *, tolerant: bool) -> Any:
    """What we make of a document."""
    try:
        operations = read_operations(message(operation), tolerant=tolerant)
        return shape(apply(doc, operations, "User", tolerant=tolerant).doc)
    except ScimError:
        return REFUSED


def their_patch(doc: Doc, operation: Doc, *, tolerant: bool) -> Any:
    """What the oracle makes of it."""
    resource = MODEL.model_validate(doc)
    try:
        with TOLERANT if tolerant else STRICT:
            asked = PatchOp[MODEL].model_validate(  # type: ignore[valid-type]
                message(operation), scim_ctx=Context.RESOURCE_PATCH_REQUEST
            )
            asked.patch(resource)
    except (ValidationError, SCIMException):
        return REFUSED
    return dumped(resource)


def our_clean(doc: Doc, *, tolerant: bool) -> Any:
    """What we read from a body."""
    try:
        return shape(clean(doc, "User", tolerant))
    except ScimError:
        return REFUSED


def their_clean(doc: Doc, *, tolerant: bool) -> Any:
    """What the oracle reads from it."""
    policy = TOLERANT if tolerant else STRICT
    try:
        return dumped(
            MODEL.model_validate(doc, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=policy)
        )
    except (ValidationError, SCIMException):
        return REFUSED


# Filters


@dataclass(frozen=True)
class FilterClass:
    """A kind of term on which we and the oracle differ, and why; `text` on `doc` shows it."""

    why: str
    applies: Callable[[Compare | Any], bool]
    text: str
    doc: Doc


def _about(term: Any) -> tuple[str, str]:
    found = schema.of("User").find(term.path.urn, term.path.name, term.path.sub)
    assert found is not None
    return found.attribute.name, found.sub.name if found.sub is not None else ""


def _many(term: Any) -> bool:
    found = schema.of("User").find(term.path.urn, term.path.name, term.path.sub)
    return found is not None and found.attribute.multi


def _primary(term: Any) -> bool:
    if isinstance(term, Element):
        return any(inner.path.name.casefold() == "primary" for inner in terms(term.filter))
    return isinstance(term, Compare) and _about(term)[1] == "primary"


ONE_OF_TWO: Doc = {"userName": "a", "roles": [{"value": "x"}, {"value": "y"}]}

FILTER_CLASSES = (
    FilterClass(
        "ne on a multi-valued attribute: any element that differs decides, as any decides for the other operators",
        lambda term: isinstance(term, Compare) and term.op == "ne" and _many(term),
        'roles.value ne "x"',
        ONE_OF_TWO,
    ),
    FilterClass(
        "null on a multi-valued attribute: it asks whether any element has a value",
        lambda term: isinstance(term, Compare) and term.value is None and _many(term),
        "roles.display eq null",
        {"userName": "a", "roles": [{"value": "x", "display": "X"}, {"value": "y"}]},
    ),
    FilterClass(
        "primary is false where it is not said (RFC 7643 section 2.4)",
        _primary,
        "roles[primary eq false]",
        ONE_OF_TWO,
    ),
    FilterClass(
        "password answers no question at all, not even eq",
        lambda term: _about(term)[0] == "password",
        'password eq "x"',
        {"userName": "a"},
    ),
    FilterClass(
        "strings compare by Unicode casefold, as our keys do, not by lower case after NFC",
        lambda term: isinstance(term, Compare) and not str(term.value).isascii(),
        'displayName eq "STRASSE"',
        {"userName": "a", "displayName": "straße"},
    ),
    FilterClass(
        'a boolean is compared with true or false, not with 1 (a tolerant reading takes "True")',
        lambda term: (
            isinstance(term, Compare) and _about(term)[0] == "active" and not isinstance(term.value, bool)
        ),
        "active eq 1",
        {"userName": "a", "active": True},
    ),
    FilterClass(
        "gt, ge, lt, le, co, sw and ew with null are refused, since they can hold for nothing",
        lambda term: isinstance(term, Compare) and term.value is None,
        "title gt null",
        {"userName": "a"},
    ),
    FilterClass(
        "a complex attribute without a value cannot be compared",
        lambda term: isinstance(term, Compare) and _about(term) == ("name", ""),
        'name co "x"',
        {"userName": "a"},
    ),
    FilterClass(
        "a single complex attribute is compared by its value, as Entra asks for a manager",
        lambda term: isinstance(term, Compare) and _about(term) in (("manager", ""), ("owner", "")),
        f'{ENTERPRISE_URN}:manager eq "m"',
        {"userName": "a", ENTERPRISE_URN: {"manager": {"value": "m"}}},
    ),
    FilterClass(
        "an e-mail address is any string; agents have addresses no mail server knows",
        lambda term: isinstance(term, Compare) and _about(term) in (("emails", ""), ("emails", "value")),
        'emails.value eq "nobody"',
        {"userName": "a"},
    ),
)


def excused_filter(filter_: Filter) -> bool:
    """True when some term of a filter is of a kind on which we differ."""
    return any(each.applies(term) for term in terms(filter_) for each in FILTER_CLASSES)


# Patches


@dataclass(frozen=True)
class Step:
    """One attribute written by an operation, as the classes below look at it."""

    doc: Doc
    op: str
    path: str
    value: Any
    tolerant: bool

    @property
    def attribute(self) -> schema.Attribute:
        """What the path names."""
        found = parse_path(self.path, "User").attribute
        assert found is not None
        return found

    @property
    def sub(self) -> str:
        """The sub-attribute the path names, or nothing."""
        sub = parse_path(self.path, "User").sub
        return "" if sub is None else sub.name

    @property
    def chooses(self) -> bool:
        """True when the path has brackets."""
        return "[" in self.path

    @property
    def current(self) -> Any:
        """The attribute's value before."""
        path = parse_path(self.path, "User")
        holder = self.doc if path.urn is None else self.doc.get(path.urn, {})
        return holder.get(self.attribute.name)


def steps(doc: Doc, operation: Doc, tolerant: bool) -> Iterator[Step]:
    """The attributes an operation writes."""
    if "path" in operation:
        yield Step(doc, operation["op"], operation["path"], operation.get("value"), tolerant)
        return
    for key, value in operation["value"].items():
        yield Step(doc, operation["op"], key, value, tolerant)


@dataclass(frozen=True)
class PatchClass:
    """A kind of step on which we and the oracle differ, and why; `operation` on `doc` shows it."""

    why: str
    applies: Callable[[Step], bool]
    operation: Doc
    doc: Doc
    tolerant: bool = False


def _met(step: Step) -> bool:
    """True when an added element has the value of one that is there, or of another that is added."""
    values = [repr(shape(text)).casefold() for items in (step.current, step.value) for text in _texts(items)]
    return len(set(values)) < len(values) or _doubled([*(step.current or []), *_items(step.value)])


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


MAIL: Doc = {"userName": "a", "emails": [{"value": "ann@corp.org", "type": "work"}]}

PATCH_CLASSES = (
    PatchClass(
        "a sub-attribute of no elements: strict says noTarget, tolerant makes the element; the oracle does nothing",
        lambda s: bool(s.sub) and s.attribute.multi and not s.chooses and not s.current,
        {"op": "replace", "path": "roles.value", "value": "x"},
        {"userName": "a"},
        tolerant=True,
    ),
    PatchClass(
        "an element with the same value (and type, when both say it) is the same element and takes the rest",
        lambda s: (
            (s.op == "add" and s.attribute.multi and not s.sub and s.attribute.type == schema.COMPLEX)
            and _met(s)
        ),
        {"op": "add", "path": "emails", "value": [{"value": "ann@corp.org", "display": "Ann"}]},
        MAIL,
    ),
    PatchClass(
        "when a reference's value changes, what pointed to the old one goes",
        lambda s: "$ref" in s.attribute.subs and isinstance(s.current, dict),
        {"op": "replace", "path": f"{ENTERPRISE_URN}:manager.value", "value": "2"},
        {"userName": "a", ENTERPRISE_URN: {"manager": {"value": "1", "$ref": "../Users/1"}}},
    ),
    PatchClass(
        "a reference without its value is not kept",
        lambda s: bool(s.attribute.needs),
        {"op": "add", "path": f"{ENTERPRISE_URN}:manager.$ref", "value": "../Users/1"},
        {"userName": "a"},
    ),
    PatchClass(
        "in the letter, replace on chosen elements replaces the whole element",
        lambda s: s.chooses and not s.sub and s.op == "replace" and not s.tolerant,
        {"op": "replace", "path": 'emails[type eq "work"]', "value": {"value": "bob@corp.org"}},
        {"userName": "a", "emails": [{"value": "ann@corp.org", "type": "work", "display": "Ann"}]},
    ),
    PatchClass(
        "an element left with a type or a primary mark only is taken away when the PATCH is done",
        lambda s: s.tolerant and s.attribute.multi and bool(s.sub),
        {"op": "remove", "path": "emails.value"},
        MAIL,
        tolerant=True,
    ),
    PatchClass(
        "primary is false where it is not said, so a path may choose by it",
        lambda s: "[primary" in s.path,
        {"op": "remove", "path": "emails[primary eq false]"},
        MAIL,
    ),
    PatchClass(
        "an empty string unassigns, in a tolerant reading (Entra clears attributes so)",
        lambda s: s.tolerant and s.value == "",
        {"op": "replace", "path": "title", "value": ""},
        {"userName": "a", "title": "b"},
        tolerant=True,
    ),
    PatchClass(
        "userName cannot be made empty",
        lambda s: s.attribute.name == "userName" and s.value == "",
        {"op": "replace", "path": "userName", "value": ""},
        {"userName": "a"},
    ),
    PatchClass(
        "strings for booleans are read in a tolerant reading only",
        lambda s: not s.tolerant and s.attribute.name == "active" and not isinstance(s.value, bool),
        {"op": "replace", "path": "active", "value": "False"},
        {"userName": "a", "active": True},
    ),
    PatchClass(
        "read-only attributes are passed over in a tolerant reading (Okta sends the id in a PATCH)",
        lambda s: s.tolerant and s.attribute.read_only,
        {"op": "replace", "value": {"id": "x", "title": "t"}},
        {"userName": "a"},
        tolerant=True,
    ),
    PatchClass(
        "an address is any string, and so is the value of a reference",
        lambda s: (
            s.attribute.name in ("emails", "photos", "profileUrl")
            and any(
                WELL_FORMED[s.attribute.name.casefold()].fullmatch(str(text)) is None
                for text in _texts({"value": s.value} if s.sub == "value" else s.value)
            )
        ),
        {"op": "replace", "path": "emails", "value": [{"value": "not an address"}]},
        {"userName": "a"},
    ),
)


def excused_patch(doc: Doc, operation: Doc, *, tolerant: bool) -> bool:
    """True when some attribute an operation writes is of a kind on which we differ."""
    return any(each.applies(step) for step in steps(doc, operation, tolerant) for each in PATCH_CLASSES)


# Whole documents


@dataclass(frozen=True)
class BodyClass:
    """A kind of body on which we and the oracle differ, and why; `doc` shows it."""

    why: str
    applies: Callable[[Doc, bool], bool]
    doc: Doc
    tolerant: bool = False


def _sent(doc: Doc) -> dict[str, Any]:
    return {key.casefold(): value for key, value in doc.items()}


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    yield value


URNS = {urn.casefold(): urn for kind in ("User", "Group", "Agent") for urn in schema.of(kind).urns.values()}

# What the oracle takes for an address and for a reference.
WELL_FORMED = {
    "emails": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "profileurl": re.compile(r"https?://\S+"),
    "photos": re.compile(r"https?://\S+"),
}


def _listed(doc: Doc) -> list[Any]:
    listed = _sent(doc).get("schemas")
    return listed if isinstance(listed, list) else []


def _doubled(items: list[Any]) -> bool:
    shaped = [repr(shape(item)) for item in items]
    return len(set(shaped)) < len(shaped)


def _texts(value: Any) -> Iterator[Any]:
    """What stands where an address or a reference belongs."""
    for item in value if isinstance(value, list) else [value]:
        found = _sent(item).get("value") if isinstance(item, dict) else item
        if found is not None:
            yield found


def _whole(manager: Any) -> bool:
    return isinstance(manager, dict) and bool(_sent(manager).get("value") and _sent(manager).get("$ref"))


def _manager(doc: Doc) -> Any:
    extension = _sent(doc).get(ENTERPRISE_URN.casefold())
    return _sent(extension).get("manager") if isinstance(extension, dict) else None


BODY_CLASSES = (
    BodyClass(
        "read-only attributes are ignored whatever is in them (RFC 7644 section 3.3)",
        lambda doc, tolerant: any(
            a.read_only and a.name != "schemas" and a.name.casefold() in holder
            for definitions, holder in _holders(doc)
            for a in definitions.values()
        ),
        {"schemas": [USER_URN], "userName": "a", "meta": 5},
    ),
    BodyClass(
        "a manager needs no $ref, which follows from the value; a manager without any value is none",
        lambda doc, tolerant: _manager(doc) is not None and not _whole(_manager(doc)),
        {"schemas": [USER_URN, ENTERPRISE_URN], "userName": "a", ENTERPRISE_URN: {"manager": {"value": "m"}}},
    ),
    BodyClass(
        "an address is any string, and so is the value of a reference",
        lambda doc, tolerant: any(
            pattern.fullmatch(str(text)) is None
            for name, pattern in WELL_FORMED.items()
            for text in _texts(_sent(doc).get(name))
        ),
        {"schemas": [USER_URN], "userName": "a", "emails": [{"value": "bot@localhost"}]},
    ),
    BodyClass(
        "an element that comes twice, in whatever order of its parts, is kept once (RFC 7643 section 2.4)",
        lambda doc, tolerant: any(_doubled(value) for value in _leaves(doc) if isinstance(value, list)),
        {"schemas": [USER_URN], "userName": "a", "roles": [{"value": "x"}, {"value": "x"}]},
    ),
    BodyClass(
        "null among the elements of a list is nothing",
        lambda doc, tolerant: any(isinstance(value, list) and None in value for value in _leaves(doc)),
        {"schemas": [USER_URN], "userName": "a", "roles": [None]},
    ),
    BodyClass(
        'a boolean is true or false; 1 is neither, and "True" is read in a tolerant reading only',
        lambda doc, tolerant: not isinstance(_sent(doc).get("active"), bool | None),
        {"schemas": [USER_URN], "userName": "a", "active": 1},
    ),
    BodyClass(
        "the letter of the RFC wants `schemas`",
        lambda doc, tolerant: not tolerant and not _sent(doc).get("schemas"),
        {"userName": "a"},
    ),
    BodyClass(
        "URNs compare without case, also those that `schemas` lists (RFC 8141 section 3.1)",
        lambda doc, tolerant: any(
            isinstance(urn, str) and urn.casefold() in URNS and urn != URNS[urn.casefold()]
            for urn in _listed(doc)
        ),
        {"schemas": [USER_URN.upper()], "userName": "a"},
    ),
    BodyClass(
        "a tolerant reading does not look into `schemas`",
        lambda doc, tolerant: tolerant and USER_URN not in _listed(doc),
        {"schemas": ["urn:x:y"], "userName": "a"},
        tolerant=True,
    ),
    BodyClass(
        "userName cannot be empty, nor the displayName of a group",
        lambda doc, tolerant: (
            _sent(doc).get("displayname" if GROUP_URN in _listed(doc) else "username") == ""
        ),
        {"schemas": [USER_URN], "userName": ""},
    ),
    BodyClass(
        "an empty string is unassigned in a tolerant reading",
        lambda doc, tolerant: tolerant and "" in list(_leaves(doc)),
        {"schemas": [USER_URN], "userName": "a", "title": ""},
        tolerant=True,
    ),
    BodyClass(
        "a tolerant reading takes one value for a list, and a string or a list of one for an object",
        lambda doc, tolerant: tolerant,
        {"schemas": [USER_URN], "userName": "a", "roles": "Admin"},
        tolerant=True,
    ),
    BodyClass(
        "the attributes of an extension are only read when its URN is listed, in the letter",
        lambda doc, tolerant: (
            not tolerant
            and any(
                urn.casefold() in _sent(doc) and urn not in _listed(doc)
                for urn in (ENTERPRISE_URN, AGENT_URN)
            )
        ),
        {"schemas": [USER_URN], "userName": "a", ENTERPRISE_URN: {"department": "d"}},
    ),
)


def _holders(doc: Doc) -> Iterator[tuple[Any, dict[str, Any]]]:
    resource = schema.of("User")
    yield resource.attributes, _sent(doc)
    for urn, attributes in resource.extensions.items():
        held = _sent(doc).get(urn.casefold())
        if isinstance(held, dict):
            yield attributes, _sent(held)


def excused_body(doc: Doc, *, tolerant: bool) -> bool:
    """True when a body is of a kind on which we differ."""
    return any(each.applies(doc, tolerant) for each in BODY_CLASSES)
