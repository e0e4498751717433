"""Rate limits: a bucket per group of endpoints, filled anew every minute."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.store import Store

WINDOW_SECONDS = 60
DEFAULT = 1200
# Calls a minute, as Okta publishes them for workforce orgs.
BUCKETS: dict[str, int] = {
    "users": 600,
    "user": 2000,
    "user-write": 600,
    "user-lifecycle": 600,
    "groups": 500,
    "group": 1000,
    "apps": 500,
    "app-users": 500,
    "logs": 120,
    "token": 300,
    "meta": 500,
}
_ROUTES: tuple[tuple[str, str, str], ...] = (
    ("GET", r"/api/v1/users/?", "users"),
    ("POST", r"/api/v1/users/?", "user-write"),
    ("POST", r"/api/v1/users/[^/]+/lifecycle/.*", "user-lifecycle"),
    ("GET", r"/api/v1/users/.*", "user"),
    ("*", r"/api/v1/users/.*", "user-write"),
    ("GET", r"/api/v1/groups/?", "groups"),
    ("*", r"/api/v1/groups.*", "group"),
    ("*", r"/api/v1/apps/[^/]+/users.*", "app-users"),
    ("*", r"/api/v1/apps.*", "apps"),
    ("*", r"/api/v1/logs.*", "logs"),
    ("*", r"/api/v1/meta/.*", "meta"),
    ("*", r"/oauth2/.*", "token"),
)


def bucket_of(method: str, path: str) -> str:
    """The bucket a call is counted in; "default" for endpoints without one of their own."""
    for verb, pattern, name in _ROUTES:
        if verb in ("*", method) and re.fullmatch(pattern, path):
            return name
    return "default"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left in a bucket after this call. `reset` is in seconds since the epoch."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        """The three headers on every answer."""
        return {
            "x-rate-limit-limit": str(self.limit),
            "x-rate-limit-remaining": str(self.remaining),
            "x-rate-limit-reset": str(self.reset),
        }


class Limits:
    """Counts calls. The sizes are kept in the store, the counts of this minute are not."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sizes: dict[str, int] = {}
        self._windows: dict[str, tuple[int, int]] = {}

    def load(self) -> None:
        """Read the sizes, and begin every bucket's minute anew."""
        self._sizes = dict(self._store.get("setting", "limits") or {})
        self._windows = {}

    def resize(self, sizes: dict[str, int]) -> None:
        """Give buckets other sizes; "default" is for all that are not named."""
        self._store.put("setting", "limits", sizes)
        self.load()

    def size(self, bucket: str) -> int:
        """Calls a minute in a bucket."""
        if bucket in self._sizes:
            return self._sizes[bucket]
        return self._sizes.get("default", BUCKETS.get(bucket, DEFAULT))

    def take(self, bucket: str) -> Allowance:
        """Count one call; the minute begins with the first call after the last one ended."""
        now = self._store.clock.now() // SECOND
        reset, used = self._windows.get(bucket, (0, 0))
        if now >= reset:
            reset, used = now + WINDOW_SECONDS, 0
        limit = self.size(bucket)
        exceeded = used >= limit
        used += not exceeded
        self._windows[bucket] = (reset, used)
        return Allowance(limit, limit - used, reset, exceeded)
