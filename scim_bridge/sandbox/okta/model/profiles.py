"""Is this profile one its user type's schema allows? Causes of refusal, in Okta's form "field: why"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@[^@\s]+")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
}
ALWAYS_SHOWN = ("mobilePhone", "secondEmail")

Schema = Mapping[str, Any]


def definitions(schema: Schema) -> dict[str, dict[str, Any]]:
    """Every property of a schema, base and custom, by name."""
    parts = schema["definitions"]
    return {**parts["base"]["properties"], **parts["custom"]["properties"]}


def required(schema: Schema) -> list[str]:
    """The names of the properties that must have a value."""
    return [name for name, definition in definitions(schema).items() if definition.get("required")]


def fold(login: str) -> str:
    """A login as it is compared: neither case nor diacritical marks tell two of them apart."""
    parts = unicodedata.normalize("NFD", login)
    return "".join(part for part in parts if not unicodedata.combining(part)).casefold()


def merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A profile after a partial update: what is not sent stays, null clears."""
    return tidy({**before, **change})


def tidy(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A profile as Okta shows it: no nulls, but for the two properties that are always there."""
    shown = {name: value for name, value in profile.items() if value is not None}
    return {**dict.fromkeys(ALWAYS_SHOWN), **shown}


def problems(profile: Mapping[str, Any], schema: Schema) -> list[str]:
    """Why a whole profile is refused; empty when it is fine."""
    known = definitions(schema)
    causes = [
        f"{name}: The field cannot be left blank" for name in required(schema) if _blank(profile.get(name))
    ]
    for name, value in profile.items():
        if value is None or (_blank(value) and name in known and known[name].get("required")):
            continue
        if name not in known:
            causes.append(f"{name}: Property is not defined in the schema of the user's type")
        else:
            causes.extend(f"{name}: {cause}" for cause in _value_problems(value, known[name]))
    login = profile.get("login")
    if isinstance(login, str) and login and not _EMAIL.fullmatch(login):
        causes.append("login: Username must be in the form of an email address")
    return causes


def _blank(value: object) -> bool:
    return value is None or value == ""


def _value_problems(value: Any, definition: Mapping[str, Any]) -> list[str]:
    kind = str(definition["type"])
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"The value must be of type {kind}"]
    if isinstance(value, list):
        items = definition.get("items") or {"type": "string"}
        return [cause for item in value for cause in _value_problems(item, items)]
    causes = []
    if isinstance(value, str):
        if len(value) > definition.get("maxLength", len(value)):
            causes.append(f"The value is longer than the allowed {definition['maxLength']} characters")
        if value and len(value) < definition.get("minLength", 0):
            causes.append(f"The value is shorter than the required {definition['minLength']} characters")
        if value and definition.get("format") == "email" and not _EMAIL.fullmatch(value):
            causes.append("Does not match required pattern")
    elif not isinstance(value, bool):
        if value > definition.get("maximum", value):
            causes.append(f"The value is greater than {definition['maximum']}")
        if value < definition.get("minimum", value):
            causes.append(f"The value is less than {definition['minimum']}")
    if definition.get("enum") and value not in definition["enum"]:
        causes.append(f"The value must be one of {', '.join(map(str, definition['enum']))}")
    return causes
