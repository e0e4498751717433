"""A worker process that performs a departure's effects, and can be made to die at any of its fault points.

Run as `python -m tests.departures.worker DATABASE_URL RECEIVER_URL [POINT]`. The points are counted as they
are passed: before an outward call, after its answer (nothing is written yet), after it is settled, before a
receipt is signed and after. At the given one it kills itself (SIGKILL). Without, it ends when nothing waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from scim_bridge.departures.service import due
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.work import Store
from tests.departures.house import context, engine, waiting
from tests.receiver import Receiver


class Points:
    """Counts the fault points, and takes the process with it at one of them."""

    def __init__(self, fatal: int) -> None:
        self._left = fatal

    def passed(self) -> None:
        """Go on, or die."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Fatal(Outbound):
    """A way out with a fault point on either side."""

    def __init__(self, points: Points) -> None:
        super().__init__(allow=["127.0.0.1"])
        self._points = points

    async def send(self, *args: object, **options: object) -> Answer:  # type: ignore[override]
        """Send, unless it is over before or after."""
        self._points.passed()
        answer = await super().send(*args, **options)  # type: ignore[arg-type]
        self._points.passed()
        return answer


class Mortal(Effects):
    """An engine with a fault point after each effect it settled."""

    points: Points

    async def attempt(self, effect_id: str) -> float | None:
        """Try once, then perhaps die."""
        wait = await super().attempt(effect_id)
        self.points.passed()
        return wait


async def signing(ctx: Context, points: Points) -> None:
    """What is due, with a fault point on either side when there is a receipt to sign."""
    row = await ctx.store.reads.one("SELECT 1 AS x FROM sb_receipt WHERE signed IS NULL LIMIT 1")
    if row is not None:
        points.passed()
    await due(ctx)
    if row is not None:
        points.passed()


async def main(url: str, receiver_url: str, fatal: int) -> None:
    """Work until nothing waits, or die."""
    clock = SystemClock()
    database = await open_database(url, pool_size=4)
    store = Store(database, clock, UuidV7(clock))
    ctx = context(store)
    points = Points(fatal)
    object.__setattr__(ctx, "outbound", Fatal(points))
    effects = engine(ctx, Receiver(receiver_url))
    effects.__class__, effects.points = Mortal, points  # type: ignore[attr-defined]
    jobs = Jobs(store, effects)
    jobs.every("due", 0.2, lambda: signing(ctx, points))
    await jobs.start()
    try:
        async with asyncio.timeout(40):
            while True:
                if not await waiting(store):
                    break
                await asyncio.sleep(0.05)
            await signing(ctx, points)
    finally:
        await jobs.stop()
        await ctx.outbound.aclose()
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
