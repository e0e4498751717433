"""JSON that says one thing twice: refused, for every reader would take another of the two (RFC 8259 section 4)."""

from __future__ import annotations

import re
from typing import Any, Final

from scim_bridge.kernel.errors import Invalid

MAX_DEPTH: Final = 64
_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)


def check_keys(raw: bytes, found: Any) -> None:
    """Refuse a body in which an object has the same key twice, or that is nested too deep; `found` is what it says."""
    # Each string has two quotation marks, so more of them than strings kept means that a key came twice.
    marks = raw.count(b'"') if b'\\"' not in raw else _ESCAPE.sub(b"", raw).count(b'"')
    if marks != 2 * _strings(found, 1):
        raise Invalid(
            "json-key-twice", "An object in the body has the same key twice.", "Send each key once."
        )


def _strings(value: Any, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise Invalid(
            "json-depth", f"The body is nested deeper than {MAX_DEPTH} levels.", "Send flatter JSON."
        )
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        return len(value) + sum(_strings(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return sum(_strings(item, depth + 1) for item in value)
    return 0
