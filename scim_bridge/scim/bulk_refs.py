"""References between operations of one Bulk request: `bulkId:x` stands for an id that does not exist yet.

It does so where ids stand: in paths, and in the values of attributes that refer to resources. A title that
says bulkId:x is a title.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from scim_bridge.scim.roles import LISTS
from scim_bridge.scim.schema import of

# A client may choose any name, one with slashes too; one that ends in a slash is that of a path.
REFERENCE = re.compile(r"bulkId:([^\s\"'\]]*[^\s\"'\]/])", re.IGNORECASE)

_BRACKETS: Final = re.compile(r"\[[^\]]*+\]")
_ID: Final = ("value", "$ref")
_TYPES: Final = tuple(of(name) for name in ("User", "Group", "Agent", "AgenticApplication"))
# Attributes that hold ids of resources; of roles and entitlements the values are groups.
_REFERRING: Final = frozenset(
    attribute.name.casefold()
    for kind in _TYPES
    for among in (kind.attributes, *kind.extensions.values())
    for attribute in among.values()
    if {"value", "$ref"} <= attribute.subs.keys()
) | frozenset(LISTS)
# Where anything may stand: the path of an operation, a value whose attribute is yet to be named.
_ANYWHERE: Final = ""


def references(value: Any, within: str = _ANYWHERE) -> set[str]:
    """The bulkIds a path or body speaks of, where ids stand."""
    if isinstance(value, str):
        return set(REFERENCE.findall(value)) if _holds_ids(within) else set()
    return set().union(*(references(item, name) for name, item in _parts(value, within)))


def resolved(value: Any, ids: Mapping[str, str], within: str = _ANYWHERE) -> Any:
    """The same with real ids for the bulkIds that are known."""
    if isinstance(value, str) and _holds_ids(within):
        return REFERENCE.sub(lambda found: ids.get(found.group(1), found.group()), value)
    return _mapped(value, within, lambda item, name: resolved(item, ids, name))


def pruned(value: Any, unknown: set[str], within: str = _ANYWHERE) -> Any:
    """The same without the members and elements that need one of the unknown bulkIds."""
    if isinstance(value, dict):
        names = [name for name, _ in _parts(value, within)]
        return {
            key: pruned(item, unknown, name)
            for name, (key, item) in zip(names, value.items(), strict=True)
            if not _only(item, unknown, name)
        }
    if isinstance(value, list):
        return [pruned(item, unknown, within) for item in value if not references(item, within) & unknown]
    return value


def _only(value: Any, unknown: set[str], within: str) -> bool:
    """True for a value that is one reference, as text or as an object around it."""
    if isinstance(value, str):
        return bool(references(value, within) & unknown)
    inner = value.get("value") if isinstance(value, dict) else None
    return isinstance(inner, str) and _only(inner, unknown, within)


def _holds_ids(within: str) -> bool:
    return within == _ANYWHERE or within in _REFERRING


def _parts(value: Any, within: str) -> Iterator[tuple[str, Any]]:
    """The items of an object or list, each with the attribute it is of."""
    if isinstance(value, dict):
        for key, item in value.items():
            folded = key.casefold()
            if folded in ("path", "operations"):
                yield _ANYWHERE, item
            elif folded == "value":
                path = _member(value, "path")
                yield _attribute(path) if isinstance(path, str) and path else within, item
            else:
                yield within if folded == "$ref" else _attribute(key), item
    elif isinstance(value, list):
        for item in value:
            yield within, item


def _mapped(value: Any, within: str, change: Callable[[Any, str], Any]) -> Any:
    if isinstance(value, dict):
        changed = [change(item, name) for name, item in _parts(value, within)]
        return dict(zip(value, changed, strict=True))
    if isinstance(value, list):
        return [change(item, within) for item in value]
    return value


def _member(value: Mapping[str, Any], name: str) -> Any:
    return next((item for key, item in value.items() if key.casefold() == name), None)


def _attribute(path: str) -> str:
    """The attribute a key or path is of, folded: `urn:…:User:manager.value` is of the manager."""
    return _remembered(path) if len(path) <= _SHORT else _read(path)


def _read(path: str) -> str:
    name = _BRACKETS.sub("", path).rpartition(":")[2].strip().casefold()
    # A dot behind a URN: `…:User.manager`.
    parts = name.removeprefix("user.").split(".")
    return parts[0] if len(parts) == 1 or parts[-1] in _ID else parts[-1]


# Longer paths name single members, each only once.
_SHORT: Final = 120
_remembered = lru_cache(maxsize=512)(_read)
