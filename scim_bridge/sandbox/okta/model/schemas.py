"""Changing a user schema: what a partial update may do to base and custom properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.okta.errors import invalid, invalid_fields
from scim_bridge.sandbox.okta.model.base_profile import NULLABLE_REQUIRED

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TYPES = ("string", "boolean", "integer", "number", "array")
_MEMBERS = frozenset(
    {
        "title",
        "description",
        "type",
        "items",
        "enum",
        "oneOf",
        "default",
        "format",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "required",
        "unique",
        "mutability",
        "scope",
        "permissions",
        "master",
        "externalName",
        "externalNamespace",
    }
)
_BASE_MAY_CHANGE = frozenset(
    {"title", "type", "permissions", "required", "pattern", "master", "mutability", "scope"}
)


def patched(schema: Mapping[str, Any], change: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The schema after a partial update, and the custom properties it lost; OktaError when refused."""
    definitions = change.get("definitions") if isinstance(change, Mapping) else None
    if not isinstance(definitions, Mapping) or not set(definitions) <= {"base", "custom"}:
        raise invalid("definitions", "definitions: Only base and custom can be updated")
    base = dict(schema["definitions"]["base"])
    custom = dict(schema["definitions"]["custom"])
    base["properties"] = _base(base["properties"], _sent(definitions, "base"))
    custom["properties"], lost = _custom(
        custom["properties"], base["properties"], _sent(definitions, "custom")
    )
    for part in (base, custom):
        part["required"] = [name for name, item in part["properties"].items() if item.get("required")]
    return {**schema, "definitions": {"custom": custom, "base": base}}, lost


def _sent(definitions: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    sent = (definitions.get(part) or {}).get("properties") or {}
    if not isinstance(sent, Mapping):
        raise invalid("properties", f"{part}: properties must be an object")
    return sent


def _base(known: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(known)
    for name, change in sent.items():
        if name not in known:
            raise invalid(name, f"{name}: Base properties cannot be added")
        if change is None:
            raise invalid(name, f"{name}: Base properties cannot be removed")
        if not isinstance(change, Mapping) or not set(change) <= _BASE_MAY_CHANGE:
            raise invalid(
                name, f"{name}: Only permissions, nullability and pattern of base properties can change"
            )
        was = known[name].get("required", False)
        if change.get("required", was) != was and name not in NULLABLE_REQUIRED:
            raise invalid(name, f"{name}: The nullability of this property cannot change")
        after[name] = {**known[name], **change}
    return after


def _custom(
    known: Mapping[str, Any], base: Mapping[str, Any], sent: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    after, lost = dict(known), []
    folded = {name.casefold(): name for name in (*base, *known)}
    for name, change in sent.items():
        if change is None:
            if after.pop(name, None) is not None:
                lost.append(name)
            continue
        if not _NAME.fullmatch(name):
            raise invalid(name, f"{name}: Variable name must start with a letter or underscore")
        if folded.get(name.casefold(), name) != name or name in base:
            raise invalid(name, f"{name}: A property with this name already exists in the schema")
        after[name] = _definition(name, known.get(name), change)
        folded[name.casefold()] = name
    return after, tuple(lost)


def _definition(name: str, before: Mapping[str, Any] | None, change: object) -> dict[str, Any]:
    if not isinstance(change, Mapping):
        raise invalid(name, f"{name}: A property definition must be an object")
    made = {
        "mutability": "READ_WRITE",
        "scope": "NONE",
        "permissions": [{"principal": "SELF", "action": "READ_ONLY"}],
        "master": {"type": "PROFILE_MASTER"},
        **(before or {}),
        **{member: value for member, value in change.items() if value is not None},
    }
    if causes := [f"{name}: {cause}" for cause in _definition_problems(made, before)]:
        raise invalid_fields(causes)
    return made


def _definition_problems(made: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    causes = [f"{member} is not a known member" for member in sorted(set(made) - _MEMBERS)]
    if not isinstance(made.get("title"), str) or not made["title"]:
        causes.append("The title cannot be left blank")
    if made.get("type") not in TYPES:
        causes.append(f"The type must be one of {', '.join(TYPES)}")
    elif before is not None and before["type"] != made["type"]:
        causes.append("The type of an existing property cannot change")
    elif made["type"] == "array" and (made.get("items") or {}).get("type") not in (
        "string",
        "integer",
        "number",
    ):
        causes.append("The items of an array must be of type string, integer or number")
    causes.extend(_enum_problems(made.get("items") if made.get("type") == "array" else made))
    for member in ("minLength", "maxLength", "minimum", "maximum"):
        if member in made and type(made[member]) is not int:
            causes.append(f"{member} must be an integer")
    return causes


def _enum_problems(made: Mapping[str, Any] | None) -> list[str]:
    choices = (made or {}).get("enum")
    if choices is None:
        return []
    if (
        not isinstance(choices, list)
        or not choices
        or len({str(choice) for choice in choices}) != len(choices)
    ):
        return ["enum must be a list of distinct values"]
    labels = (made or {}).get("oneOf")
    if not isinstance(labels, list) or {str(label.get("const")) for label in labels} != set(
        map(str, choices)
    ):
        return ["enum and oneOf must name the same values"]
    return []
