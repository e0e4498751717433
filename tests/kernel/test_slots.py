"""Promises of executor slots: a server that goes away is waited for, the slot is held again, no two have one number.

And nobody's jobs are taken over who is alive: what is resumed too early is done twice.
"""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from scim_bridge.kernel import slots
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.engine import QUEUE
from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.reaping import Reaper
from scim_bridge.kernel.slots import ANSWERING, Slot
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
        reaper = Reaper(slot)
        try:
            assert await reaper.reap(QUEUE) == 0
            say(
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )
            try:
                for _ in range(2):
                    with pytest.raises(StoreUnavailable):
                        await reaper.reap(QUEUE)
            finally:
                say(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert await reaper.reap(QUEUE) == 0
            other = await Slot.take(postgres_url)
            assert other.number != slot.number
            await other.release()
        finally:
            await slot.release()
            await jobs.stop()
            await database.close()

    asyncio.run(main())


def cut(url: str) -> None:
    """Cut every other connection to a database."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def holders(url: str, family: int = slots.FAMILY) -> list[int]:
    """The numbers that are held."""
    with psycopg.connect(url) as server:
        rows = server.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (family,),
        ).fetchall()
    return sorted(int(row[0]) for row in rows)


async def until_held(url: str, numbers: list[int]) -> None:
    """Return when exactly these are held."""
    async with asyncio.timeout(10):
        while await asyncio.to_thread(holders, url) != sorted(numbers):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_whoever_lives_on_after_their_connections_are_cut_holds_their_number_again_at_once(
    postgres_url: str,
) -> None:
    async def main() -> None:
        ours = [await Slot.take(postgres_url) for _ in range(3)]
        answering = await Slot.take(postgres_url, family=ANSWERING)
        numbers = [slot.number for slot in ours]
        try:
            assert len(set(numbers)) == 3 and holders(postgres_url) == sorted(numbers)
            assert holders(postgres_url, ANSWERING) == [answering.number]
            await asyncio.to_thread(cut, postgres_url)
            # Nobody looks after them here: they notice by themselves.
            await until_held(postgres_url, numbers)
            newcomer = await Slot.take(postgres_url)
            assert newcomer.number not in numbers, "a number is drawn, never one that was free for a moment"
            await newcomer.release()
        finally:
            for slot in (*ours, answering):
                await slot.release()
        assert holders(postgres_url) == []

    asyncio.run(main())


def test_nobody_counts_as_dead_at_the_first_look_or_while_the_server_has_just_started(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        looker, other = await Slot.take(postgres_url), await Slot.take(postgres_url)
        try:
            monkeypatch.setattr(slots, "FREE", 0.0)
            assert not await looker.left(other.number)
            number = other.number
            await other.release()
            await until_held(postgres_url, [looker.number])
            monkeypatch.setattr(slots, "FREE", 3600.0)
            assert not await looker.left(number), "free at one look is not enough"
            monkeypatch.setattr(slots, "FREE", 0.0)
            assert await looker.left(number)
            monkeypatch.setattr(slots, "SETTLED", 1e9)
            assert not await looker.settled()
            monkeypatch.setattr(slots, "SETTLED", 0.0)
            assert await looker.settled()
        finally:
            await looker.release()

    asyncio.run(main())


def test_a_server_that_only_says_it_locks_is_refused_at_the_start(postgres_url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE SCHEMA pretends")
        server.execute(
            "CREATE FUNCTION pretends.pg_try_advisory_lock(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
        )
        server.execute(f"ALTER DATABASE {name} SET search_path = pretends, pg_catalog, public")
    with pytest.raises(ConfigurationError, match="does not keep advisory locks"):
        asyncio.run(Slot.take(postgres_url))
