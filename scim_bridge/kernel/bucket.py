"""Token buckets in one process: so many calls at once, and so many a second for ever after."""

from __future__ import annotations

from scim_bridge.kernel.clock import SECOND, Clock


class Buckets:
    """One bucket for each key: it holds `burst` tokens and gains `rate` a second. Each call takes one.

    What is kept of a key is one number: the instant at which its bucket is full again, in ticks of which a
    second has `rate` million, so that nothing is rounded. Keys are few and known; each process counts for itself.
    """

    __slots__ = ("_clock", "_depth", "_full", "_rate")

    def __init__(self, clock: Clock, rate: int, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._depth = burst * SECOND
        self._full: dict[str, int] = {}

    def take(self, key: str) -> int | None:
        """Take a token: None, or the whole seconds after which there is one when nobody else takes it."""
        now = self._clock.now() * self._rate
        missing = self._full.get(key, 0) - now
        # More than a bucket holds is missing only when the clock was set back: it begins anew.
        if missing < 0 or missing > self._depth:
            missing = 0
        after = missing + SECOND
        if after > self._depth:
            return -((self._depth - after) // (self._rate * SECOND))
        self._full[key] = now + after
        return None
