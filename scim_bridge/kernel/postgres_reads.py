"""Single reads on whatever connection to PostgreSQL is free."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg

from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.postgres_errors import CUT, reraise
from scim_bridge.kernel.postgres_session import Pool, Session
from scim_bridge.kernel.sql import compiled, numbered

if TYPE_CHECKING:
    from sqlalchemy.sql import Select
    from sqlmodel import SQLModel

T = TypeVar("T")
M = TypeVar("M", bound="SQLModel")


async def taken(pool: Pool) -> Session:
    """A session of the pool; StoreUnavailable when there is none."""
    try:
        return await pool.take()
    except Exception as error:
        reraise(error)


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
            if not isinstance(error.__cause__, CUT):
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
