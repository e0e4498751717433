"""PostgreSQL through asyncpg: a pool of sessions, and again when somebody else was faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import asyncpg

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import StoreUnavailable, TooLong
from scim_bridge.kernel.postgres_errors import AGAIN, GONE, lost, reraise, standby
from scim_bridge.kernel.postgres_reads import PostgresReads, taken
from scim_bridge.kernel.postgres_session import IN_TRANSACTIONS, Pool, Session
from scim_bridge.kernel.postgres_transaction import PostgresReader, PostgresTx

T = TypeVar("T")

ATTEMPTS = 6
ASIDES = 2


class PostgresDatabase:
    """A pool of connections to one PostgreSQL database."""

    backend = "postgresql"

    def __init__(self, url: str, pool: Pool, patience: float) -> None:
        self.url = url
        self._pool = pool
        self._patience = patience
        self._reads = PostgresReads(pool, patience)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._asides = asyncio.Semaphore(ASIDES)

    @classmethod
    async def connect(cls, url: str, *, pool_size: int, patience: float) -> PostgresDatabase:
        """Open the pool; StoreUnavailable when the server does not answer. `patience`: seconds for a read."""
        pool = Pool(lambda: Session.connect(url, max(patience, IN_TRANSACTIONS)), pool_size)
        try:
            pool.give(await pool.take())
        except GONE as error:
            raise StoreUnavailable(
                f"The PostgreSQL server cannot be reached ({type(error).__name__})."
            ) from error
        return cls(url, pool, patience)

    @property
    def reads(self) -> Reader:
        """Single reads outside a transaction."""
        return self._reads

    async def transact(self, body: Callable[[Any], Awaitable[T]], *, about: str | None = None) -> T:
        """Run `body` in one READ COMMITTED transaction; again when somebody else was faster."""
        if about is None:
            return await self._attempts(body)
        # Who changes the same thing in this process waits here, where waiting holds no connection.
        lock = self._locks.get(about)
        if lock is None:
            self._locks[about] = lock = asyncio.Lock()
        async with lock:
            return await self._attempts(body)

    async def _attempts(self, body: Callable[[Any], Awaitable[T]]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(body, contended=attempt > 1)
            except AGAIN as error:
                if attempt == ATTEMPTS:
                    raise StoreUnavailable("The database was too busy with other writers.") from error
            except Exception as error:
                if attempt == 1 and standby(error):
                    # Of a server that was a standby until a moment ago, its sessions know nothing of that.
                    continue
                reraise(error)
        raise AssertionError("the loop above returns or raises")

    async def _attempt(self, body: Callable[[Any], Awaitable[T]], *, contended: bool) -> T:
        session = await taken(self._pool)
        sound = False
        try:
            tx = PostgresTx(session, contended=contended, patience=self._patience)
            try:
                result = await body(tx)
                await tx.commit()
            except Exception as error:
                if isinstance(error, asyncpg.InvalidCachedStatementError):
                    session.forget()
                if standby(error):
                    self._pool.distrust()
                # Whoever gave no answer gives none to a ROLLBACK either; cut off, the server undoes it itself.
                if not lost(error):
                    await tx.roll_back()
                    sound = True
                raise
            sound = True
            return result
        finally:
            self._pool.give(session, sound=sound)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresReader]:
        """A reader whose statements all see the same state."""
        async with self._snapshot() as session:
            yield PostgresReader(session)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Session]:
        session = await taken(self._pool)
        sound = False
        try:
            await session.say("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield session
            except Exception:
                await session.say("ROLLBACK")
                sound = True
                raise
            await session.say("ROLLBACK")
            sound = True
        except Exception as error:
            reraise(error)
        finally:
            self._pool.give(session, sound=sound)

    async def aside(self, body: Callable[[Any], Coroutine[Any, Any, T]], *, seconds: float) -> T:
        """Run a body that only reads but may take long; two at a time, so that sessions are left for others."""
        async with self._asides, self._snapshot() as session:
            await session.say(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
            try:
                async with asyncio.timeout(seconds):
                    return await body(PostgresReader(session))
            except (TimeoutError, asyncpg.QueryCanceledError) as error:
                raise TooLong from error

    async def ping(self) -> None:
        """Return when the server answers."""
        await self.reads.one("SELECT 1")

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()
