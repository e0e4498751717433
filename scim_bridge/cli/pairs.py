"""Options that are key=value."""

from __future__ import annotations

from scim_bridge.access.model import texts
from scim_bridge.kernel.errors import Invalid


def pairs(items: list[str] | None) -> dict[str, str]:
    """What was written key=value each, as policies see it; Invalid names the one that is not."""
    found = {}
    for item in items or ():
        key, separator, value = item.partition("=")
        if not key or not separator:
            raise Invalid(
                "policy-pair", f"{item!r} is not key=value.", "Write --property environment=production."
            )
        found[key] = value
    return texts(found)
