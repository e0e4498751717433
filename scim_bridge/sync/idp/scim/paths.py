"""Attributes of a SCIM resource by flat names: read, set, and what changed as PATCH operations. Pure.

A name is an attribute path (RFC 7644 section 3.10): `userName`, `name.givenName`, `URN:manager.value`. In a
multi-valued attribute of objects a sub-attribute means that of the primary value, else of the first one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

Doc = dict[str, Any]

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# What the server itself says of a resource; never sent back.
SERVERS = frozenset({"id", "meta", "groups", "schemas"})


@lru_cache(maxsize=4096)
def parts(name: str) -> tuple[str, str, str]:
    """(schema URN or empty, attribute, sub-attribute or empty) of a flat name."""
    urn, _, path = name.rpartition(":")
    attribute, _, sub = path.partition(".")
    return urn, attribute, sub


def key_in(doc: Mapping[str, Any], name: str) -> str:
    """The key under which a document has an attribute: names compare in any case (RFC 7643 section 2.1)."""
    if name in doc:
        return name
    wanted = name.casefold()
    return next((key for key in doc if key.casefold() == wanted), name)


def value_at(doc: Mapping[str, Any], name: str) -> Any:
    """What a document says at a flat name; None where it says nothing or something of another shape."""
    urn, attribute, sub = parts(name)
    place: Any = doc.get(key_in(doc, urn)) if urn else doc
    if not isinstance(place, dict):
        return None
    value = place.get(key_in(place, attribute))
    if not sub:
        return sorted(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value
    if isinstance(value, list):
        value = _chosen(value)
    return value.get(key_in(value, sub)) if isinstance(value, dict) else None


def _chosen(values: list[Any]) -> Any:
    objects = [value for value in values if isinstance(value, dict)]
    return next((value for value in objects if value.get("primary") is True), objects[0] if objects else None)


def flattened(doc: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(flat name, value) of everything a document says, as `value_at` reads it."""
    for key, value in doc.items():
        name = prefix + key
        if not prefix and key in SERVERS:
            continue
        if not prefix and key.casefold().startswith("urn:"):
            if isinstance(value, dict):
                yield from flattened(value, f"{key}:")
            continue
        held = _chosen(value) if isinstance(value, list) else value
        if isinstance(held, dict):
            yield from ((f"{name}.{sub}", inner) for sub, inner in held.items())
        else:
            yield name, value_at(doc, key)


def with_values(doc: Mapping[str, Any], values: Mapping[str, Any], plural: frozenset[str]) -> Doc:
    """A copy of a document with these flat values; None takes one away. `plural` are multi-valued attributes."""
    made = copy.deepcopy(dict(doc))
    for name, value in values.items():
        urn, attribute, sub = parts(name)
        place = made
        if urn:
            key = key_in(made, urn)
            place = made.setdefault(key, {})
            if not isinstance(place, dict):
                place = made[key] = {}
        _set(place, attribute, sub, value, several=not urn and attribute in plural)
        if urn and not place:
            del made[key_in(made, urn)]
    return _with_schemas(made)


def _set(place: Doc, attribute: str, sub: str, value: Any, *, several: bool) -> None:
    key = key_in(place, attribute)
    if not sub:
        if value is None or value == [] or value == "":
            place.pop(key, None)
        else:
            place[key] = value
        return
    present = place.get(key)
    if several or isinstance(present, list):
        values = present if isinstance(present, list) else []
        chosen = _chosen(values)
        if value is None:
            place[key] = [one for one in values if one is not chosen]
        elif chosen is None:
            place[key] = [*values, {sub: value, "type": "work", "primary": True}]
        else:
            chosen[key_in(chosen, sub)] = value
        held: Any = place[key]
    else:
        held = dict(present) if isinstance(present, dict) else {}
        held.pop(key_in(held, sub), None)
        if value is not None:
            held[sub] = value
            # A reference that leads elsewhere now: what the server said of the old one is not ours to keep.
            held = {sub: value} if sub == "value" else held
        place[key] = held
    if not held:
        del place[key]


def _with_schemas(doc: Doc) -> Doc:
    listed = [urn for urn in doc.get("schemas") or () if isinstance(urn, str)]
    known = {urn.casefold() for urn in listed}
    found = [key for key in doc if key.casefold().startswith("urn:") and key.casefold() not in known]
    return {**doc, "schemas": [*listed, *found]}


def operations(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Doc]:
    """The PATCH operations that lead from one document to another, one for each attribute that differs."""
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        if key in SERVERS or before.get(key) == after.get(key):
            continue
        if key.casefold().startswith("urn:"):
            left, right = _objects(before.get(key)), _objects(after.get(key))
            names = [*left, *(name for name in right if name not in left)]
            found += [
                _operation(f"{key}:{name}", right.get(name))
                for name in names
                if left.get(name) != right.get(name)
            ]
        else:
            found.append(_operation(key, after.get(key)))
    return found


def _objects(value: Any) -> Doc:
    return value if isinstance(value, dict) else {}


def _operation(path: str, value: Any) -> Doc:
    if value is None or value == [] or value == {}:
        return {"op": "remove", "path": path}
    return {"op": "replace", "path": path, "value": value}


def patch(found: list[Doc]) -> Doc:
    """The body of a PATCH."""
    return {"schemas": [PATCH_URN], "Operations": found}
