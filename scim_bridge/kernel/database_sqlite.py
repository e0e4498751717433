"""SQLite: one writer thread with group commit, reads inline on the event loop."""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import ConfigurationError, Moved, StoreUnavailable, TooLong, UniqueViolation
from scim_bridge.kernel.later import Later, returns
from scim_bridge.kernel.rows import Insert
from scim_bridge.kernel.sql import compiled, writes

if TYPE_CHECKING:
    from sqlalchemy.sql import Select
    from sqlmodel import SQLModel

    from scim_bridge.kernel.aside import Aside

T = TypeVar("T")
M = TypeVar("M", bound="SQLModel")

# SQLite's own two megabytes do not hold the inner pages of a million agents' indexes: each GET then reads a
# dozen pages anew, and takes three times as long as with sixteen. Only what is touched is ever taken.
CACHE_KIB = 2_000
READ_CACHE_KIB = 16_000
WRITE_CACHE_KIB = 8_000
BUSY_SECONDS = 5.0
BATCH = 64
# A commit is on the disk when it is told: it survives a power cut, not only the end of the process.
SYNCHRONOUS = "FULL"


def path_of(url: str) -> Path:
    """The file a SQLite URL names; ConfigurationError for a memory database."""
    text = url.removeprefix("sqlite:///")
    if text in ("", ":memory:"):
        raise ConfigurationError("database_url", "needs a file", "Use sqlite:///scim-bridge.db.")
    return Path(text)


def translate(error: sqlite3.Error) -> Exception:
    """Name what SQLite reported: a taken unique value, an unreachable store, or a bug of ours."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and text.startswith("UNIQUE constraint failed: "):
        return UniqueViolation(text.removeprefix("UNIQUE constraint failed: "))
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return error
    if "syntax error" in text or "no such" in text:
        return error
    if text == "interrupted":
        return TooLong()
    return StoreUnavailable(f"The database file cannot be used now ({text}).")


class SqliteReader:
    """Reads on one connection; nothing here ever suspends."""

    backend = "sqlite"

    def __init__(self, connection: sqlite3.Connection, check: Callable[[], None] | None = None) -> None:
        self._connection = connection
        self._check = check

    def _execute(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        if self._check is not None:
            self._check()
        try:
            return self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise translate(error) from error

    async def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        return self._execute(sql, values).fetchone()

    async def all(self, sql: str, *values: Any) -> Sequence[Any]:
        """Every row."""
        return self._execute(sql, values).fetchall()

    async def models(self, statement: Select[tuple[M]]) -> list[M]:
        """Rows of a SQLModel select as table objects."""
        sql, values = compiled(statement, "sqlite")
        model = cast("type[M]", statement.column_descriptions[0]["entity"])
        return [model(**dict(row)) for row in self._execute(sql, values).fetchall()]


class SqliteTx(SqliteReader):
    """One savepoint on the writer's connection."""

    for_update = ""
    # Nobody else writes while this transaction is open.
    contended = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.writes = 0

    def _execute(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        self.writes += writes(sql)
        return super()._execute(sql, values)

    async def run(self, sql: str, *values: Any) -> int:
        """Run a statement; the number of rows it touched."""
        return self._execute(sql, values).rowcount

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows of values."""
        self.writes += 1
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise translate(error) from error

    def later(
        self, sql: str, *values: Any, must: int = 0, taken: Callable[[], Exception] | None = None
    ) -> Later:
        """Run a write at once: here nothing is saved by waiting."""
        write = Later(sql, values, must, taken)
        try:
            cursor = self._execute(sql, values)
            if returns(sql):
                row = cursor.fetchone()
                write.value = None if row is None else row[0]
                touched = int(row is not None)
            else:
                touched = cursor.rowcount
        except UniqueViolation as error:
            if taken is None:
                raise
            raise taken() from error
        if touched < must:
            raise Moved
        return write

    def add_all(
        self, into: Insert, rows: Sequence[Sequence[Any]], *, taken: Callable[[], Exception] | None = None
    ) -> None:
        """Add many rows at once."""
        self.writes += 1
        try:
            self._connection.executemany(into.single, rows)
        except sqlite3.Error as error:
            named = translate(error)
            if taken is not None and isinstance(named, UniqueViolation):
                named = taken()
            raise named from error


def drive(body: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends; RuntimeError when it tries to wait for something else."""
    try:
        body.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    body.close()
    raise RuntimeError("a transaction body may await only its own statements")


def _undone(why: object) -> StoreUnavailable:
    """What every caller of a batch is told when the database undid it."""
    if isinstance(why, StoreUnavailable):
        return why
    return StoreUnavailable("The database undid the transaction.")


class _Job:
    __slots__ = ("body", "future", "loop", "outcome")

    def __init__(
        self,
        body: Callable[[Any], Awaitable[Any]],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
    ) -> None:
        self.body = body
        self.loop = loop
        self.future = future
        self.outcome: tuple[bool, Any] = (False, None)

    def deliver(self) -> None:
        """Hand the outcome to the waiting coroutine; on its own loop."""
        ok, value = self.outcome
        if self.future.cancelled():
            return
        if ok:
            self.future.set_result(value)
        else:
            self.future.set_exception(value)


def settle(batch: Iterable[_Job]) -> None:
    """Hand every outcome to who waits for it, waking each loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        # A loop that is closed: its callers are gone, the commit stands.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver, jobs)


def _deliver(jobs: Iterable[_Job]) -> None:
    for job in jobs:
        job.deliver()


class SqliteDatabase:
    """An open SQLite file."""

    backend = "sqlite"

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = path_of(url)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._read = self._connect(READ_CACHE_KIB)
        # Opened here: what goes wrong is told to who opens, not to a thread nobody hears.
        self._write = self._connect(WRITE_CACHE_KIB)
        self._inode = self._stat()
        self._checked = 0.0
        self._reads = SqliteReader(self._read, self._present)
        self._spare: list[sqlite3.Connection] = []
        self._aside: Aside | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._writer, name="sqlite-writer", daemon=True)
        self._thread.start()

    def _connect(self, cache_kib: int = CACHE_KIB) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
            )
            connection.row_factory = sqlite3.Row
            durability = f"synchronous={SYNCHRONOUS}"
            cache = f"cache_size=-{cache_kib}"
            for pragma in ("journal_mode=WAL", durability, "foreign_keys=ON", "temp_store=MEMORY", cache):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The database file {self.path} cannot be opened ({error}).") from error
        return connection

    def _stat(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def _present(self) -> None:
        """Refuse to answer from a file that was deleted or replaced under us (looked at each second)."""
        now = time.monotonic()
        if now - self._checked < 1.0:
            return
        self._same()
        self._checked = now

    def _same(self) -> None:
        try:
            same = self._stat() == self._inode
        except OSError:
            same = False
        if not same:
            raise StoreUnavailable(f"The database file {self.path} is gone or was replaced.")

    @property
    def reads(self) -> Reader:
        """Single reads outside a transaction."""
        return self._reads

    async def transact(self, body: Callable[[Any], Awaitable[T]], *, about: str | None = None) -> T:
        """Queue `body` for the writer thread and wait for its commit."""
        if self._closed:
            raise StoreUnavailable("The database is closed.")
        self._present()
        loop = asyncio.get_running_loop()
        job = _Job(body, loop, loop.create_future())
        self._jobs.put(job)
        return cast("T", await job.future)

    def _writer(self) -> None:
        connection = self._write
        while True:
            job = self._jobs.get()
            if job is None:
                break
            batch = [job]
            last = False
            while len(batch) < BATCH:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._commit(connection, batch)
            if last:
                break
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Job]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._attempt(connection, job)
                if not connection.in_transaction:
                    # A full disk makes SQLite undo all of it by itself. What came now would commit alone, untold.
                    raise _undone(job.outcome[1])
            # Two microseconds a batch: nothing is answered as done that went into a file nobody finds again.
            self._same()
            connection.execute("COMMIT")
        except (sqlite3.Error, StoreUnavailable) as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in batch:
                job.outcome = (False, translate(error) if isinstance(error, sqlite3.Error) else error)
        settle(batch)

    def _attempt(self, connection: sqlite3.Connection, job: _Job) -> None:
        connection.execute("SAVEPOINT request")
        try:
            job.outcome = (True, drive(cast("Coroutine[Any, Any, Any]", job.body(SqliteTx(connection)))))
            connection.execute("RELEASE request")
        except BaseException as error:
            # Every failure belongs to its caller: one bad request must not fail its batch.
            if connection.in_transaction:
                connection.execute("ROLLBACK TO request")
                connection.execute("RELEASE request")
            job.outcome = (False, error)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteReader]:
        """A reader whose statements all see the same state."""
        self._present()
        connection = self._spare.pop() if self._spare else self._connect()
        connection.execute("BEGIN")
        try:
            yield SqliteReader(connection)
        finally:
            connection.execute("ROLLBACK")
            self._spare.append(connection)

    async def aside(self, body: Callable[[Any], Coroutine[Any, Any, T]], *, seconds: float) -> T:
        """Run a body that only reads but may take long in another thread."""
        self._present()
        if self._aside is None:
            from scim_bridge.kernel.aside import Aside

            self._aside = Aside(self._connect)
        return await self._aside.run(body, seconds)

    async def ping(self) -> None:
        """Return when the file can be read."""
        self._checked = 0.0
        await self.reads.one("SELECT 1")

    async def close(self) -> None:
        """Finish queued transactions and close every connection."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._aside is not None:
            await self._aside.close()
        for connection in (self._read, *self._spare):
            connection.close()
