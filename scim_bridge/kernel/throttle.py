"""Throttling by key inside one process: enough to keep guessing and flooding from being cheap."""

from __future__ import annotations

from collections import OrderedDict, deque

from scim_bridge.kernel.clock import SECOND, Clock
from scim_bridge.kernel.errors import BridgeError

# A flood from many addresses must not fill memory: the least recently seen are forgotten.
KEYS = 10_000


class TooManyRequests(BridgeError):
    """The caller has to slow down (RFC 6585 section 4)."""

    status = 429


class Throttle:
    """At most `limit` events per key within `seconds`, by a sliding window.

    Each process counts for itself: N replicas allow up to N times as much.
    """

    def __init__(self, clock: Clock, limit: int, seconds: int) -> None:
        self._clock = clock
        self._limit = limit
        self._window = seconds * SECOND
        self._seen: OrderedDict[str, deque[int]] = OrderedDict()

    def count(self, key: str) -> None:
        """Note one event of this key."""
        times = self._seen.setdefault(key, deque(maxlen=self._limit))
        self._seen.move_to_end(key)
        times.append(self._clock.now())
        if len(self._seen) > KEYS:
            self._seen.popitem(last=False)

    def wait(self, key: str) -> int | None:
        """Whole seconds until this key is below its limit again; None when it is."""
        times = self._seen.get(key)
        if times is None or len(times) < self._limit:
            return None
        left = times[0] + self._window - self._clock.now()
        return None if left <= 0 else -(-left // SECOND)

    def forget(self, key: str) -> None:
        """Start anew for this key."""
        self._seen.pop(key, None)
