"""Rows about filters: unquoted values and bare names of enterprise attributes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.dialects.model import FilterRow
from scim_bridge.scim.dialects.shapes import enterprise
from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter, Not, Or, Present
from scim_bridge.scim.schema import ResourceType

# A quoted text is skipped as a whole; else an operator with a bare word behind it.
_UNQUOTED = re.compile(
    r'("(?:[^"\\]|\\.)*")|(\s(?:eq|ne|co|sw|ew|gt|ge|lt|le)\s+)'
    # Single quotes say that quotes were meant, of a kind that JSON does not have.
    r"(?!'|(?:true|false|null|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?=[\s)\]]|$))([^\s\"()\[\]]+)",
    re.IGNORECASE,
)


def _quote(text: Any, _resource: ResourceType) -> Any | None:
    if not isinstance(text, str):
        return None
    made = _UNQUOTED.sub(lambda m: m.group() if m.group(1) else f'{m.group(2)}"{m.group(3)}"', text)
    return made if made != text else None


def _names(filter_: Any, resource: ResourceType) -> Any | None:
    if isinstance(filter_, str):
        return None
    made = _renamed(filter_, resource)
    return made if made != filter_ else None


def _renamed(filter_: Filter, resource: ResourceType) -> Filter:
    if isinstance(filter_, And | Or):
        return replace(filter_, terms=tuple(_renamed(term, resource) for term in filter_.terms))
    if isinstance(filter_, Not):
        return Not(_renamed(filter_.filter, resource))
    if isinstance(filter_, Compare | Present):
        return replace(filter_, path=_path(filter_.path, resource))
    return Element(_path(filter_.path, resource), filter_.filter)


def _path(path: AttrPath, resource: ResourceType) -> AttrPath:
    attribute = None if path.urn else enterprise(path.name, resource)
    if attribute is None:
        return path
    sub = path.sub or ("value" if "value" in attribute.subs else None)
    return AttrPath(path.name, sub, ENTERPRISE_URN)


UNQUOTED_VALUE = FilterRow(
    "unquoted-value", "a filter's text value has no quotes: `externalId eq jyoung`", _quote
)
ENTERPRISE_IN_FILTER = FilterRow(
    "enterprise-in-filter", 'a filter names an enterprise attribute without its URN: `manager eq "…"`', _names
)
