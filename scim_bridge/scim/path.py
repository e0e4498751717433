"""PATCH paths (RFC 7644 section 3.5.2), resolved against a resource type's schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from scim_bridge.scim.errors import PassedOver, invalid_path
from scim_bridge.scim.grammar import Filter, attr_path, parse_target, text_of
from scim_bridge.scim.match import element_predicate
from scim_bridge.scim.schema import COMPLEX, Attribute, ResourceType, of

# Longer paths name single members, each only once.
_REMEMBERED = 120
# Names joined by dots, one below the other: deeper than any attribute is.
_DEEP = re.compile(r"\$?[A-Za-z][A-Za-z0-9$_-]*+(?:\.\$?[A-Za-z][A-Za-z0-9$_-]*+){2,}")


@dataclass(frozen=True, slots=True)
class Path:
    """What a PATCH path names.

    `urn` is the extension the attribute belongs to, None for the core schema. Without an `attribute` everything of
    the schema `urn` is meant. `filter` chooses elements of a multi-valued attribute, `sub` one sub-attribute.
    """

    attribute: Attribute | None
    sub: Attribute | None = None
    filter: Filter | None = None
    urn: str | None = None

    def __str__(self) -> str:
        if self.attribute is None:
            return self.urn or ""
        text = self.attribute.name if self.urn is None else f"{self.urn}:{self.attribute.name}"
        if self.filter is not None:
            text += f"[{text_of(self.filter)}]"
        return text if self.sub is None else f"{text}.{self.sub.name}"


class UnknownAttribute(PassedOver):
    """The path is well written and names nothing this resource type has."""

    def __init__(self, text: str, resource: ResourceType) -> None:
        super().__init__(
            "invalidPath",
            f"{resource.name} has no attribute {text[:200]!r}.",
            "See /Schemas for what there is.",
        )


def parse_path(text: str, resource: str | ResourceType, *, tolerant: bool = True) -> Path:
    """The path a text says; UnknownAttribute when it names nothing there is.

    Otherwise ScimError invalidPath (invalidFilter, for what stands in its brackets). `tolerant` also finds
    enterprise attributes without their URN, or behind a dot, and reads the URN of the core schema as all of it.
    """
    kind = of(resource)
    if len(text) <= _REMEMBERED:
        return _remembered(text, kind, tolerant)
    return _read(text, kind, tolerant)


def _read(text: str, resource: ResourceType, tolerant: bool) -> Path:
    text = text.strip()
    extension = resource.urns.get(text.casefold())
    if extension is not None:
        if extension == resource.urn and not tolerant:
            raise invalid_path(
                f"{extension} is the whole resource.", "Leave the path away, or name an attribute."
            )
        return Path(None, urn=extension)
    if tolerant and attr_path(text) is None and _too_deep(text):
        # Unknown like any other name, and not badly written.
        raise UnknownAttribute(text, resource)
    written, filter_ = parse_target(text)
    found = resource.find(written.urn, written.name, written.sub, tolerant=tolerant)
    if found is None:
        raise UnknownAttribute(text, resource)
    urn, attribute, sub = found
    if filter_ is not None:
        if not attribute.multi:
            raise invalid_path(f"{attribute.name} is not multi-valued, so nothing can be chosen from it.")
        # Compiled once to refuse a filter that makes no sense before anything is changed.
        element_predicate(filter_, attribute, strict=not tolerant)
    if sub is not None and attribute.type != COMPLEX:
        raise UnknownAttribute(text, resource)
    return Path(attribute, sub, filter_, urn)


_remembered = lru_cache(maxsize=512)(_read)


def _too_deep(text: str) -> bool:
    urn, _, names = text.rpartition(":")
    return _DEEP.fullmatch(names) is not None and (not urn or urn[:4].casefold() == "urn:")
