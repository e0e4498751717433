"""PostgreSQL through asyncpg: few round trips, and again when somebody else was faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from weakref import WeakValueDictionary

import asyncpg

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, Moved, StoreUnavailable, TooLong, UniqueViolation
from scim_bridge.kernel.later import Later, combined, returns, settle, target, together, values_of
from scim_bridge.kernel.postgres_session import ALONE, IN_TRANSACTIONS, PATIENCE, Pool, Session
from scim_bridge.kernel.rows import Insert, by_column
from scim_bridge.kernel.sql import compiled, looks, numbered, writes

if TYPE_CHECKING:
    from sqlalchemy.sql import Select
    from sqlmodel import SQLModel

T = TypeVar("T")
M = TypeVar("M", bound="SQLModel")

ATTEMPTS = 6
ASIDES = 2
_GONE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What the server said last before it cut an idle connection, met by the next statement.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # The database takes no connections (maintenance), has no room, or became a standby.
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
_CUT = (
    asyncpg.InternalClientError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
_AGAIN = (
    Moved,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)


def translate(error: Exception) -> Exception:
    """Name what PostgreSQL reported: a taken unique value, an unreachable store, or a bug of ours."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(error.constraint_name or "unknown")
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return Invalid("text-nul", "Text with a NUL character cannot be kept.", "Send it without.")
    if (
        isinstance(error, asyncpg.InterfaceError)
        and "closed" not in str(error)
        and "closing" not in str(error)
    ):
        return cast("Exception", error)
    if isinstance(error, _GONE):
        return StoreUnavailable("The PostgreSQL server cannot be reached, or takes nothing now.")
    return error


def _lost(error: Exception) -> bool:
    """True when a statement ended without an answer: its session is of no more use."""
    return isinstance(error, _GONE) or (isinstance(error, StoreUnavailable) and not isinstance(error, Moved))


def _standby(error: Exception) -> bool:
    """True when the server takes no writes, or this session of it."""
    return isinstance(error.__cause__ or error, asyncpg.ReadOnlySQLTransactionError)


def reraise(error: Exception) -> NoReturn:
    """Raise the translated error, or the error itself when there is nothing to translate."""
    named = translate(error)
    if named is error:
        raise error
    raise named from error


async def taken(pool: Pool) -> Session:
    """A session of the pool; StoreUnavailable when there is none."""
    try:
        return await pool.take()
    except Exception as error:
        reraise(error)


class PostgresReader:
    """Statements on one connection."""

    backend = "postgresql"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._patience: float | None = None

    async def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        try:
            return await self._session.one(numbered(sql), values, self._patience)
        except Exception as error:
            reraise(error)

    async def all(self, sql: str, *values: Any) -> Sequence[Any]:
        """Every row."""
        try:
            return await self._session.all(numbered(sql), values, self._patience)
        except Exception as error:
            reraise(error)

    async def models(self, statement: Select[tuple[M]]) -> list[M]:
        """Rows of a SQLModel select as table objects."""
        sql, values = compiled(statement, "postgresql")
        model = cast("type[M]", statement.column_descriptions[0]["entity"])
        return [model(**dict(row)) for row in await self._session.all(sql, values)]


class PostgresTx(PostgresReader):
    """A READ COMMITTED transaction that begins with the first statement that needs one.

    Until then each read stands alone, as it would inside; and when all that is to be written goes in one
    statement, that statement is the transaction.
    """

    for_update = " FOR UPDATE"

    def __init__(self, session: Session, *, contended: bool = False, patience: float = PATIENCE) -> None:
        super().__init__(session)
        self.contended = contended
        self.writes = 0
        self._begun = False
        # What is read before others can be waited for.
        self._patience = self._first = patience
        self._waiting: list[Later] = []

    async def _ready(self, sql: str) -> None:
        """What has to be done before this statement."""
        changes = writes(sql)
        self.writes += changes
        if self._waiting:
            await self._begin()
            await self._send()
        elif changes or not looks(sql):
            await self._begin()

    async def _begin(self) -> None:
        if not self._begun:
            # Nothing can keep it waiting but a server that stands still.
            await self._session.say("BEGIN", self._first)
            self._begun = True
            self._patience = None

    async def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        await self._ready(sql)
        return await super().one(sql, *values)

    async def all(self, sql: str, *values: Any) -> Sequence[Any]:
        """Every row."""
        await self._ready(sql)
        return await super().all(sql, *values)

    async def models(self, statement: Select[tuple[M]]) -> list[M]:
        """Rows of a SQLModel select as table objects."""
        await self._ready("SELECT")
        return await super().models(statement)

    async def run(self, sql: str, *values: Any) -> int:
        """Run a statement; the number of rows it touched."""
        await self._ready(sql)
        try:
            return await self._session.run(numbered(sql), values)
        except Exception as error:
            reraise(error)

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows of values."""
        await self._ready(sql)
        try:
            await self._session.many(numbered(sql), rows)
        except Exception as error:
            reraise(error)

    def later(
        self, sql: str, *values: Any, must: int = 0, taken: Callable[[], Exception] | None = None
    ) -> Later:
        """Keep a write back until the next statement or the commit."""
        self.writes += 1
        write = Later(sql, values, must, taken)
        self._waiting.append(write)
        return write

    def add_all(
        self, into: Insert, rows: Sequence[Sequence[Any]], *, taken: Callable[[], Exception] | None = None
    ) -> None:
        """Keep many new rows of one table back until the next statement or the commit."""
        if rows:
            self.later(into.arrays, *by_column(rows), taken=taken)

    async def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for run in together(waiting):
            await self._send_run(run)

    async def _send_run(self, run: list[Later]) -> None:
        seconds = None if self._begun else max(ALONE, self._first)
        try:
            if len(run) == 1 and not run[0].must and not returns(run[0].sql):
                await self._session.run(numbered(run[0].sql), run[0].values, seconds)
                return
            sql = numbered(combined(tuple(write.shape for write in run)))
            settle(run, await self._session.one(sql, values_of(run), seconds))
        except asyncpg.DivisionByZeroError as error:
            raise Moved from error
        except asyncpg.UniqueViolationError as error:
            refusal = next((w.taken for w in run if w.taken and target(w.sql)[0] == error.table_name), None)
            if refusal is None:
                reraise(error)
            raise refusal() from error
        except Exception as error:
            reraise(error)

    async def commit(self) -> None:
        """Send what waits, and commit."""
        if not self._begun and len(together(self._waiting)) > 1:
            await self._begin()
        await self._send()
        if self._begun:
            await self._session.say("COMMIT")

    async def roll_back(self) -> None:
        """Undo what was sent."""
        if self._begun:
            await self._session.say("ROLLBACK")


class PostgresReads:
    """Single reads, each on whatever connection is free, and each within so many seconds."""

    backend = "postgresql"

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        return await self._read(Session.one, numbered(sql), values)

    async def all(self, sql: str, *values: Any) -> Sequence[Any]:
        """Every row."""
        return cast("Sequence[Any]", await self._read(Session.all, numbered(sql), values))

    async def models(self, statement: Select[tuple[M]]) -> list[M]:
        """Rows of a SQLModel select as table objects."""
        sql, values = compiled(statement, "postgresql")
        model = cast("type[M]", statement.column_descriptions[0]["entity"])
        return [model(**dict(row)) for row in await self._read(Session.all, sql, values)]

    async def _read(
        self,
        ask: Callable[[Session, str, Sequence[Any], float], Awaitable[T]],
        sql: str,
        values: Sequence[Any],
    ) -> T:
        try:
            return await self._asked(ask, sql, values)
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, _CUT):
                raise
        # A connection that had been cut while it was idle says nothing about the server.
        return await self._asked(ask, sql, values)

    async def _asked(
        self,
        ask: Callable[[Session, str, Sequence[Any], float], Awaitable[T]],
        sql: str,
        values: Sequence[Any],
    ) -> T:
        session = await taken(self._pool)
        try:
            try:
                found = await ask(session, sql, values, self._seconds)
            except asyncpg.InvalidCachedStatementError:
                session.forget()
                found = await ask(session, sql, values, self._seconds)
        except Exception as error:
            self._pool.give(session, sound=isinstance(error, asyncpg.PostgresError))
            reraise(error)
        except BaseException:
            self._pool.give(session, sound=False)
            raise
        self._pool.give(session)
        return found


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
        except _GONE as error:
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
            except _AGAIN as error:
                if attempt == ATTEMPTS:
                    raise StoreUnavailable("The database was too busy with other writers.") from error
            except Exception as error:
                if attempt == 1 and _standby(error):
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
                if _standby(error):
                    self._pool.distrust()
                # Whoever gave no answer gives none to a ROLLBACK either; cut off, the server undoes it itself.
                if not _lost(error):
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
