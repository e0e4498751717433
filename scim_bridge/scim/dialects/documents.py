"""Rows about documents and values: types, lists and references as IdPs write them."""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.dialects.model import Doc, DocumentRow
from scim_bridge.scim.dialects.shapes import SAME, changed, enterprise
from scim_bridge.scim.schema import Attribute, ResourceType

LEGACY_URNS = ("http://schemas.microsoft.com/2006/11/resourcemanagement/adscim/2.0/",)
BOOLEANS = {"true": True, "false": False}


def _legacy_urns(doc: Doc, _resource: ResourceType) -> Doc | None:
    named = doc.get("schemas")
    if not isinstance(named, list):
        return None
    kept = [urn for urn in named if not (isinstance(urn, str) and urn.casefold().startswith(LEGACY_URNS))]
    return {**doc, "schemas": kept} if len(kept) < len(named) else None


def _enterprise_at_top(doc: Doc, resource: ResourceType) -> Doc | None:
    moved = {key: value for key, value in doc.items() if enterprise(key, resource) is not None}
    if not moved:
        return None
    kept = {key: value for key, value in doc.items() if key not in moved}
    present = kept.get(ENTERPRISE_URN)
    within = {key: value for key, value in moved.items() if value is not None}
    if within:
        kept[ENTERPRISE_URN] = {**within, **(present if isinstance(present, dict) else {})}
    return kept


def _unlisted(attribute: Attribute, value: Any) -> Any:
    if attribute.multi or not isinstance(value, list) or len(value) > 1:
        return SAME
    if not value:
        return None
    only = value[0]
    if isinstance(only, dict) and not attribute.subs:
        return only.get("value")
    return only


def _listed(attribute: Attribute, value: Any) -> Any:
    if not attribute.multi or isinstance(value, list) or value in (None, ""):
        return SAME
    if attribute.subs and isinstance(value, str):
        return [{"value": value}]
    return [value] if isinstance(value, dict) or not attribute.subs else SAME


def _reference(attribute: Attribute, value: Any) -> Any:
    if attribute.multi or "value" not in attribute.subs or not isinstance(value, str):
        return SAME
    return {"value": value} if value else None


def _role(item: Any) -> Any:
    """A role whose `value` is a JSON object in a string, as SingleAppRoleAssignment's older kin sends it."""
    text = item.get("value") if isinstance(item, dict) else None
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return SAME
    try:
        inner = orjson.loads(text)
    except orjson.JSONDecodeError:
        return SAME
    if not isinstance(inner, dict) or not isinstance(inner.get("value"), str):
        return SAME
    made = {**item, "value": inner["value"]}
    display = inner.get("displayName") or inner.get("display")
    if isinstance(display, str):
        made.setdefault("display", display)
    return made


def _roles(attribute: Attribute, value: Any) -> Any:
    if not attribute.multi or "value" not in attribute.subs or not isinstance(value, list):
        return SAME
    made = [_role(item) for item in value]
    if all(item is SAME for item in made):
        return SAME
    return [old if new is SAME else new for old, new in zip(value, made, strict=True)]


def _boolean(attribute: Attribute, value: Any) -> Any:
    if attribute.type != "boolean" or not isinstance(value, str):
        return SAME
    return BOOLEANS.get(value.strip().casefold(), SAME)


def _empty(attribute: Attribute, value: Any) -> Any:
    return None if value == "" and not attribute.required else SAME


LEGACY_SCHEMAS = DocumentRow(
    "legacy-schemas",
    "`schemas` names Microsoft's old ADSCIM schema beside the real one",
    _legacy_urns,
)
ENTERPRISE_AT_TOP = DocumentRow(
    "enterprise-at-top",
    "an enterprise attribute (`department`, `manager` …) stands at the top of a user",
    _enterprise_at_top,
)
SINGLE_IN_LIST = DocumentRow(
    "single-in-list",
    "a single-valued attribute comes as a list of one (`manager`, values of old PATCH operations)",
    lambda doc, resource: changed(doc, resource, _unlisted),
    of_values=True,
)
LIST_LEFT_OUT = DocumentRow(
    "list-left-out",
    "a multi-valued attribute comes as one object or one text (`members`: an id)",
    lambda doc, resource: changed(doc, resource, _listed),
    of_values=True,
)
REFERENCE_AS_TEXT = DocumentRow(
    "reference-as-text",
    "a reference such as `manager` comes as the bare id, or empty to clear it",
    lambda doc, resource: changed(doc, resource, _reference),
    of_values=True,
)
ROLES_AS_TEXT = DocumentRow(
    "roles-as-text",
    "an element's `value` is a JSON object written as text (Entra app roles)",
    lambda doc, resource: changed(doc, resource, _roles),
    of_values=True,
)
TEXT_BOOLEANS = DocumentRow(
    "text-booleans",
    'a boolean comes as text: "True", "False"',
    lambda doc, resource: changed(doc, resource, _boolean),
    of_values=True,
)
EMPTY_UNASSIGNS = DocumentRow(
    "empty-unassigns",
    "an empty text stands for no value",
    lambda doc, resource: changed(doc, resource, _empty),
    of_values=True,
)
