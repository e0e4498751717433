"""Executor slots on PostgreSQL: who is alive, and who takes over the jobs of the dead.

A process draws a number nobody else has and holds its advisory lock for as long as it lives; PostgreSQL frees
it when the process or its connection dies. DBOS's open part recovers only the jobs of the same executor id, so
a reaper (`reaping.py`) resumes those whose slot nobody holds.

A lock that is free does not prove a death: a server that restarts frees all of them, a cut connection frees
one, and whoever lived on holds it again within a moment. What is resumed too early is done twice. So a slot
counts as left only when it was free at two looks, and not before the server has been up for a while.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable

log = structlog.get_logger("scim_bridge.slots")

# Whoever performs effects; and processes that only answer.
FAMILY = 7264
ANSWERING = 7265
NUMBERS = 2**31
SECONDS = 5.0
# How often a process looks after its own slot and those of others.
EVERY = 2.0
# A slot that is found free is looked at again so many seconds later before its jobs are resumed.
FREE = 1.5
# So long after its start a server says nothing about who is dead: the living come back first.
SETTLED = 8.0
# How soon a slot that was lost is asked for again.
AGAIN = 0.25
HELD = (
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2"
    " AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Slot:
    """One executor's place among the replicas."""

    def __init__(self, url: str, connection: Any, number: int, family: int = FAMILY) -> None:
        self._url = url
        self._connection = connection
        self._family = family
        self._turn = asyncio.Lock()
        self._held = True
        self._released = False
        self._returning: asyncio.Task[None] | None = None
        # When a slot of somebody else was first found free.
        self._free: dict[int, float] = {}
        self.number = number
        self._watch()

    @property
    def executor(self) -> str:
        """The executor id DBOS knows this process by."""
        return f"slot-{self.number}"

    @classmethod
    async def take(cls, url: str, *, family: int = FAMILY) -> Slot:
        """Draw a number nobody holds; StoreUnavailable when the server is away.

        ConfigurationError when locks are not kept: replicas would then take the living for dead.
        Drawn, not counted: a number that was another's until a moment ago might be theirs again in the next.
        """
        try:
            connection = await asyncpg.connect(url, timeout=SECONDS, command_timeout=SECONDS)
            while True:
                number = secrets.randbelow(NUMBERS)
                if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", family, number):
                    break
            if await connection.fetchval(HELD, family, number) is None:
                await connection.close()
                raise ConfigurationError(
                    "database_url",
                    "this server does not keep advisory locks (CockroachDB, or a pooler between us)",
                    "Use PostgreSQL itself, or session pooling.",
                )
            return cls(url, connection, number, family)
        except GONE as error:
            raise StoreUnavailable("No executor slot could be taken in PostgreSQL.") from error

    async def release(self) -> None:
        """Free the slot; when the server is away, it has done so itself."""
        self._released = True
        if self._returning is not None:
            self._returning.cancel()
        try:
            await self._connection.close(timeout=SECONDS)
        except GONE:
            self._connection.terminate()

    async def keep(self) -> None:
        """The same as `hold`, as a duty: StoreUnavailable while the server is away."""
        try:
            await self.hold()
        except GONE as error:
            raise StoreUnavailable("The slot of this process cannot be held.") from error

    def _watch(self) -> None:
        """Come back at once when the connection is cut: others look every two seconds."""
        loop = asyncio.get_running_loop()

        def cut(_connection: Any) -> None:
            loop.call_soon_threadsafe(self._lost)

        self._connection.add_termination_listener(cut)

    def _lost(self) -> None:
        if not self._released and (self._returning is None or self._returning.done()):
            self._returning = asyncio.get_running_loop().create_task(self._return(), name="slot-return")

    async def _return(self) -> None:
        while not self._released:
            with suppress(*GONE):
                await self.hold()
                if self._held:
                    return
            await asyncio.sleep(AGAIN)

    async def hold(self) -> None:
        """Take the own slot again after the connection that held it was lost; one of GONE while it cannot be."""
        async with self._turn:
            if self._connection.is_closed():
                if self._held:
                    log.warning("jobs.slot_lost", action="jobs.slot_lost", slot=self.number)
                self._held = False
                self._connection = await asyncpg.connect(self._url, timeout=SECONDS, command_timeout=SECONDS)
                self._watch()
            elif self._held:
                # Asked here, for the job engine would wait for the server without end.
                await self._connection.fetchval("SELECT 1")
                return
            # Held by a look of somebody else, or by the own old session that the server has not missed yet.
            self._held = await self.tried(self.number)

    async def tried(self, number: int) -> bool:
        """Take a slot beside the own one; True when nobody holds it."""
        return bool(
            await self._connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", self._family, number)
        )

    async def let_go(self, number: int) -> None:
        """Give back a slot taken by `tried`."""
        await self._connection.fetchval("SELECT pg_advisory_unlock($1, $2)", self._family, number)

    async def settled(self) -> bool:
        """True when the server has been up for so long that the living have come back."""
        return bool(
            await self._connection.fetchval(
                "SELECT clock_timestamp() - pg_postmaster_start_time() >= make_interval(secs => $1)", SETTLED
            )
        )

    async def left(self, number: int) -> bool:
        """True when nobody holds a slot now, and nobody did so at a look a while ago."""
        if not await self._free_now(number):
            self._free.pop(number, None)
            return False
        return time.monotonic() - self._free.setdefault(number, time.monotonic()) >= FREE

    async def _free_now(self, number: int) -> bool:
        """Looked up, not tried: who tries holds it for a moment, in which its owner could not."""
        return await self._connection.fetchval(HELD, self._family, number) is None
