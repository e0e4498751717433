"""SQLite: one writer thread with group commit, reads inline on the event loop."""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable
from scim_bridge.kernel.sqlite_batch import Job, drive, settle, undone
from scim_bridge.kernel.sqlite_transaction import SqliteReader, SqliteTx, translate

if TYPE_CHECKING:
    from scim_bridge.kernel.aside import Aside

T = TypeVar("T")

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
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
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
        job = Job(body, loop, loop.create_future())
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

    def _commit(self, connection: sqlite3.Connection, batch: list[Job]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._attempt(connection, job)
                if not connection.in_transaction:
                    # A full disk makes SQLite undo all of it by itself. What came now would commit alone, untold.
                    raise undone(job.outcome[1])
            # Two microseconds a batch: nothing is answered as done that went into a file nobody finds again.
            self._same()
            connection.execute("COMMIT")
        except (sqlite3.Error, StoreUnavailable) as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in batch:
                job.outcome = (False, translate(error) if isinstance(error, sqlite3.Error) else error)
        settle(batch)

    def _attempt(self, connection: sqlite3.Connection, job: Job) -> None:
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
