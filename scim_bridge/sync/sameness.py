"""When two values of an attribute are the same at an IdP."""

from __future__ import annotations

import unicodedata
from typing import Any

from scim_bridge.sync.idp.port import ENABLED, Attributes


def absent(value: Any) -> bool:
    """True for null, empty text and empty lists: IdPs keep them as one and the same."""
    return value is None or value == "" or value == []


def same(name: str, left: Any, right: Any) -> bool:
    """True when two values of an attribute mean the same at an IdP."""
    if name == ENABLED:
        return bool(left) == bool(right)
    if absent(left) or absent(right):
        return absent(left) and absent(right)
    # 1 == True in Python; at an IdP they differ.
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def kept_as(name: str, current: Any, value: Any, last: Attributes | None) -> bool:
    """True when the IdP keeps what we last wrote in a form of its own: other case, blanks or order.

    Writing it again would change nothing, each time anew.
    """
    if name == ENABLED or last is None or name not in last or not same(name, last[name], value):
        return False
    return _form(current) == _form(value) and not absent(value)


def _form(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if isinstance(value, list):
        return sorted((_form(one) for one in value), key=repr)
    return value
