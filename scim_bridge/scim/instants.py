"""SCIM's dateTime values (RFC 7643 section 2.3.5) as instants."""

from __future__ import annotations

import re

from scim_bridge.kernel.clock import parse_iso

_ZONELESS = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)


def instant(text: str) -> int | None:
    """The microseconds since the epoch that a dateTime says, None when it is none.

    Date and time are needed; without a zone it is taken as UTC, as XML Schema leaves open.
    """
    try:
        return parse_iso(zoned(text))
    except (ValueError, OverflowError):
        return None


def zoned(text: str) -> str:
    """A dateTime with its zone written out."""
    return f"{text}Z" if _ZONELESS.fullmatch(text) else text
