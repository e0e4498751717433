"""Bytes to JSON with limits: depth, duplicate keys, NaN, NUL, lone surrogates; all refused as invalidSyntax.

SCIM reads names in any case (RFC 7643 section 2.1), so keys that differ only in case are one key twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import orjson

from scim_bridge.scim.errors import invalid_syntax

MAX_DEPTH: Final = 64
Look: TypeAlias = Callable[[Any], None]

_BOM: Final = b"\xef\xbb\xbf"
_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)


def read(raw: bytes, first: Look | None = None) -> Any:
    """The JSON value in a body; ScimError invalidSyntax otherwise.

    `first` looks at it before each string in it is, and may refuse what is too much to look at.
    """
    raw = raw.removeprefix(_BOM)
    if not raw.strip():
        raise invalid_syntax("The body is empty.", "Send a JSON object.")
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise invalid_syntax(f"The body is not JSON: {error}.", "Send JSON in UTF-8.") from error
    if first is not None:
        first(found)
    strings = _strings(found, 1)
    # Each string has two quotation marks, so more of them than strings kept means that a key came twice.
    marks = raw.count(b'"') if b'\\"' not in raw else _ESCAPE.sub(b"", raw).count(b'"')
    if marks != 2 * strings:
        raise invalid_syntax("An object in the body has the same key twice.", "Send each key once.")
    if b"\\u0000" in raw and _holds_nul(found):
        raise invalid_syntax("The body holds a NUL character.", "Leave it out.")
    return found


def read_object(raw: bytes, first: Look | None = None) -> dict[str, Any]:
    """The JSON object in a body; ScimError invalidSyntax otherwise."""
    found = read(raw, first)
    if not isinstance(found, dict):
        raise invalid_syntax("The body is not a JSON object.", "Send a JSON object.")
    return found


def _strings(value: Any, depth: int) -> int:
    """How many strings a value is made of, keys included; refused when it is nested too deep."""
    if depth > MAX_DEPTH:
        raise invalid_syntax(f"The body is nested deeper than {MAX_DEPTH} levels.", "Send flatter JSON.")
    items: Iterable[Any]
    if isinstance(value, dict):
        count, items = len(value), value.values()
        if len({key.casefold() for key in value}) < count:
            raise invalid_syntax(
                "An object in the body has the same key twice, in different case.", "Send each key once."
            )
    elif isinstance(value, list):
        count, items = 0, value
    else:
        return int(isinstance(value, str))
    for item in items:
        if type(item) is str:
            count += 1
        elif type(item) is dict or type(item) is list:
            count += _strings(item, depth + 1)
    return count


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key for key in value) or any(_holds_nul(item) for item in value.values())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)
