"""A worker process that performs a rotation's steps, and can be made to die at any of its fault points.

Run as `python -m tests.credentials.worker DATABASE_URL STORE_DIRECTORY [POINT]`. The points are counted as
they are passed: before and after each outward call and each call of the store, and after each step is settled.
At the given one it kills itself (SIGKILL). Without, it ends when nothing waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from scim_bridge.kernel.clock import SECOND, SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from tests.credentials.house import Fatal, FatalStore, House, Points

PATIENCE = 60.0


async def main(url: str, directory: str, fatal: int) -> int:
    """Perform everything, or die; 1 when something waits for longer than it should."""
    clock = SystemClock()
    points = Points(fatal, lambda: os.kill(os.getpid(), signal.SIGKILL))
    database = await open_database(url, pool_size=4)
    bridge = House(Store(database, clock, UuidV7(clock)), clock, Path(directory), outbound=Fatal(points))  # type: ignore[arg-type]
    bridge.effects = bridge.engine(FatalStore(bridge.stores, points))
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        row = await bridge.store.reads.one(
            "SELECT id, next_at FROM sb_effect WHERE state IN ('pending', 'handed') AND kind LIKE 'credential.%'"
            " ORDER BY next_at, id LIMIT 1"
        )
        if row is None:
            break
        if row["next_at"] > clock.now():
            await asyncio.sleep(min(1.0, (row["next_at"] - clock.now()) / SECOND))
            continue
        await bridge.effects.attempt(row["id"])
        points.passed()
    await bridge.close()
    await database.close()
    return 0 if row is None else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)))
