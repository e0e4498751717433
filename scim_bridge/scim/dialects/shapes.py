"""Walking a document by schema: which attribute a key or a path names, and values mapped by attribute."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.schema import Attribute, ResourceType

Doc = dict[str, Any]
Change = Callable[[Attribute, Any], Any]

_NAME = re.compile(r"[$A-Za-z][$\w-]*")


class Same:
    """The answer of a change that leaves a value alone."""


SAME = Same()


def changed(doc: Doc, resource: ResourceType, change: Change) -> Doc | None:
    """The document with `change(attribute, value)` applied to every known value, None when nothing changed.

    Outer values are offered before inner ones; inner ones are those of the replacement.
    """
    made: Doc | None = None
    for key, value in doc.items():
        if key.startswith("urn:") and isinstance(value, dict):
            new = _within(value, _extension(resource, key), change)
        else:
            attribute = resource.attributes.get(key.casefold())
            new = SAME if attribute is None else _value(attribute, value, change)
        if new is not SAME:
            made = dict(doc) if made is None else made
            made[key] = new
    return made


def regular(doc: Doc, resource: ResourceType) -> bool:
    """True when every known value has the form its attribute asks for: nothing to rewrite in it.

    One look at a document where each row of a dialect would take one; nearly all documents are regular.
    """
    for key, value in doc.items():
        if key.startswith("urn:") and type(value) is dict:
            if not _regular_within(value, _extension(resource, key)):
                return False
            continue
        attribute = resource.attributes.get(key) or resource.attributes.get(key.casefold())
        if attribute is not None and not _regular_value(attribute, value):
            return False
    return True


def _regular_within(content: Doc, attributes: Mapping[str, Attribute]) -> bool:
    for key, value in content.items():
        attribute = attributes.get(key) or attributes.get(key.casefold())
        if attribute is not None and not _regular_value(attribute, value):
            return False
    return True


def _regular_value(attribute: Attribute, value: Any) -> bool:
    kind = type(value)
    if attribute.multi:
        return kind is list and all(_regular_item(attribute, item) for item in value)
    if kind is str:
        odd = value == "" or attribute.type == "boolean" or "value" in attribute.subs
        return not odd and not (attribute.name == "value" and value.lstrip().startswith("{"))
    if kind is dict:
        return _regular_within(value, attribute.subs)
    return kind is not list


def _regular_item(attribute: Attribute, item: Any) -> bool:
    if type(item) is dict:
        return _regular_within(item, attribute.subs)
    return not attribute.subs and item != ""


def _extension(resource: ResourceType, urn: str) -> Mapping[str, Attribute]:
    known = resource.extensions.get(urn)
    if known is not None:
        return known
    folded = urn.casefold()
    return next((found for name, found in resource.extensions.items() if name.casefold() == folded), {})


def _within(content: Doc, attributes: Mapping[str, Attribute], change: Change) -> Any:
    made: Doc | None = None
    for key, value in content.items():
        attribute = attributes.get(key.casefold())
        new = SAME if attribute is None else _value(attribute, value, change)
        if new is not SAME:
            made = dict(content) if made is None else made
            made[key] = new
    return SAME if made is None else made


def _value(attribute: Attribute, value: Any, change: Change) -> Any:
    new = change(attribute, value)
    current = value if new is SAME else new
    if not attribute.subs:
        return new
    if isinstance(current, dict):
        inner = _within(current, attribute.subs, change)
        return new if inner is SAME else inner
    if isinstance(current, list):
        items = [
            _within(item, attribute.subs, change) if isinstance(item, dict) else SAME for item in current
        ]
        if any(item is not SAME for item in items):
            return [old if item is SAME else item for old, item in zip(current, items, strict=True)]
    return new


@dataclass(frozen=True, slots=True)
class Place:
    """What the text of a PATCH path names, read loosely.

    `urn` is the extension (canonical), `name` the attribute as written ("" for the whole extension), `tail`
    what stands behind it (`.sub`, `[filter]`, `[filter].sub`), `attribute` its definition when known.
    `dotted` tells that the URN was followed by a dot.
    """

    urn: str | None
    name: str
    tail: str
    attribute: Attribute | None
    dotted: bool = False

    @property
    def sub(self) -> str:
        """The sub-attribute named at the end, or empty."""
        return self.tail.rpartition("]")[2].removeprefix(".")

    @property
    def filtered(self) -> bool:
        """True when the path chooses elements."""
        return self.tail.startswith("[")

    def text(self, urn: str | None = None, tail: str | None = None) -> str:
        """The path again, as the RFC writes it."""
        within = self.urn if urn is None else urn
        body = self.name + (self.tail if tail is None else tail)
        return body if within is None else f"{within}:{body}" if body else within


def place(path: str, resource: ResourceType) -> Place:
    """What a path names; a Place without attribute when nothing known."""
    return _remembered(path, resource) if len(path) <= _SHORT else _place(path, resource)


def _place(path: str, resource: ResourceType) -> Place:
    rest, urn, dotted = path.strip(), None, False
    attributes: Mapping[str, Attribute] = resource.attributes
    for known in (*resource.extensions, resource.urn):
        head = rest[: len(known)]
        if head.casefold() == known.casefold() and rest[len(known) :][:1] in ("", ":", "."):
            rest, dotted = rest[len(known) + 1 :], rest[len(known) :][:1] == "."
            if known != resource.urn:
                urn, attributes = known, resource.extensions[known]
            break
    match = _NAME.match(rest)
    name = match.group() if match else ""
    return Place(urn, name, rest[len(name) :], attributes.get(name.casefold()), dotted)


# Longer paths name single members, each only once.
_SHORT = 120
_remembered = lru_cache(maxsize=512)(_place)


def enterprise(name: str, resource: ResourceType) -> Attribute | None:
    """The enterprise attribute a bare name means on a type whose core schema does not have it."""
    if name.casefold() in resource.attributes:
        return None
    return resource.extensions.get(ENTERPRISE_URN, {}).get(name.casefold())


def small_document(where: Place, value: Any) -> Doc | None:
    """A value at its place in a document of its own, None when the place is not known."""
    if not where.name:
        return {where.urn: value} if where.urn and isinstance(value, dict) else None
    if where.attribute is None:
        return None
    content = value
    if where.sub:
        content = {where.sub: value}
    if where.filtered or (where.sub and where.attribute.multi):
        content = [content]
    body = {where.name: content}
    return body if where.urn is None else {where.urn: body}


def value_in(where: Place, doc: Doc) -> Any:
    """The value again out of a document that `small_document` made; LookupError or TypeError when a change moved it."""
    if not where.name:
        return doc[str(where.urn)]
    content = (doc if where.urn is None else doc[where.urn])[where.name]
    if where.filtered or (where.sub and where.attribute is not None and where.attribute.multi):
        content = content[0]
    return content[where.sub] if where.sub else content
