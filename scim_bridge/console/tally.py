"""The counts above the list, counted anew only as often as counting is cheap."""

from __future__ import annotations

import time

from scim_bridge.console.listing import Counts, counts
from scim_bridge.console.quiet import quietly
from scim_bridge.kernel.context import Context

# Below this (seconds) counting costs nothing worth saving; above it, one part in twenty of the time.
CHEAP = 0.05
SHARE = 20.0


class Tally:
    """Remembers the counts of one process: at 100,000 agents they are a few seconds old, else fresh."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._counts: Counts | None = None
        self._good_until = 0.0

    async def now(self) -> Counts:
        """The counts; StoreUnavailable when they cannot be read."""
        if self._counts is not None and time.monotonic() < self._good_until:
            return self._counts
        began = time.monotonic()
        self._counts = await quietly(self._ctx, counts)
        took = time.monotonic() - began
        self._good_until = time.monotonic() + (took * SHARE if took > CHEAP else 0.0)
        return self._counts
