"""Throttling by resource units: what a call costs, and buckets that refill. Pure; instants in microseconds.

Source: Graph "throttling limits", identity and access: cost by request, token bucket per application and tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from scim_bridge.sandbox.kit.clock import SECOND

COSTLY = {"users": 2, "members": 3, "transitiveMemberOf": 2, "appRoleAssignments": 2, "appRoleAssignedTo": 2}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket with `left` units at instant `at`."""

    left: float
    at: int


def cost(method: str, path: tuple[str, ...], query: Mapping[str, str]) -> int:
    """The resource units of one call, at least 1.

    A base by what is read; $select and $top below 20 make it cheaper, $expand dearer.
    """
    units = 1
    if method == "GET" and path:
        units = COSTLY.get(path[-1], 1)
        units -= "$select" in query
        units += "$expand" in query
        top = query.get("$top", "")
        units -= top.isdecimal() and int(top) < 20
    return max(units, 1)


def take(
    bucket: Bucket | None, units: float, capacity: float, seconds: float, now: int
) -> tuple[Bucket, int]:
    """The bucket after taking `units`, and the whole seconds to wait (0: granted; the bucket is then debited)."""
    rate = capacity / (seconds * SECOND) if seconds else float("inf")
    left = capacity if bucket is None else min(capacity, bucket.left + max(0, now - bucket.at) * rate)
    if left >= units:
        return Bucket(left - units, now), 0
    return Bucket(left, now), max(1, ceil((units - left) / rate / SECOND))


def used_share(bucket: Bucket, capacity: float) -> float:
    """How much of the capacity is used up, 0 to 1."""
    return 1.0 - bucket.left / capacity if capacity else 1.0
