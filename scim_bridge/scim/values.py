"""One value of one attribute: its type checked, its names brought into schema casing.

`None` is what a value comes out as when it says that the attribute is unassigned (RFC 7643 section 2.5).
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from scim_bridge.registry.fact_forms import workload_fault
from scim_bridge.scim.errors import ScimError, invalid_syntax, invalid_value
from scim_bridge.scim.instants import instant, zoned
from scim_bridge.scim.schema import (
    BINARY,
    BOOLEAN,
    CANONICAL,
    COMPLEX,
    DATE_TIME,
    DECIMAL,
    INTEGER,
    KNOWN,
    REFERENCE,
    SPELLED,
    STRING,
    WORKLOAD,
    Attribute,
)
from scim_bridge.scim.text import storable

Doc = dict[str, Any]

# Of what a user has; group members are not counted.
MAX_ELEMENTS: Final = 5_000

_TRUTH: Final = {"true": True, "false": False}
# What only describes a value; without a value there is nothing to describe.
_DESCRIPTIVE: Final = {"type", "primary"}


def clean_value(attribute: Attribute, value: Any, tolerant: bool, parent: str = "") -> Any:
    """The value as it is kept, None when unassigned; ScimError invalidValue when it is of the wrong type.

    A list for multi-valued attributes, an object for complex ones. Read-only sub-attributes are left out.
    `tolerant` reads "False" for false, "" for unassigned, one value for a list of one and the other way
    round, and a plain string for an object with that `value`; and it passes over unknown sub-attributes.
    """
    if value is None:
        return None
    if attribute.multi:
        return _list(attribute, value, tolerant, parent)
    if tolerant and type(value) is list and attribute.type == COMPLEX and len(value) == 1:
        value = value[0]
    return _KINDS[attribute.kind](attribute, value, tolerant, parent)


def clean_element(attribute: Attribute, value: Any, tolerant: bool, parent: str = "") -> Any:
    """One element of a multi-valued attribute, None when there is nothing in it."""
    return None if value is None else _KINDS[attribute.kind](attribute, value, tolerant, parent)


def clean_fields(
    definitions: Mapping[str, Attribute], given: Mapping[str, Any], tolerant: bool, parent: str = ""
) -> tuple[Doc, list[str]]:
    """What of an object is known and may be set, and the keys that are not known."""
    fields: Doc = {}
    unknown: list[str] = []
    for key, value in given.items():
        attribute = definitions.get(key)
        if attribute is None:
            attribute = definitions.get(key.casefold())
            if attribute is None:
                unknown.append(key)
                continue
            refuse_twice(given, key)
        elif attribute.name != key:
            refuse_twice(given, key)
        if attribute.read_only:
            continue
        kept = clean_value(attribute, value, tolerant, parent)
        if kept is not None and not attribute.hidden:
            fields[attribute.name] = kept
    return fields, unknown


def refuse_twice(given: Mapping[str, Any], key: str) -> None:
    """Refuse an object in which another key differs from this one by case only (RFC 7643 section 2.1)."""
    folded = key.casefold()
    if sum(other.casefold() == folded for other in given) > 1:
        raise invalid_syntax(f"{key!r} is there twice, in different case.", "Send each attribute once.")


def dotted(parent: str, name: str) -> str:
    """The name of a sub-attribute in messages."""
    return f"{parent}.{name}" if parent else name


def _list(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> list[Any] | None:
    if not isinstance(value, list):
        if not tolerant:
            raise _wrong(attribute, value, parent, "a list")
        value = [value]
    if len(value) > MAX_ELEMENTS and not _by_id(attribute):
        raise invalid_value(
            f"{dotted(parent, attribute.name)} has more than {MAX_ELEMENTS} elements.", "Send fewer."
        )
    kind = _KINDS[attribute.kind]
    items = [
        kept
        for item in value
        if item is not None and (kept := kind(attribute, item, tolerant, parent)) is not None
    ]
    if len(items) > 1:
        items = distinct(attribute, items)
        refuse_two_primaries(attribute, items)
    return items or None


def distinct(attribute: Attribute, items: list[Any]) -> list[Any]:
    """The elements without repetitions: those of a group's members by `value`, others as a whole."""
    by_id = _by_id(attribute)
    seen: set[Any] = set()
    kept = []
    for item in items:
        key = item["value"] if by_id else orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def _by_id(attribute: Attribute) -> bool:
    """True for references that are nothing without their id, as members are; of those there may be many."""
    return bool(attribute.needs) and attribute.needs[0].name == "value"


def refuse_two_primaries(attribute: Attribute, items: list[Any]) -> None:
    """Refuse a list in which two elements are marked primary (RFC 7643 section 2.4)."""
    if "primary" in attribute.subs and sum(item.get("primary") is True for item in items) > 1:
        raise invalid_value(f"{attribute.name} has more than one primary value.", "Mark one as primary.")


def _object(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> Doc | None:
    if not isinstance(value, dict):
        if not tolerant or not isinstance(value, str) or "value" not in attribute.subs:
            raise _wrong(attribute, value, parent, "an object")
        value = {"value": value}
    name = dotted(parent, attribute.name)
    fields, unknown = clean_fields(attribute.subs, value, tolerant, name)
    if unknown and not tolerant:
        raise invalid_syntax(f"{name} has no sub-attribute {unknown[0][:200]!r}.", "Leave it out.")
    if tolerant and is_bare(attribute, fields):
        return None
    for needed in attribute.needs if fields else ():
        if needed.name not in fields:
            raise invalid_value(f"{name}.{needed.name} is missing.", "Send it, or leave the whole value out.")
    return fields or None


def is_bare(attribute: Attribute, fields: Doc) -> bool:
    """True when an element only describes a value that it does not have."""
    return "value" in attribute.subs and fields.keys() <= _DESCRIPTIVE


def _text(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    if not isinstance(value, str):
        raise _wrong(attribute, value, parent, "a string")
    if not value and tolerant:
        return None
    if not storable(value):
        raise invalid_syntax(f"{dotted(parent, attribute.name)} holds a NUL or half a surrogate pair.")
    return value


def _spelled(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    """Any text, and canonical values written as they are: `Production` is production."""
    text = _text(attribute, value, tolerant, parent)
    if text is None or attribute.case_exact:
        return text
    return next((known for known in attribute.canonical if known.casefold() == text.casefold()), text)


def _canonical(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    """One of the canonical values, written as they are."""
    text = _spelled(attribute, value, tolerant, parent)
    if text is None or text in attribute.canonical:
        return text
    shown = ", ".join(attribute.canonical[:10])
    more = " …" if len(attribute.canonical) > 10 else ""
    raise invalid_value(f"{dotted(parent, attribute.name)} is not one of {shown}{more}.", "Send one of them.")


def _known(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    """One of the canonical values; what nobody knows is unassigned."""
    if isinstance(value, str) and value.casefold() == "unknown":
        return None
    return _canonical(attribute, value, tolerant, parent)


def _workload(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    """A SPIFFE ID or a WIMSE URI, as the other doors take it."""
    text = _text(attribute, value, tolerant, parent)
    if text is not None and (fault := workload_fault(text)):
        raise invalid_value(
            f"{dotted(parent, attribute.name)}: {fault}",
            "Send for example spiffe://corp.example/agents/triage.",
        )
    return text


def _boolean(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> bool | None:
    if isinstance(value, bool):
        return value
    if tolerant and isinstance(value, str):
        if not value:
            return None
        read = _TRUTH.get(value.strip().casefold())
        if read is not None:
            return read
    raise _wrong(attribute, value, parent, "true or false")


def _integer(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    if tolerant and value == "":
        return None
    raise _wrong(attribute, value, parent, "a whole number")


def _decimal(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    if tolerant and value == "":
        return None
    raise _wrong(attribute, value, parent, "a number")


def _date(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    text = _text(attribute, value, tolerant, parent)
    if text and instant(text) is not None:
        return zoned(text)
    if text is None:
        return None
    raise _wrong(attribute, value, parent, "a date with a time, such as 2026-11-24T10:00:00Z")


def _binary(attribute: Attribute, value: Any, tolerant: bool, parent: str) -> str | None:
    text = _text(attribute, value, tolerant, parent)
    try:
        base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(attribute, value, parent, "base64") from error
    return text


_KINDS: Final[Mapping[str, Callable[[Attribute, Any, bool, str], Any]]] = {
    STRING: _text,
    REFERENCE: _text,
    BOOLEAN: _boolean,
    INTEGER: _integer,
    DECIMAL: _decimal,
    DATE_TIME: _date,
    BINARY: _binary,
    COMPLEX: _object,
    CANONICAL: _canonical,
    SPELLED: _spelled,
    KNOWN: _known,
    WORKLOAD: _workload,
}

_NAMES: Final = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    type(None): "null",
}


def _wrong(attribute: Attribute, value: Any, parent: str, wanted: str) -> ScimError:
    # The value is not repeated: it may be a secret in the wrong place.
    sent = _NAMES.get(type(value), "a number")
    sent = "another string" if sent == "a string" and attribute.type not in (STRING, COMPLEX) else sent
    return invalid_value(f"{dotted(parent, attribute.name)} must be {wanted}; {sent} was sent.")
