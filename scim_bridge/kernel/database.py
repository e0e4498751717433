"""One database port over two back ends: SQLite inside the process, PostgreSQL beside it.

Transaction bodies are written once, as coroutines over `Tx`. On PostgreSQL they await asyncpg on
the event loop; on SQLite the writer thread drives them, where no await ever suspends. So the hot
path pays for no ORM and no thread hop it does not need (docs/adr/0002-one-transaction-body.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.later import Later
from scim_bridge.kernel.rows import Insert
from scim_bridge.kernel.sql import Row

if TYPE_CHECKING:
    # Half a second to import: only what reads models or migrates pays for it.
    from sqlalchemy.sql import Select
    from sqlmodel import SQLModel

T = TypeVar("T")
M = TypeVar("M", bound="SQLModel")


class Reader(Protocol):
    """Statements that only read. Values are text, integers or bytes; placeholders are `?`."""

    backend: str

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        """Every row."""

    async def models(self, statement: Select[tuple[M]]) -> list[M]:
        """Rows of a SQLModel select as table objects (detached, read only)."""


class Tx(Reader, Protocol):
    """One open transaction. `for_update` is " FOR UPDATE" where rows can be locked, else empty.

    `contended`: the body runs again, because what it read was changed before it could write; this time
    it should lock what it is going to change.
    """

    writes: int
    for_update: str
    contended: bool

    async def run(self, sql: str, *values: Any) -> int:
        """Run a statement; the number of rows it touched."""

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows of values."""

    def later(
        self, sql: str, *values: Any, must: int = 0, taken: Callable[[], Exception] | None = None
    ) -> Later:
        """Keep a write of one table back; it is done before the next statement or with the commit.

        It must not read what another one that waits has written. `must`: it has to touch so many rows, else
        the body runs again, contended. `taken` makes the refusal when a unique value is in use; without it
        that is a UniqueViolation, here or from `Database.transact`.
        """

    def add_all(
        self, into: Insert, rows: Sequence[Sequence[Any]], *, taken: Callable[[], Exception] | None = None
    ) -> None:
        """The same for many new rows of one table at once."""


class Database(Protocol):
    """A database that is open."""

    backend: str
    url: str

    @property
    def reads(self) -> Reader:
        """Single reads outside a transaction."""

    async def transact(self, body: Callable[[Tx], Awaitable[T]], *, about: str | None = None) -> T:
        """Run `body` in one transaction and commit; roll back on any exception.

        The body may run again after a deadlock or when somebody else was faster, so it touches nothing
        but the transaction. `about` is the id of what it changes: in one process, bodies about the same
        thing run one after the other. StoreUnavailable when the database cannot be reached.
        """

    def snapshot(self) -> AbstractAsyncContextManager[Reader]:
        """A reader whose statements all see the same state."""

    async def aside(self, body: Callable[[Reader], Coroutine[Any, Any, T]], *, seconds: float) -> T:
        """Run a body that only reads but may take long where it keeps no other request waiting.

        All its statements see the same state; it awaits nothing else, and where the database is inside the
        process it runs in another thread. A few at a time, the others wait. TooLong when it is not done
        after so many seconds.
        """

    async def ping(self) -> None:
        """Return when the database answers; StoreUnavailable otherwise."""

    async def close(self) -> None:
        """Finish what is queued and close every connection."""


async def open_database(url: str, *, pool_size: int = 10, patience: float = 5.0) -> Database:
    """Open `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://...`.

    `patience`: after so many seconds a single read of a PostgreSQL server ends with StoreUnavailable.
    """
    if url.startswith("sqlite:///"):
        from scim_bridge.kernel.database_sqlite import SqliteDatabase

        return SqliteDatabase(url)
    if url.startswith(("postgresql://", "postgres://")):
        from scim_bridge.kernel.database_postgres import PostgresDatabase

        return await PostgresDatabase.connect(url, pool_size=pool_size, patience=patience)
    raise ConfigurationError(
        "database_url",
        f"{url.split(':', 1)[0]!r} is not a database this program knows",
        "Use sqlite:///path/to/file.db or postgresql://user:password@host/name.",
    )


__all__ = ["AsyncIterator", "Database", "Insert", "Later", "Reader", "Row", "Tx", "open_database"]
