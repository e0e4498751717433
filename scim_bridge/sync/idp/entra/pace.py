"""Keeps calls under Graph's documented budgets, for Graph tells nothing of them until they are nearly spent.

Budgets are per application and tenant (Graph "throttling limits", identity and access): resource units
that refill over ten seconds, the smallest tenants' 3,500; and 3,000 writes that refill over 150 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import RESERVE_PERCENT, is_urgent, seconds_of

UNITS = (3500.0, 10.0)
WRITES = (3000.0, 150.0)
# Longer than this nobody waits inside a call: the effect is tried again later instead.
PATIENCE = 10.0
# Our clock and theirs, and what is on its way, differ by a little: that much is never used.
EXACT = 0.99


@dataclass(slots=True)
class Budget:
    """What refills to `capacity` in `seconds`; `left` at instant `at` may be less than nothing."""

    capacity: float
    seconds: float
    left: float
    at: float

    def refill(self, now: float) -> None:
        """Bring it up to now."""
        rate = self.capacity / self.seconds
        self.left, self.at = min(self.capacity, self.left + (now - self.at) * rate), now

    def wait(self, amount: float) -> float:
        """Seconds until `amount` is there."""
        return max(0.0, (amount - self.left) * self.seconds / self.capacity)


@dataclass(slots=True)
class Pass:
    """One call that was let through: what it was taken for."""

    units: float
    writes: float


class Pace:
    """Lets calls pass while the budgets last, less `reserve` percent. A stop passes at once.

    What other processes take is seen when little is left (x-ms-throttle-limit-percentage, from 0.8 on):
    the nearer to the limit, the longer the pause. A 429 stops all but stops for as long as it says.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: float = PATIENCE,
        reserve: int = RESERVE_PERCENT,
        units: tuple[float, float] = UNITS,
        writes: tuple[float, float] = WRITES,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._patience = patience
        self._share = (1.0 - reserve / 100.0) * EXACT
        self._units = self._budget(units)
        self._writes = self._budget(writes)
        self._closed_until = 0.0

    def _budget(self, limit: tuple[float, float]) -> Budget:
        capacity = limit[0] * self._share
        return Budget(capacity, limit[1], capacity, self._now())

    async def enter(self, method: str, steps: int = 1) -> Pass:
        """Wait for room for one call, or a batch of reads; IdpError (transient, with the pause) when that is long."""
        passing = Pass(float(steps), 0.0 if method == "GET" or steps > 1 else 1.0)
        now = self._now()
        self._units.refill(now)
        self._writes.refill(now)
        if is_urgent():
            self._take(passing)
            return passing
        wait = max(
            self._closed_until - now,
            self._units.wait(passing.units),
            self._writes.wait(passing.writes) if passing.writes else 0.0,
        )
        if wait > self._patience:
            raise IdpError(
                "entra-paced",
                f"Entra's budget leaves no room for {wait:.0f} s.",
                transient=True,
                retry_after=int(wait) + 1,
            )
        # Taken before the pause: who comes next waits for what is left after this one.
        self._take(passing)
        if wait > 0:
            await self._sleep(wait)
        return passing

    def _take(self, passing: Pass) -> None:
        self._units.left -= passing.units
        self._writes.left -= passing.writes

    def leave(self, passing: Pass, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer: what it cost, how near the limit is, how long to keep away."""
        self._units.left += passing.units - _number(headers.get("x-ms-resource-unit"), passing.units)
        used = _number(headers.get("x-ms-throttle-limit-percentage"), 0.0)
        if used > self._share:
            self._near(passing, used)
        if status == 429:
            self.keep_away(seconds_of(headers))

    def keep_away(self, seconds: int | None) -> None:
        """Send nothing but stops for as long as a 429 says."""
        self._closed_until = max(self._closed_until, self._now() + (seconds or 10))

    def _near(self, passing: Pass, used: float) -> None:
        """Others took more than we know of: go on when the budget is back where the reserve begins."""
        budget = self._units
        if passing.writes and self._writes.left / self._writes.capacity < budget.left / budget.capacity:
            budget = self._writes
        budget.left = min(budget.left, (self._share - used) / self._share * budget.capacity)


def _number(text: Any, otherwise: float) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return otherwise
