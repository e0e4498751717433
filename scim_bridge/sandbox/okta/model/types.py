"""User types: names that never change, at most nine beside the default."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.okta.errors import invalid

MAX_TYPES = 9
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_new(body: object, known: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Name, displayName and description of a new type; OktaError when it is refused."""
    fields = _text_fields(body)
    name = fields.get("name", "")
    if not name or not fields.get("displayName"):
        raise invalid("name" if not name else "displayName", "name and displayName are required")
    if not _NAME.fullmatch(name):
        raise invalid("name", "name: Only letters, digits and underscores, not a digit first")
    if any(item["name"].casefold() == name.casefold() for item in known):
        raise invalid("name", "name: An object with this field already exists in the current organization")
    if sum(not item["default"] for item in known) >= MAX_TYPES:
        raise invalid("name", f"An organization cannot have more than {MAX_TYPES} custom user types")
    return {"description": "", **fields}


def updated(before: Mapping[str, Any], body: object, *, whole: bool) -> dict[str, Any]:
    """A type after a partial or whole update; the name may be sent but not changed."""
    fields = _text_fields(body)
    if fields.get("name", before["name"]) != before["name"]:
        raise invalid("name", "name: The name of a user type cannot be changed")
    if whole and ("name" not in fields or not fields.get("displayName")):
        raise invalid("name", "name and displayName are required")
    return {**before, **({"description": ""} if whole else {}), **fields}


def _text_fields(body: object) -> dict[str, str]:
    if not isinstance(body, Mapping):
        raise invalid("userType", "The user type must be an object")
    found = {}
    for member in ("name", "displayName", "description"):
        value = body.get(member)
        if value is not None:
            if not isinstance(value, str):
                raise invalid(member, f"{member}: The value must be of type string")
            found[member] = value
    return found
