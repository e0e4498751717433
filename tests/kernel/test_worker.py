"""Promises about who performs effects: a server when one runs, else the command that asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.single_process import SingleProcess
from scim_bridge.kernel.slots import Slot
from scim_bridge.kernel.worker import sole_worker


def may_perform(url: str, *, while_server: bool) -> bool:
    async def main() -> bool:
        database = await open_database(url, pool_size=2)
        slot = await Slot.take(url) if while_server and database.backend != "sqlite" else None
        lock = SingleProcess(Path(url.removeprefix("sqlite:///") + ".lock"))
        if while_server and slot is None:
            lock.acquire()
        try:
            async with sole_worker(database) as mine:
                return mine
        finally:
            lock.release()
            if slot is not None:
                await slot.release()
            await database.close()

    return asyncio.run(main())


def test_a_command_performs_effects_only_while_no_server_works_on_the_database(database_url) -> None:
    assert may_perform(database_url, while_server=False)
    assert not may_perform(database_url, while_server=True)
    assert may_perform(database_url, while_server=False)


def test_on_sqlite_no_server_can_start_while_a_command_performs(sqlite_url) -> None:
    async def main() -> bool:
        database = await open_database(sqlite_url)
        try:
            async with sole_worker(database), sole_worker(database) as second:
                return second
        finally:
            await database.close()

    assert not asyncio.run(main())
