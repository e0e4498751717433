"""Linked object definitions: primary and associated, names unique among all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scim_bridge.sandbox.okta.errors import OktaError, invalid

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MEMBERS = ("name", "title", "description", "type")


def read_definition(body: object, taken: Iterable[str]) -> dict[str, dict[str, str]]:
    """A definition from a request; E0000001 for a missing part, E0000127 for a bad or used name."""
    if not isinstance(body, Mapping):
        raise invalid("linkedObject", "The definition must be an object")
    made: dict[str, dict[str, str]] = {}
    for side in ("primary", "associated"):
        given = body.get(side)
        if not isinstance(given, Mapping) or not given.get("name") or not given.get("title"):
            raise invalid(side, f"{side}: name and title are required")
        made[side] = {member: given[member] for member in MEMBERS if given.get(member)}
    return _checked(made, set(taken))


def _checked(made: dict[str, dict[str, str]], taken: set[str]) -> dict[str, dict[str, str]]:
    names = [made["primary"]["name"], made["associated"]["name"]]
    causes = [
        f"{name}: The name must start with a letter" for name in names if not _NAME.fullmatch(str(name))
    ]
    causes += [f"{name}: A linked object with this name already exists" for name in names if name in taken]
    if names[0] == names[1]:
        causes.append(f"{names[0]}: The primary and the associated name must differ")
    causes += [f"{side}: The type must be USER" for side, part in made.items() if part.get("type") != "USER"]
    if causes:
        raise OktaError("E0000127", "", causes)
    return made


def side_of(definition: Mapping[str, Any], name: str) -> str | None:
    """Which side of a definition a name is: "primary", "associated" or None."""
    for side in ("primary", "associated"):
        if definition[side]["name"] == name:
            return side
    return None
