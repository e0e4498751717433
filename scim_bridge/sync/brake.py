"""The brake: when a plan is parked for a person instead of being applied. Pure rules.

No listing, however successful, may make us act on many objects because it was short or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.connection_settings import BRAKE_MOST
from scim_bridge.sync.counts import Counts

# Two of four is "half" and still two: a share says something only from this number on.
FEW = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """A plan is held above `count` agents to switch off or objects missing, or above `percent` of the known."""

    count: int = 10
    percent: int = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """What the IdP showed: `known` we wrote before and expect, `present` of them were in the listing."""

    complete: bool
    listed: int
    known: int
    present: int

    @property
    def missing(self) -> int:
        """How many that should be there were not in the listing."""
        return self.known - self.present


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """The limits a connection sets with brake_count and brake_percent; Invalid when they are no numbers."""
    found = {}
    for key, default in (("brake_count", 10), ("brake_percent", 20)):
        top = BRAKE_MOST[key]
        value = str(settings.get(key, default))
        if not value.isascii() or not value.isdigit() or int(value) > top:
            raise Invalid(
                "brake-setting", f"{key} is {value[:20]!r}.", f"Write a whole number from 0 to {top}."
            )
        found[key] = int(value)
    return Limits(found["brake_count"], found["brake_percent"])


def held(limits: Limits, listing: Listing, counts: Counts) -> str:
    """Why a plan must not be applied without a person's word; empty when nothing is wrong."""
    if not listing.complete:
        return "The listing broke off before its last page."
    if listing.known and not listing.listed:
        return f"The listing came back empty, {listing.known} objects were there before."
    if many(limits, listing.missing, listing.known):
        return f"{listing.missing} of {listing.known} objects we wrote are missing from the listing."
    if many(limits, counts.retires, listing.known):
        return f"{counts.retires} of {listing.known} agents would be retired at once."
    if many(limits, counts.stops, listing.known):
        return f"{counts.stops} of {listing.known} agents would be switched off at once."
    if many(limits, counts.losses, listing.known):
        return f"{counts.losses} of {listing.known} agents would lose groups or applications at once."
    return ""


def many(limits: Limits, number: int, known: int) -> bool:
    """True when so many of those known are more than may be acted on without a person's word."""
    return number > limits.count or (number >= FEW and number * 100 > limits.percent * known)
