"""Documents, filters and operations drawn at random, by schema, for the property tests of the SCIM algebra."""

from __future__ import annotations

import string
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from scim_bridge.scim import schema
from scim_bridge.scim.grammar import (
    And,
    AttrPath,
    Compare,
    Element,
    Filter,
    Not,
    Or,
    Present,
    text_of,
)
from scim_bridge.scim.schema import Attribute, ResourceType

Doc = dict[str, Any]

# Few and alike, so that draws meet each other.
TEXTS = ("a", "A", "b", "ab", "work", "home", "x y", 'q"\\', "é")
ADDRESSES = ("ann@corp.org", "bob@corp.org", "ann@other.org")
DATES = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T01:00:00+01:00",
    "2026-06-30T12:00:00.500Z",
    "2027-01-01T00:00:00Z",
)
NUMBERS = (0, 1, 2, 90)
URLS = ("https://corp.org/a", "https://corp.org/A")
BASE64 = ("aGVsbG8=", "d29ybGQ=")

WORKLOADS = ("spiffe://corp.test/a", "spiffe://corp.test/b")

texts = st.sampled_from(TEXTS)
_first = [*string.ascii_letters, *(f"${letter}" for letter in "rAz")]
_rest = string.ascii_letters + string.digits + "$-_"
names = st.builds(
    lambda first, rest: first + rest, st.sampled_from(_first), st.text(_rest, max_size=6)
).filter(lambda name: name.lower() not in ("and", "or", "not"))
any_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)


def values_of(attribute: Attribute, parent: str = "") -> st.SearchStrategy[Any]:
    """Well-typed values of one attribute that is not complex."""
    if parent == "emails" and attribute.name == "value":
        return st.sampled_from(ADDRESSES)
    if attribute.kind in (schema.KNOWN, schema.WORKLOAD):
        return st.sampled_from(attribute.canonical or WORKLOADS)
    return {
        schema.STRING: texts,
        schema.BOOLEAN: st.booleans(),
        schema.INTEGER: st.sampled_from(NUMBERS),
        schema.DECIMAL: st.sampled_from((0.5, 1.5)),
        schema.DATE_TIME: st.sampled_from(DATES),
        schema.REFERENCE: st.sampled_from(URLS),
        schema.BINARY: st.sampled_from(BASE64),
    }[attribute.type]


def distinct(attributes: Iterable[Attribute]) -> list[Attribute]:
    """Definitions without the second spelling they are found under."""
    return list({attribute.name: attribute for attribute in attributes}.values())


def writable(attributes: Iterable[Attribute]) -> list[Attribute]:
    """What a client may set and read back."""
    return [a for a in distinct(attributes) if not a.read_only and not a.hidden]


@st.composite
def elements(draw: st.DrawFn, attribute: Attribute) -> Doc:
    """A complex value with something in it; with a `value` where the attribute has one."""
    subs = writable(attribute.subs.values())
    chosen = draw(st.lists(st.sampled_from(subs), min_size=1, max_size=3, unique_by=lambda sub: sub.name))
    made = {sub.name: draw(values_of(sub, attribute.name)) for sub in chosen}
    if "value" in attribute.subs and "value" not in made:
        made["value"] = draw(values_of(attribute.subs["value"], attribute.name))
    return made


@st.composite
def attribute_values(draw: st.DrawFn, attribute: Attribute) -> Any:
    """A value of an attribute as a document holds it."""
    one = elements(attribute) if attribute.type == schema.COMPLEX else values_of(attribute)
    if not attribute.multi:
        return draw(one)
    items = draw(st.lists(one, min_size=1, max_size=3, unique_by=repr))
    return one_primary(items)


def one_primary(items: list[Any]) -> list[Any]:
    """The same with at most one marked primary."""
    seen = False
    for item in items:
        if isinstance(item, dict) and item.get("primary"):
            item["primary"] = not seen
            seen = True
    return items


@st.composite
def documents(draw: st.DrawFn, kind: str = "User", most: int = 6) -> Doc:
    """A document in the form in which it is kept: canonical names, nothing unassigned."""
    resource = schema.of(kind)
    own = [a for a in writable(resource.attributes.values()) if (kind, a.name) != ("Group", "members")]
    chosen = draw(st.lists(st.sampled_from(own), max_size=most, unique_by=lambda a: a.name))
    doc = {attribute.name: draw(attribute_values(attribute)) for attribute in chosen}
    for attribute in resource.required:
        doc.setdefault(attribute.name, draw(values_of(attribute)))
    for urn, attributes in resource.extensions.items():
        chosen = draw(
            st.lists(st.sampled_from(writable(attributes.values())), max_size=2, unique_by=lambda a: a.name)
        )
        if chosen:
            doc[urn] = {attribute.name: draw(attribute_values(attribute)) for attribute in chosen}
    return doc


def paths_of(resource: ResourceType) -> list[tuple[AttrPath, Attribute, Attribute | None]]:
    """Every attribute path of a resource type."""
    found: list[tuple[AttrPath, Attribute, Attribute | None]] = []
    for urn, attributes in ((None, resource.attributes), *resource.extensions.items()):
        for attribute in distinct(attributes.values()):
            found.append((AttrPath(attribute.name, None, urn), attribute, None))
            for sub in distinct(attribute.subs.values()):
                found.append((AttrPath(attribute.name, sub.name, urn), attribute, sub))
    return found


def shouted(path: AttrPath) -> AttrPath:
    """The same path in other letters."""
    return AttrPath(path.name.upper(), path.sub and path.sub.upper(), path.urn)


USER_PATHS = paths_of(schema.of("User"))
ORDERED = (schema.STRING, schema.INTEGER, schema.DECIMAL, schema.DATE_TIME)


@st.composite
def compares(draw: st.DrawFn, path: AttrPath, attribute: Attribute, parent: str = "") -> Filter:
    """A comparison that suits the attribute's type."""
    ops = ["eq", "ne"]
    if attribute.type in ORDERED:
        ops += ["gt", "ge", "lt", "le"]
    if attribute.type == schema.STRING:
        ops += ["co", "sw", "ew"]
    return Compare(path, draw(st.sampled_from(ops)), draw(values_of(attribute, parent)))


@st.composite
def terms(draw: st.DrawFn) -> Filter:
    """One term of a filter on users that makes sense."""
    path, attribute, sub = draw(st.sampled_from(USER_PATHS))
    if draw(st.booleans()):
        path = shouted(path)
    if attribute.multi and attribute.type == schema.COMPLEX and sub is None and draw(st.booleans()):
        inner = [
            draw(compares(AttrPath(each.name), each, attribute.name))
            for each in draw(
                st.lists(
                    st.sampled_from(distinct(attribute.subs.values())), min_size=1, max_size=2, unique=True
                )
            )
        ]
        return Element(path, inner[0] if len(inner) == 1 else And(tuple(inner)))
    target = sub or attribute
    if target.type == schema.COMPLEX or draw(st.integers(0, 4)) == 0:
        return Present(path)
    return draw(compares(path, target, attribute.name if sub else ""))


def combined(leaves: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    """Filters made of leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=2, max_size=3).map(lambda some: And(tuple(some))),
            st.lists(inner, min_size=2, max_size=3).map(lambda some: Or(tuple(some))),
        ),
        max_leaves=6,
    )


filters = combined(terms())

attr_paths = st.builds(
    AttrPath, names, st.none() | names, st.none() | st.sampled_from([ENTERPRISE_URN, AGENT_URN, "urn:x:y"])
)
literals = st.one_of(
    any_text,
    st.booleans(),
    st.none(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
)
any_compare = st.builds(
    Compare, attr_paths, st.sampled_from(sorted({"eq", "ne", "co", "sw", "ew", "gt", "le"})), literals
)
flat = st.one_of(any_compare, st.builds(Present, attr_paths))
any_filters = combined(st.one_of(flat, st.builds(Element, st.builds(AttrPath, names), combined(flat))))


@st.composite
def operations(draw: st.DrawFn, kind: str = "User") -> Doc:
    """One PATCH operation that makes sense: add, replace or remove on any kind of path, or without one."""
    resource = schema.of(kind)
    op = draw(st.sampled_from(("add", "replace", "remove")))
    found = [each for each in paths_of(resource) if _settable(each, kind)]
    if op != "remove" and draw(st.integers(0, 5)) == 0:
        several = draw(
            st.lists(st.sampled_from(found), min_size=1, max_size=3, unique_by=lambda each: each[1].name)
        )
        return {
            "op": op,
            "value": {str(path): draw(_written(attribute, sub)) for path, attribute, sub in several},
        }
    path, attribute, sub = draw(st.sampled_from(found))
    text = str(path)
    if attribute.multi and attribute.type == schema.COMPLEX and draw(st.booleans()):
        chooser = draw(st.sampled_from(writable(attribute.subs.values())))
        wanted = draw(compares(AttrPath(chooser.name), chooser, attribute.name))
        text = f"{AttrPath(path.name, None, path.urn)}[{text_of(wanted)}]" + (f".{sub.name}" if sub else "")
        if op == "remove":
            return {"op": op, "path": text}
        return {"op": op, "path": text, "value": draw(_written(attribute, sub, one=True))}
    if op == "remove":
        return {"op": op, "path": text}
    return {"op": op, "path": text, "value": draw(_written(attribute, sub))}


def _settable(each: tuple[AttrPath, Attribute, Attribute | None], kind: str) -> bool:
    _, attribute, sub = each
    if (kind, attribute.name) == ("Group", "members"):
        return False
    return not (
        attribute.read_only or attribute.hidden or (sub is not None and (sub.read_only or sub.hidden))
    )


def _written(attribute: Attribute, sub: Attribute | None, *, one: bool = False) -> st.SearchStrategy[Any]:
    if sub is not None:
        return values_of(sub, attribute.name)
    if attribute.kind in (schema.KNOWN, schema.WORKLOAD):
        return values_of(attribute) | texts
    return elements(attribute) if one else attribute_values(attribute)


ODD_VALUES = (
    None,
    "",
    "a",
    "True",
    "false",
    True,
    1,
    1.5,
    [],
    {},
    ["a"],
    [None],
    {"value": "a"},
    [{"value": "a"}],
    {"x": 1},
)


@st.composite
def mutated(draw: st.DrawFn, kind: str = "User") -> Doc:
    """A document as a client might send it: with `schemas`, and some places changed, shouted, added or taken out."""
    doc = draw(documents(kind))
    resource = schema.of(kind)
    sent: Doc = {"schemas": [resource.urn, *(key for key in doc if key in resource.extensions)], **doc}
    for _ in range(draw(st.integers(0, 2))):
        holder = draw(st.sampled_from([sent, *(value for value in sent.values() if isinstance(value, dict))]))
        key = draw(
            st.sampled_from([*holder, "id", "meta", "groups", "active", "emails", "nobodyKnows", "name"])
        )
        match draw(st.sampled_from(("change", "shout", "drop"))):
            case "change":
                # A copy: the next change may be to something within it.
                holder[key] = deepcopy(draw(st.sampled_from(ODD_VALUES)))
            case "shout" if key in holder:
                holder[key.upper()] = holder.pop(key)
            case "drop":
                holder.pop(key, None)
    return sent
