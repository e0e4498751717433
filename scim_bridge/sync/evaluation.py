"""What an expression says of an agent: total, whatever stands in it and whatever the agent has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scim_bridge.sync.expression import Node

# What a value may hold: an IdP's own limits are far below.
LONGEST_VALUE = 8000
MOST_VALUES = 200

Values = Mapping[str, Any]
"""An agent's attributes by path; a value is a text, a number, true or false, a list of texts, or None."""

_EACH: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "trim": str.strip}


def absent(value: Any) -> bool:
    """True for null, an empty text and an empty list."""
    return value is None or value == "" or value == []


def evaluated(node: Node, values: Values) -> Any:
    """What an expression says of an agent; never raises. A text, true or false, a number, a list, or None."""
    found = _value(node, values)
    return None if absent(found) else found


def _value(node: Node, values: Values) -> Any:
    if node.kind == "path":
        return _limited(values.get(node.value))
    if node.kind == "text":
        return node.value
    if node.kind == "together":
        made = [_value(part, values) for part in node.parts]
        return None if any(map(absent, made)) else "".join(map(as_text, made))[:LONGEST_VALUE]
    if node.kind == "choose":
        return _chosen(node.parts, values)
    if node.kind == "call":
        return _called(node.value, node.parts, values)
    return None


def _chosen(parts: Sequence[Node], values: Values) -> Any:
    subject = as_text(_value(parts[0], values))
    for key, value in zip(parts[1::2], parts[2::2], strict=True):
        if key.kind == "else" or key.value == subject:
            return _value(value, values)
    return None


def _called(name: str, parts: Sequence[Node], values: Values) -> Any:
    if name in _EACH:
        found, act = _value(parts[0], values), _EACH[name]
        if isinstance(found, list):
            return [act(item)[:LONGEST_VALUE] for item in found]
        return None if absent(found) else act(as_text(found))[:LONGEST_VALUE]
    made = [_value(part, values) for part in parts]
    if name == "join":
        items = [
            item for value in made[1:] for item in (value if isinstance(value, list) else [as_text(value)])
        ]
        return as_text(made[0]).join(item for item in items if item)[:LONGEST_VALUE]
    return next((value for value in made if not absent(value)), None)


def _limited(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST_VALUE]
    if isinstance(value, list | tuple):
        return [as_text(item)[:LONGEST_VALUE] for item in value[:MOST_VALUES]]
    return value if isinstance(value, bool | int | float) else None


def as_text(value: Any) -> str:
    """A value as text: nothing for what is absent, a list with commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    return str(value)


def holds(node: Node, values: Values) -> bool:
    """Whether a condition is true of an agent; never raises. Texts compare exactly, a list by any of its items."""
    if node.kind == "always":
        return True
    if node.kind == "not":
        return not holds(node.parts[0], values)
    if node.kind == "and":
        return all(holds(part, values) for part in node.parts)
    if node.kind == "or":
        return any(holds(part, values) for part in node.parts)
    left = _value(node.parts[0], values)
    if node.kind == "there":
        # false is no mark of anything being there: `active` is a condition as it stands.
        return not absent(left) and left is not False
    right = as_text(_value(node.parts[1], values))
    equal = right in map(as_text, left) if isinstance(left, list) else as_text(left) == right
    return equal is (node.kind == "same")
