"""Shapes of parameters, bodies and answers: JSON Schema 2020-12 as the document shows it, and its check. Pure.

The check knows what the shapes here are made of, and nothing else of JSON Schema.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.kernel.errors import Invalid

Schema = dict[str, Any]

LONGEST = 500
BIGGEST = 2**53 - 1
TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
AT: Schema = {"type": "string", "format": "date-time"}
FREE: Schema = {"type": "object", "additionalProperties": True}
ANYTHING: Schema = {}

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def text(about: str = "", *, least: int = 1, most: int = LONGEST, choices: Sequence[str] = ()) -> Schema:
    """A text of so many characters, or one of some words."""
    said = {"description": about} if about else {}
    if choices:
        return {"type": "string", "enum": list(choices), **said}
    return {"type": "string", "minLength": least, "maxLength": most, **said}


def whole(about: str = "", *, least: int = 0, most: int = BIGGEST) -> Schema:
    """A whole number between two others."""
    said = {"description": about} if about else {}
    return {"type": "integer", "minimum": least, "maximum": most, **said}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema, *, most: int | None = None, about: str = "") -> Schema:
    """A list of it."""
    made: Schema = {"type": "array", "items": schema}
    if most is not None:
        made["maxItems"] = most
    if about:
        made["description"] = about
    return made


def closed(properties: Mapping[str, Schema], required: Sequence[str] | None = None) -> Schema:
    """An object with these members and no other; all of them, unless it is said which are required."""
    made: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    wanted = list(properties if required is None else required)
    if wanted:
        made["required"] = wanted
    return made


def ref(name: str) -> Schema:
    """A shape that the document keeps under a name."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Schema:
    """A page of a list: its items, and the cursor of the next page (null: this is the last one)."""
    return closed({"items": many(ref(name)), "next": maybe(TEXT)})


def check(schema: Schema, value: Any, where: str) -> None:
    """Hold a value against a shape; Invalid says where and what was wrong with it."""
    if "anyOf" in schema:
        if value is not None:
            check(schema["anyOf"][0], value, where)
        return
    kind = schema.get("type")
    if kind is None:
        return
    fits = isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits:
        raise wrong(where, f"is not {'an' if kind[0] in 'aio' else 'a'} {kind}")
    if kind == "string":
        _check_text(schema, value, where)
    elif kind in ("integer", "number"):
        low, high = schema.get("minimum", -BIGGEST), schema.get("maximum", BIGGEST)
        if not low <= value <= high:
            raise wrong(where, f"is not between {low} and {high}")
    elif kind == "array":
        if len(value) > schema.get("maxItems", 1000):
            raise wrong(where, f"has more than {schema.get('maxItems', 1000)} items")
        for number, item in enumerate(value):
            check(schema["items"], item, f"{where}[{number}]")
    elif kind == "object":
        _check_object(schema, value, where)


def _check_text(schema: Schema, value: str, where: str) -> None:
    if "enum" in schema and value not in schema["enum"]:
        raise wrong(where, f"is not one of {', '.join(schema['enum'])}")
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", LONGEST):
        least, most = schema.get("minLength", 0), schema.get("maxLength", LONGEST)
        raise wrong(where, f"does not have between {least} and {most} characters")
    if schema.get("minLength") and not value.strip():
        raise wrong(where, "is blank")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value if character not in "\n\t"):
        raise wrong(where, "holds control characters")


def _check_object(schema: Schema, value: Mapping[str, Any], where: str) -> None:
    known = schema.get("properties", {})
    other = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            raise wrong(f"{where}.{name}", "is missing")
    for name, item in value.items():
        if name in known:
            check(known[name], item, f"{where}.{name}")
        elif other is False:
            names = ", ".join(known) or "none"
            raise wrong(f"{where}.{name[:60]}", "is not known here", f"Known are: {names}.")
        elif isinstance(other, dict):
            check(TEXT, name, f"a name in {where}")
            check(other, item, f"{where}.{name[:60]}")


def wrong(where: str, what: str, fix: str = "See the shape of it in /openapi.json.") -> Invalid:
    """The refusal of something that came in."""
    return Invalid("request-invalid", f"{where} {what}.", fix)
