"""A worker process that performs a departure's effects, and can be made to die in the middle of one.

Run as `python -m tests.departures.worker DATABASE_URL RECEIVER_URL [CALLS]`: after that many outward
calls it kills itself (SIGKILL), the call made and nothing written yet. Without, it ends when nothing waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from scim_bridge.departures.service import due
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.work import Store
from tests.departures.house import context, engine, waiting
from tests.receiver import Receiver


class Fatal(Outbound):
    """A way out that takes the process with it once the last allowed call was answered."""

    def __init__(self, calls: int) -> None:
        super().__init__(allow=["127.0.0.1"])
        self._left = calls

    async def send(self, *args: object, **options: object) -> Answer:  # type: ignore[override]
        """Send, then perhaps die."""
        answer = await super().send(*args, **options)  # type: ignore[arg-type]
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


async def main(url: str, receiver_url: str, calls: int) -> None:
    """Work until nothing waits, or die."""
    clock = SystemClock()
    database = await open_database(url, pool_size=4)
    store = Store(database, clock, UuidV7(clock))
    ctx = context(store)
    object.__setattr__(ctx, "outbound", Fatal(calls))
    effects: Effects = engine(ctx, Receiver(receiver_url))
    jobs = Jobs(store, effects)
    jobs.every("due", 0.2, lambda: due(ctx))
    await jobs.start()
    try:
        async with asyncio.timeout(40):
            while True:
                if not await waiting(store):
                    break
                await asyncio.sleep(0.05)
            await due(ctx)
    finally:
        await jobs.stop()
        await ctx.outbound.aclose()
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
