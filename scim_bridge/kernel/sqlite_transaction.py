"""SQLite's statements: reads on one connection, and one savepoint of the writer's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scim_bridge.kernel.errors import Moved, StoreUnavailable, TooLong, UniqueViolation
from scim_bridge.kernel.later import Later, returns
from scim_bridge.kernel.rows import Insert
from scim_bridge.kernel.sql import compiled, writes

if TYPE_CHECKING:
    from sqlalchemy.sql import Select
    from sqlmodel import SQLModel

M = TypeVar("M", bound="SQLModel")


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
