"""What the written differences from scim2-models look at in documents and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scim_bridge.registry.fact_forms import workload_fault
from scim_bridge.scim import schema
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


# The class of differences that bodies and patches share.
HELD = "values of environment, riskTier and workloadId are held to what rules know"


def held(attribute: schema.Attribute, value: Any) -> bool:
    """True for what no rule could name where only what rules know is kept."""
    if attribute.kind == schema.KNOWN:
        return value is not None and value not in attribute.canonical
    return attribute.kind == schema.WORKLOAD and isinstance(value, str) and bool(workload_fault(value))


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
