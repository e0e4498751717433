"""How often the job engine asks its database for queued effects: often while there are some, seldom when all is quiet.

Each question is three statements a queue. Ten times a second, an idle server spent a tenth of a core on them
and each idle replica asked PostgreSQL for forty-five statements a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

log = structlog.get_logger("scim_bridge.jobs")

BUSY = 0.1
QUIET = 0.5
# So long nothing is handed over and nothing is open before it counts as quiet, in seconds.
CALM = 10.0


class Polled(Protocol):
    """A queue whose interval all its workers read before each look."""

    async def set_polling_interval_sec_async(self, value: float) -> None:
        """Look every so many seconds from now on."""


class Polling:
    """Sets the interval of the queues, which all replicas share, by what this replica sees.

    `open_effects` says whether any effect is with the engine; it is asked only when it has been calm.
    `seconds` is a clock that only goes forward. Another replica's change of mind is corrected within CALM.
    """

    def __init__(
        self,
        queues: Sequence[Polled],
        open_effects: Callable[[], Awaitable[bool]],
        seconds: Callable[[], float],
    ) -> None:
        self._queues = queues
        self._open_effects = open_effects
        self._seconds = seconds
        # The queues are registered as busy: what an earlier process left is taken up at once.
        self._interval = BUSY
        self._said = self._busy_at = seconds()

    async def handed_over(self, number: int) -> None:
        """Heed that the relay has just handed so many effects to the engine."""
        now = self._seconds()
        if number:
            self._busy_at = now
            if self._interval != BUSY or now - self._said > CALM:
                await self._say(BUSY, now)
        elif self._interval == BUSY and now - self._busy_at > CALM:
            self._busy_at = now
            if not await self._open_effects():
                await self._say(QUIET, now)

    async def _say(self, interval: float, now: float) -> None:
        for queue in self._queues:
            await queue.set_polling_interval_sec_async(interval)
        self._interval, self._said = interval, now
