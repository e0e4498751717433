"""Promises of executor slots: a server that goes away is waited for, and the slot is held again afterwards."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.engine import QUEUE, reap
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.slots import Slot
from scim_bridge.kernel.work import Store
from tests.conftest import with_database


def test_a_reaper_waits_for_a_server_that_is_away_and_holds_its_slot_again(
    postgres_server: str, postgres_url: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]

    def say(*commands: str) -> None:
        with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as server:
            for command in commands:
                server.execute(command)

    async def main() -> None:
        clock = SystemClock()
        database = await open_database(postgres_url, pool_size=2)
        store = Store(database, clock, UuidV7(clock))
        jobs = Jobs(store, Effects(store, {}, []))
        await jobs.start()
        await jobs.working()
        slot = await Slot.take(postgres_url)
        try:
            assert await reap(slot, QUEUE) == 0
            say(
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )
            try:
                for _ in range(2):
                    with pytest.raises(StoreUnavailable):
                        await reap(slot, QUEUE)
            finally:
                say(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert await reap(slot, QUEUE) == 0
            other = await Slot.take(postgres_url)
            assert other.number != slot.number
            await other.release()
        finally:
            await slot.release()
            await jobs.stop()
            await database.close()

    asyncio.run(main())
