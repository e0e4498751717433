"""A worker that is killed by one of its effects. Run as `python -m tests.kernel.deadly DATABASE_URL`.

It ends with 0 when no effect waits any more.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from scim_bridge.kernel.backlog import backlog
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import Done, Effect, Effects, Outcome
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.work import Store, Work


async def main(url: str) -> None:
    """Work until nothing waits, or die."""
    clock = SystemClock()
    database = await open_database(url, pool_size=4)
    store = Store(database, clock, UuidV7(clock))

    async def handle(effect: Effect) -> Outcome:
        if effect.payload["deadly"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return Done({})

    async def settled(work: Work, *_: object) -> None:
        work.bookkeeping("a test")

    jobs = Jobs(store, Effects(store, {"call": handle}, [settled]))
    await jobs.start()
    while {"pending", "handed"} & (await backlog(store.reads)).keys():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await jobs.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
