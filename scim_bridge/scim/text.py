"""Which texts can be kept: those every database takes and every answer can carry."""

from __future__ import annotations


def storable(text: str) -> bool:
    """False for a text with a NUL or with half a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
