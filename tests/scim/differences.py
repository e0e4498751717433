"""What the written differences from scim2-models look at in documents and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.scim.oracle import Doc, shape

# What the oracle takes for an address and for a reference.
WELL_FORMED = {
    "emails": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "profileurl": re.compile(r"https?://\S+"),
    "photos": re.compile(r"https?://\S+"),
}


def sent(doc: Doc) -> dict[str, Any]:
    """A document by names in one case."""
    return {key.casefold(): value for key, value in doc.items()}


def doubled(items: list[Any]) -> bool:
    """True when one of them is there twice."""
    shaped = [repr(shape(item)) for item in items]
    return len(set(shaped)) < len(shaped)


def texts_in(value: Any) -> Iterator[Any]:
    """What stands where an address or a reference belongs."""
    for item in value if isinstance(value, list) else [value]:
        found = sent(item).get("value") if isinstance(item, dict) else item
        if found is not None:
            yield found
