"""Long reads on SQLite: in a few threads beside the event loop, each on a state of its own, within a time."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from scim_bridge.kernel.errors import TooLong
from scim_bridge.kernel.sqlite_batch import drive
from scim_bridge.kernel.sqlite_transaction import SqliteReader, translate

T = TypeVar("T")

THREADS = 2
# The database looks at the clock after so many of its own steps: every few milliseconds.
STEPS = 20_000
# Python runs one thread at a time; the event loop, if it waits, gets its turn before each statement.
TURN = 0.0001


class _LongReader(SqliteReader):
    """Statements in a thread that is not the event loop's."""

    def __init__(self, connection: sqlite3.Connection, until: float) -> None:
        super().__init__(connection)
        self._until = until

    def _execute(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        time.sleep(TURN)
        if time.monotonic() > self._until:
            raise TooLong
        return super()._execute(sql, values)

    async def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        cursor = self._execute(sql, values)
        return self._fetched(cursor.fetchone)

    async def all(self, sql: str, *values: Any) -> Sequence[Any]:
        """Every row."""
        cursor = self._execute(sql, values)
        return cast("Sequence[Any]", self._fetched(cursor.fetchall))

    def _fetched(self, fetch: Callable[[], Any]) -> Any:
        try:
            return fetch()
        except sqlite3.Error as error:
            raise translate(error) from error


class Aside:
    """The threads, and the connections they read on."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._idle: list[sqlite3.Connection] = []
        self._threads: ThreadPoolExecutor | None = None

    async def run(self, body: Callable[[SqliteReader], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Run a body that only reads; TooLong when that takes more than so many seconds of its own."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sqlite-aside")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, body, seconds)

    def _read(self, body: Callable[[SqliteReader], Coroutine[Any, Any, T]], seconds: float) -> T:
        connection = self._idle.pop() if self._idle else self._connect()
        until = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
        try:
            connection.execute("BEGIN")
            return drive(body(_LongReader(connection, until)))
        finally:
            connection.set_progress_handler(None, 0)
            connection.execute("ROLLBACK")
            self._idle.append(connection)

    async def close(self) -> None:
        """Wait for what is being read, and close every connection."""
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
        for connection in self._idle:
            connection.close()
