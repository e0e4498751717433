"""The algebra of attribute values under PATCH: every function makes a new value and leaves the old one alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from scim_bridge.scim.errors import MUTABILITY, PassedOver, invalid_syntax, invalid_value, mutability
from scim_bridge.scim.grammar import And, Compare, Filter
from scim_bridge.scim.match import assigned
from scim_bridge.scim.schema import Attribute
from scim_bridge.scim.values import clean_element, clean_value, dotted, is_bare, refuse_twice

Doc = dict[str, Any]

MAX_PAIRS: Final = 100_000


def merged(attribute: Attribute, current: Doc, given: Mapping[str, Any], tolerant: bool) -> Doc | None:
    """A complex value with the given sub-attributes set (null: cleared) and the others kept; None when empty.

    What pointed to the old value (`$ref`, and names only we set) goes when `value` changes.
    """
    fields = dict(current)
    for key, item in given.items():
        sub = attribute.sub(key)
        if sub is None:
            if not tolerant:
                raise invalid_syntax(f"{attribute.name} has no sub-attribute {key[:200]!r}.", "Leave it out.")
            continue
        if sub.name != key:
            refuse_twice(given, key)
        if sub.read_only:
            if not tolerant and item != current.get(sub.name):
                raise read_only(dotted(attribute.name, sub.name))
            continue
        kept = clean_value(sub, item, tolerant, attribute.name)
        _refuse_immutable(sub, current.get(sub.name), kept, attribute.name)
        if kept is None:
            fields.pop(sub.name, None)
        elif not sub.hidden:
            fields[sub.name] = kept
    if "value" in attribute.subs and fields.get("value") != current.get("value"):
        _forget_pointers(attribute, fields, given)
    return _whole(attribute, fields, tolerant)


def without(attribute: Attribute, current: Doc, sub: Attribute, tolerant: bool) -> Doc | None:
    """A complex value without one sub-attribute; None when nothing is left."""
    if sub.name not in current:
        return current
    _refuse_immutable(sub, current[sub.name], None, attribute.name)
    if sub.required and not tolerant:
        raise mutability(f"{attribute.name}.{sub.name} is required.", f"Remove {attribute.name} instead.")
    fields = {name: value for name, value in current.items() if name != sub.name}
    if sub.name == "value":
        _forget_pointers(attribute, fields, {})
    return _whole(attribute, fields, tolerant)


def _forget_pointers(attribute: Attribute, fields: Doc, given: Mapping[str, Any]) -> None:
    named = {key.casefold() for key in given}
    for name in list(fields):
        sub = attribute.subs.get(name)
        stale = name == "$ref" or (sub is not None and sub.read_only)
        if stale and (name.casefold() not in named or (sub is not None and sub.read_only)):
            del fields[name]


def _whole(attribute: Attribute, fields: Doc, tolerant: bool) -> Doc | None:
    for needed in attribute.needs if fields else ():
        if needed.name not in fields:
            if tolerant:
                return None
            raise invalid_value(f"{attribute.name}.{needed.name} is missing.", "Send it too.")
    return fields or None


def _refuse_immutable(attribute: Attribute, old: Any, new: Any, parent: str = "") -> None:
    if attribute.mutability == "immutable" and assigned(old) and old != new:
        raise mutability(f"{dotted(parent, attribute.name)} cannot be changed once it is set.")


def read_only(name: str) -> PassedOver:
    """The refusal of a change to what only the service sets; a tolerant reading leaves it out in silence."""
    return PassedOver(MUTABILITY, f"{name} is read-only.", silent=True)


def key_of(attribute: Attribute, value: Any) -> Any:
    """The form in which two values of an attribute are compared."""
    return value.casefold() if isinstance(value, str) and not attribute.case_exact else value


def appended(attribute: Attribute, current: Sequence[Any], items: Iterable[Any], tolerant: bool) -> list[Any]:
    """The elements with `items` added. One already there is not added again but takes what is new in the other.

    The same element is one with the same `value` and, when both say it, the same `type`
    (RFC 7643 section 2.4); without a `value`, one that is the same throughout.
    """
    kept = list(current)
    fresh: set[int] = set()
    places: dict[Any, list[int]] = {}
    for at, each in enumerate(kept):
        places.setdefault(_identity(attribute, each), []).append(at)
    for item in items:
        identity = _identity(attribute, item)
        among = places.setdefault(identity, [])
        found = next((at for at in among if _same_type(attribute, kept[at], item)), None)
        if found is None:
            found = len(kept)
            kept.append(item)
            among.append(found)
        elif isinstance(item, dict) and not _named_by(attribute, kept[found], item):
            given = {name: value for name, value in item.items() if name != "value"}
            kept[found] = merged(attribute, kept[found], given, tolerant) or kept[found]
        else:
            continue
        fresh.add(found)
    return settled(attribute, kept, fresh)


def _identity(attribute: Attribute, element: Any) -> Any:
    """What is the same for elements that may be one: a hashable key."""
    if not isinstance(element, dict):
        return key_of(attribute, element)
    if "value" in attribute.subs:
        return key_of(attribute.subs["value"], element.get("value"))
    return orjson.dumps(
        {
            name: key_of(attribute.subs[name], value)
            for name, value in element.items()
            if name in attribute.subs
        },
        option=orjson.OPT_SORT_KEYS,
    )


def _same_type(attribute: Attribute, one: Any, other: Any) -> bool:
    kind = attribute.subs.get("type")
    if kind is None or not isinstance(other, dict) or "value" not in attribute.subs or "type" not in other:
        return True
    return bool(key_of(kind, one.get("type")) == key_of(kind, other["type"]))


def settled(attribute: Attribute, items: list[Any], fresh: set[int]) -> list[Any]:
    """The elements with at most one primary: a newly marked one takes the mark from the others."""
    if "primary" not in attribute.subs:
        return items
    marked = [n for n in fresh if items[n].get("primary") is True]
    if len(marked) > 1:
        raise invalid_value(f"{attribute.name} has more than one primary value.", "Mark one as primary.")
    if not marked:
        return items
    return [
        {**item, "primary": False} if n != marked[0] and item.get("primary") is True else item
        for n, item in enumerate(items)
    ]


def replaced(current: Sequence[Any], items: list[Any] | None) -> list[Any] | None:
    """The new elements; the old ones when they are the same in another order (RFC 7643 section 2.4)."""
    if items is not None and len(items) == len(current) and _bag(items) == _bag(current):
        return list(current)
    return items


def _bag(items: Iterable[Any]) -> list[bytes]:
    return sorted(orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in items)


def subtracted(attribute: Attribute, current: Sequence[Any], items: Any) -> list[Any]:
    """The elements without those that a remove's value names; each must name something."""
    named = [clean_element(attribute, item, True) for item in (items if isinstance(items, list) else [items])]
    if any(item is None for item in named):
        raise invalid_value(
            f"{attribute.name}: an element of the remove's value names nothing.",
            "Say which values to remove.",
        )
    valued: dict[Any, list[Any]] = {}
    others = []
    for item in named:
        if isinstance(item, dict) and "value" not in item:
            others.append(item)
        else:
            valued.setdefault(_identity(attribute, item), []).append(item)
    if len(others) * len(current) > MAX_PAIRS:
        raise invalid_value(f"{attribute.name}: this remove has too much to compare.", "Name values.")
    return [
        each
        for each in current
        if not any(_named_by(attribute, each, item) for item in valued.get(_identity(attribute, each), ()))
        and not any(_named_by(attribute, each, item) for item in others)
    ]


def _named_by(attribute: Attribute, each: Any, item: Any) -> bool:
    """True when everything said of `item` is so in `each`."""
    if not isinstance(item, dict):
        return bool(key_of(attribute, each) == key_of(attribute, item))
    return all(
        key_of(attribute.subs[name], each.get(name)) == key_of(attribute.subs[name], value)
        for name, value in item.items()
    )


def changed_where(
    attribute: Attribute, current: Sequence[Any], chosen: Callable[[Any], bool], change: Callable[[Any], Any]
) -> tuple[list[Any], bool]:
    """The elements with `change` made to the chosen ones (None: taken out), and whether any was chosen."""
    items: list[Any] = []
    fresh: set[int] = set()
    hit = False
    for element in current:
        if not chosen(element):
            items.append(element)
            continue
        hit = True
        new = change(element)
        if new is None:
            continue
        if isinstance(new, dict) and new.get("primary") is True and element.get("primary") is not True:
            fresh.add(len(items))
        items.append(new)
    return settled(attribute, items, fresh), hit


def purged(attribute: Attribute, items: Sequence[Any]) -> list[Any]:
    """The elements without those that came to describe a value they do not have, such as a lone `type`."""
    return [item for item in items if not isinstance(item, dict) or not is_bare(attribute, item)]


def described(filter_: Filter) -> Doc | None:
    """The element that a filter of AND-connected `eq` terms describes, None for any other filter."""
    terms = filter_.terms if isinstance(filter_, And) else (filter_,)
    fields: Doc = {}
    for term in terms:
        if (
            not isinstance(term, Compare)
            or term.op != "eq"
            or term.path.sub is not None
            or term.path.urn is not None
        ):
            return None
        fields[term.path.name] = term.value
    return fields
