"""Custom security attributes: sets, definitions, and what may be assigned. Pure.

Source: Graph resources attributeSet and customSecurityAttributeDefinition; Entra "limits and constraints"
of custom security attributes; Graph "assign custom security attributes" examples for the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph.errors import bad, invalid_value
from scim_bridge.sandbox.entra.tenant import Object

MAX_SETS = 500
MAX_DEFINITIONS = 500
MAX_VALUES = 50
MAX_TEXT = 64
VALUE_TYPES = (
    "#microsoft.directoryservices.customsecurityattributevalue",
    "#microsoft.graph.customsecurityattributevalue",
)
NAME = re.compile(r"[^\W\d_][^\W_]{0,31}")
INT32 = range(-(2**31), 2**31)


def attribute_set(body: Mapping[str, Any]) -> Object:
    """A new attribute set; GraphError otherwise."""
    unknown = set(body) - {"id", "description", "maxAttributesPerSet", "@odata.type", "@odata.context"}
    if unknown:
        raise bad(f"Invalid property '{sorted(unknown)[0]}'.")
    _check_name(body.get("id"), "id")
    _check_description(body)
    most = body.get("maxAttributesPerSet")
    if most is not None and (type(most) is not int or not 1 <= most <= MAX_DEFINITIONS):
        raise invalid_value("maxAttributesPerSet")
    return {"id": body["id"], "description": body.get("description"), "maxAttributesPerSet": most}


def definition(body: Mapping[str, Any]) -> Object:
    """A new attribute definition; GraphError otherwise."""
    known = {
        "attributeSet",
        "description",
        "isCollection",
        "isSearchable",
        "name",
        "status",
        "type",
        "usePreDefinedValuesOnly",
    }
    for name in sorted(known - {"description"}):
        if name not in body:
            raise bad(
                f"A value is required for property '{name}' of resource 'CustomSecurityAttributeDefinition'."
            )
    unknown = {name for name in body if "@odata." not in name} - known - {"allowedValues"}
    if unknown:
        raise bad(f"Invalid property '{sorted(unknown)[0]}'.")
    _check_name(body["name"], "name")
    _check_description(body)
    for name in ("isCollection", "isSearchable", "usePreDefinedValuesOnly"):
        if not isinstance(body[name], bool):
            raise invalid_value(name)
    if body["type"] not in ("Boolean", "Integer", "String"):
        raise invalid_value("type")
    if body["type"] == "Boolean" and (body["isCollection"] or body["usePreDefinedValuesOnly"]):
        raise bad("A Boolean attribute can neither be a collection nor have predefined values only.")
    if body["status"] != "Available":
        raise invalid_value("status")
    made = {name: body.get(name) for name in sorted(known)}
    allowed = [_allowed_value(one) for one in body.get("allowedValues") or []]
    return {"id": f"{body['attributeSet']}_{body['name']}", **made, "$": {"allowedValues": allowed}}


def definition_changed(current: Object, body: Mapping[str, Any]) -> Object:
    """A definition after PATCH: description, status, and predefined values loosened; GraphError otherwise."""
    for name in body:
        if name not in ("description", "status", "usePreDefinedValuesOnly") and "@odata." not in name:
            raise bad(f"Property '{name}' cannot be changed.")
    _check_description(body)
    if body.get("status", "Available") not in ("Available", "Deprecated"):
        raise invalid_value("status")
    if body.get("usePreDefinedValuesOnly") is True and current["usePreDefinedValuesOnly"] is False:
        raise bad("Property 'usePreDefinedValuesOnly' cannot be changed from false to true.")
    return {**current, **{name: value for name, value in body.items() if "@odata." not in name}}


def assigned(
    current: Mapping[str, Any], patch: object, definitions: Mapping[str, Mapping[str, Any]]
) -> Object:
    """The attributes of an object after a PATCH of `customSecurityAttributes`; GraphError 400 otherwise.

    `definitions` by lower-case id. What the patch does not name stays; null (or [] for a collection) removes.
    """
    if not isinstance(patch, Mapping):
        raise invalid_value("customSecurityAttributes")
    after: Object = {name: dict(value) for name, value in current.items()}
    for set_name, values in patch.items():
        if "@odata." in set_name:
            continue
        if not isinstance(values, Mapping):
            raise invalid_value(f"customSecurityAttributes/{set_name}")
        if str(values.get("@odata.type", "")).lower() not in VALUE_TYPES:
            raise bad(
                f"The value of attribute set '{set_name}' must have the type "
                "'#Microsoft.DirectoryServices.CustomSecurityAttributeValue' in '@odata.type'."
            )
        _assign(after, set_name, values, definitions)
    count = sum(
        len(value) if isinstance(value, list) else 1
        for values in after.values()
        for name, value in values.items()
        if "@odata." not in name
    )
    if count > MAX_VALUES:
        raise bad(f"An object can be assigned at most {MAX_VALUES} custom security attribute values.")
    return after


def _assign(
    after: Object, set_name: str, values: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]
) -> None:
    for name, value in values.items():
        if "@odata." in name:
            continue
        known = definitions.get(f"{set_name}_{name}".lower())
        if known is None:
            raise bad(f"Custom security attribute '{set_name}_{name}' is not defined or is not accessible.")
        kept = after.setdefault(
            str(known["attributeSet"]), {"@odata.type": "#microsoft.graph.customSecurityAttributeValue"}
        )
        own = str(known["name"])
        kept.pop(own, None)
        kept.pop(f"{own}@odata.type", None)
        if value is None or value == []:
            if len(kept) == 1:
                del after[str(known["attributeSet"])]
            continue
        if known["status"] != "Available":
            raise bad(f"Custom security attribute '{known['id']}' is deactivated and cannot be assigned.")
        _check_value(known, value, values.get(f"{name}@odata.type"))
        kept[own] = value
        if known["isCollection"]:
            kept[f"{own}@odata.type"] = f"#Collection({_edm(known)})"


def _check_value(known: Mapping[str, Any], value: Any, annotation: object) -> None:
    label = f"customSecurityAttributes/{known['attributeSet']}/{known['name']}"
    wanted = None
    if known["isCollection"]:
        wanted = f"#Collection({_edm(known)})"
        if not isinstance(value, list):
            raise invalid_value(label)
    elif known["type"] == "Integer":
        wanted = "#Int32"
    if wanted is not None and annotation != wanted:
        raise bad(f"The value of '{label}' must be annotated '{known['name']}@odata.type': '{wanted}'.")
    each = value if isinstance(value, list) and known["isCollection"] else [value]
    if len(each) != len({str(one) for one in each}):
        raise bad(f"The values of '{label}' are not distinct.")
    for one in each:
        _check_single(known, one, label)


def _check_single(known: Mapping[str, Any], value: Any, label: str) -> None:
    kind = known["type"]
    right = {
        "Boolean": isinstance(value, bool),
        "Integer": type(value) is int and value in INT32,
        "String": isinstance(value, str) and 1 <= len(value) <= MAX_TEXT,
    }[kind]
    if not right:
        raise invalid_value(label)
    if known["usePreDefinedValuesOnly"]:
        allowed = [one["id"] for one in known.get("$", {}).get("allowedValues", []) if one["isActive"]]
        if str(value) not in allowed:
            raise bad(f"The value of '{label}' is none of its predefined values.")


def _allowed_value(value: object) -> Object:
    if (
        not isinstance(value, Mapping)
        or not isinstance(value.get("id"), str)
        or not 1 <= len(value["id"]) <= MAX_TEXT
        or not isinstance(value.get("isActive"), bool)
    ):
        raise invalid_value("allowedValues")
    return {"id": value["id"], "isActive": value["isActive"]}


def _edm(known: Mapping[str, Any]) -> str:
    return {"Integer": "Int32", "Boolean": "Boolean"}.get(str(known["type"]), "String")


def _check_name(value: object, label: str) -> None:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise invalid_value(label)


def _check_description(body: Mapping[str, Any]) -> None:
    value = body.get("description")
    if value is not None and (not isinstance(value, str) or len(value) > 128):
        raise invalid_value("description")
