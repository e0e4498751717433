"""A worker process: performs effects as a server does, until it is told to stop.

Run as `python -m tests.sync.scale.worker DATABASE_URL`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from scim_bridge.app import effects_of, open_bridge
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.parent import until_parent_exits
from tests.sync.scale.site import settings


async def main(url: str) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    until_parent_exits(lambda: loop.call_soon_threadsafe(stop.set))
    bridge = await open_bridge(settings(url))
    jobs = Jobs(bridge.ctx.store, effects_of(bridge))
    await jobs.start()
    try:
        await stop.wait()
    finally:
        await jobs.stop()
        await bridge.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
