"""A PostgreSQL transaction in few round trips: writes wait for each other, and are sent in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg

from scim_bridge.kernel.errors import Moved
from scim_bridge.kernel.later import Later, combined, returns, settle, target, together, values_of
from scim_bridge.kernel.postgres_errors import reraise
from scim_bridge.kernel.postgres_session import ALONE, PATIENCE, Session
from scim_bridge.kernel.rows import Insert, by_column
from scim_bridge.kernel.sql import compiled, looks, numbered, writes

if TYPE_CHECKING:
    from sqlalchemy.sql import Select
    from sqlmodel import SQLModel


M = TypeVar("M", bound="SQLModel")


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
