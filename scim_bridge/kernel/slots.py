"""Executor slots on PostgreSQL: who is alive, and who takes over the jobs of the dead.

A process holds one advisory lock for as long as it lives; PostgreSQL frees it when the process or
its connection dies. DBOS's open part recovers only the jobs of the same executor id, so a reaper
(`engine.py`) resumes those whose slot nobody holds.
"""

from __future__ import annotations

from typing import Any

import asyncpg
import structlog

from scim_bridge.kernel.errors import StoreUnavailable

log = structlog.get_logger("scim_bridge.slots")

FAMILY = 7264
SLOTS = 256
SECONDS = 5.0
GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Slot:
    """One executor's place among the replicas."""

    def __init__(self, url: str, connection: Any, number: int) -> None:
        self._url = url
        self._connection = connection
        self.number = number

    @property
    def executor(self) -> str:
        """The executor id DBOS knows this process by."""
        return f"slot-{self.number}"

    @classmethod
    async def take(cls, url: str) -> Slot:
        """Take the first free slot; StoreUnavailable when the server is away or every slot is held."""
        try:
            connection = await asyncpg.connect(url, timeout=SECONDS, command_timeout=SECONDS)
            for number in range(SLOTS):
                if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", FAMILY, number):
                    return cls(url, connection, number)
            await connection.close()
        except GONE as error:
            raise StoreUnavailable("No executor slot could be taken in PostgreSQL.") from error
        raise StoreUnavailable(f"All {SLOTS} executor slots are in use.")

    async def release(self) -> None:
        """Free the slot; when the server is away, it has done so itself."""
        try:
            await self._connection.close(timeout=SECONDS)
        except GONE:
            self._connection.terminate()

    async def hold(self) -> None:
        """Take the own slot again after the connection that held it was lost; one of GONE while it cannot be."""
        if not self._connection.is_closed():
            # Asked here, for the job engine would wait for the server without end.
            await self._connection.fetchval("SELECT 1")
            return
        self._connection = await asyncpg.connect(self._url, timeout=SECONDS, command_timeout=SECONDS)
        if not await self.tried(self.number):
            # Somebody new has the number: what it resumes is done once all the same, by the effect's id.
            log.warning("jobs.slot_lost", action="jobs.slot_lost", slot=self.number)

    async def tried(self, number: int) -> bool:
        """Take a slot beside the own one; True when its process no longer lives."""
        return bool(await self._connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", FAMILY, number))

    async def let_go(self, number: int) -> None:
        """Give back a slot taken by `tried`."""
        await self._connection.fetchval("SELECT pg_advisory_unlock($1, $2)", FAMILY, number)
