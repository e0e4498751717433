"""What one PATCH step makes of one attribute's value (RFC 7644 sections 3.5.2.1 to 3.5.2.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scim_bridge.scim.elements import (
    appended,
    changed_where,
    described,
    merged,
    replaced,
    subtracted,
    without,
)
from scim_bridge.scim.errors import invalid_value, no_target
from scim_bridge.scim.grammar import Filter
from scim_bridge.scim.match import element_predicate
from scim_bridge.scim.operations import ADD, REMOVE, Operation
from scim_bridge.scim.path import Path
from scim_bridge.scim.schema import COMPLEX, Attribute
from scim_bridge.scim.values import clean_element, clean_value


def new_value(path: Path, step: Operation, current: Any, *, tolerant: bool) -> Any:
    """The attribute's value after the step, None when it is unassigned then; `current` is left alone.

    A value under a path that chooses elements creates the element it describes when there is none and the
    reading is `tolerant`; else ScimError noTarget. Removing what is not there changes nothing.
    """
    attribute = path.attribute
    assert attribute is not None
    if step.op == REMOVE:
        return _removed(path, attribute, step, current, tolerant)
    if not step.valued or (step.value is None and step.op == ADD):
        if tolerant and step.valued:
            return current
        raise invalid_value(f"{path}: a value is missing.", "Send one; replace with null unassigns.")
    if path.filter is not None:
        return _chosen(path, attribute, path.filter, step, current or [], tolerant)
    if attribute.multi:
        return _many(path, attribute, step, current or [], tolerant)
    if path.sub is not None:
        return merged(attribute, current or {}, {path.sub.name: step.value}, tolerant)
    if attribute.type != COMPLEX or step.value is None:
        return clean_value(attribute, step.value, tolerant)
    given = _sub_attributes(attribute, step.value, tolerant)
    return None if given is None else merged(attribute, current or {}, given, tolerant)


def _removed(path: Path, attribute: Attribute, step: Operation, current: Any, tolerant: bool) -> Any:
    if step.value is not None and not tolerant:
        raise invalid_value(f"{path}: a remove takes no value.", "Choose with a filter in the path.")
    if current is None:
        return None
    if not attribute.multi:
        return None if path.sub is None else without(attribute, current, path.sub, tolerant)
    if path.filter is None and path.sub is None:
        return None if step.value is None else subtracted(attribute, current, step.value) or None
    chosen = (
        _everyone if path.filter is None else element_predicate(path.filter, attribute, strict=not tolerant)
    )
    sub = path.sub

    def change(element: Any) -> Any:
        return None if sub is None else without(attribute, element, sub, tolerant)

    return changed_where(attribute, current, chosen, change)[0] or None


def _everyone(element: Any) -> bool:
    return True


def _many(path: Path, attribute: Attribute, step: Operation, current: list[Any], tolerant: bool) -> Any:
    """Add to, or replace, all elements; or set one sub-attribute on each of them."""
    if path.sub is None:
        value = step.value
        if step.op == ADD and not isinstance(value, list):
            value = [value]
        items = clean_value(attribute, value, tolerant)
        if step.op == ADD:
            return appended(attribute, current, items or (), tolerant) or None
        return replaced(current, items)
    given = {path.sub.name: step.value}
    if current:
        return changed_where(attribute, current, _everyone, _setter(attribute, given, tolerant))[0] or None
    if not tolerant:
        raise no_target(f"{attribute.name} has no elements on which {path.sub.name} could be set.")
    element = merged(attribute, {}, given, tolerant)
    return None if element is None else [element]


def _setter(attribute: Attribute, given: Mapping[str, Any], tolerant: bool) -> Callable[[Any], Any]:
    return lambda element: merged(attribute, element, given, tolerant)


def _chosen(
    path: Path, attribute: Attribute, filter_: Filter, step: Operation, current: list[Any], tolerant: bool
) -> Any:
    """Set the value on the elements a filter chooses, or create the one it describes."""
    change: Callable[[Any], Any]
    if path.sub is not None:
        given: Mapping[str, Any] | None = {path.sub.name: step.value}
    elif attribute.type == COMPLEX and step.value is not None:
        given = _sub_attributes(attribute, step.value, tolerant)
    else:
        given = None
    if given is not None:
        # In the letter of the RFC the whole element is replaced; it stays one that the filter chooses.
        afresh = path.sub is None and step.op != ADD and not tolerant
        change = _setter(attribute, given, tolerant)
        if afresh:
            fields = {**(described(filter_) or {}), **given}
            change = lambda element: clean_element(attribute, fields, tolerant)  # noqa: E731
    else:
        change = lambda element: clean_element(attribute, step.value, tolerant)  # noqa: E731
    chosen = element_predicate(filter_, attribute, strict=not tolerant)
    items, hit = changed_where(attribute, current, chosen, change)
    if hit:
        return items or None
    return _created(path, attribute, filter_, given, current, tolerant) or None


def _created(
    path: Path,
    attribute: Attribute,
    filter_: Filter,
    given: Mapping[str, Any] | None,
    current: list[Any],
    tolerant: bool,
) -> list[Any]:
    fields = described(filter_) if tolerant and attribute.type == COMPLEX else None
    if fields is None:
        raise no_target(f"No element of {attribute.name} is chosen by {path}.", "Add the element first.")
    names = {name.casefold() for name in given or {}}
    wanted = {name: value for name, value in fields.items() if name.casefold() not in names}
    element = merged(attribute, {}, {**wanted, **(given or {})}, tolerant)
    if element is None:
        return current
    if not element_predicate(filter_, attribute)(element):
        raise invalid_value(f"The value contradicts the filter of {path}.", "Let both say the same.")
    return appended(attribute, current, [element], tolerant)


def _sub_attributes(attribute: Attribute, value: Any, tolerant: bool) -> Mapping[str, Any] | None:
    """What a value says about a complex attribute's sub-attributes, None when it unassigns them."""
    if tolerant and isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    if isinstance(value, dict):
        return value
    if tolerant and value in (None, ""):
        return None
    if tolerant and isinstance(value, str) and "value" in attribute.subs:
        return {"value": value}
    raise invalid_value(f"{attribute.name} must be an object.")
