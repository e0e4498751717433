"""Connections to PostgreSQL: each with its prepared statements, lent one at a time.

asyncpg's own pool adds 60 µs to each loan and its own statement cache 40 µs to each statement,
together more than a point read takes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, cast

import asyncpg

from scim_bridge.kernel.errors import StoreUnavailable

# A statement that is prepared costs the server some 20 kB on each connection.
PREPARED = 400
WAIT = 5.0
# Combined writes look expensive to the planner; compiling them would take longer than running them.
SETTINGS = {"application_name": "scim-bridge", "jit": "off"}


class Session:
    """One connection and the statements prepared on it."""

    __slots__ = ("_made", "_prepared", "raw")

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self._made = 0
        self._prepared: OrderedDict[str, Any] = OrderedDict()

    @classmethod
    async def connect(cls, url: str) -> Session:
        """Open a connection; asyncpg's errors when that fails."""
        return cls(
            await asyncpg.connect(
                url, timeout=5, command_timeout=60, statement_cache_size=0, server_settings=SETTINGS
            )
        )

    async def _statement(self, sql: str) -> Any:
        known = self._prepared.get(sql)
        if known is not None:
            self._prepared.move_to_end(sql)
            return known
        self._made += 1
        made = await self.raw.prepare(sql, name=f"sb_{self._made}")
        self._prepared[sql] = made
        if len(self._prepared) > PREPARED:
            self._prepared.popitem(last=False)
        return made

    async def all(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """Every row a statement gives."""
        return cast("Sequence[Any]", await (await self._statement(sql)).fetch(*values))

    async def one(self, sql: str, values: Sequence[Any]) -> Any:
        """The first row a statement gives, or None."""
        return await (await self._statement(sql)).fetchrow(*values)

    async def run(self, sql: str, values: Sequence[Any]) -> int:
        """Run a statement; the number of rows it touched."""
        statement = await self._statement(sql)
        await statement.fetch(*values)
        count = str(statement.get_statusmsg()).rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many rows of values, all in one transaction."""
        await (await self._statement(sql)).executemany(rows)

    async def say(self, command: str) -> None:
        """BEGIN, COMMIT and the like."""
        await self.raw.execute(command)

    def forget(self) -> None:
        """Prepare everything anew: a migration has changed the tables."""
        self._prepared.clear()


_numbers = iter(range(1, 2**62))


def _number() -> int:
    return next(_numbers)


class Pool:
    """At most `size` sessions, opened when needed; the one used last is lent first."""

    def __init__(self, opened: Callable[[], Coroutine[Any, Any, Session]], size: int) -> None:
        self._opened = opened
        self._free = size
        self._idle: list[Session] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def take(self) -> Session:
        """A session for the caller alone; StoreUnavailable when none is free for five seconds."""
        if self._closed:
            raise StoreUnavailable("The database is closed.")
        if self._free:
            self._free -= 1
        else:
            await self._turn()
        try:
            while self._idle:
                session = self._idle.pop()
                if not session.raw.is_closed():
                    return session
            return await self._opened()
        except BaseException:
            self._pass_on()
            raise

    def give(self, session: Session, *, sound: bool = True) -> None:
        """Take a session back; one that is not `sound` (an answer may be outstanding) is cut off."""
        if not sound or self._closed:
            session.raw.terminate()
        elif not session.raw.is_closed():
            self._idle.append(session)
        self._pass_on()

    async def _turn(self) -> None:
        """Wait until somebody passes a place on to this caller."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # The place came in the moment in which the caller gave up.
                self._pass_on()
            if isinstance(error, TimeoutError):
                raise StoreUnavailable("No connection to the database was free for five seconds.") from error
            raise

    def _pass_on(self) -> None:
        """Give a place to who waits longest, or keep it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def close(self) -> None:
        """Close what is idle; what is lent is cut off when it comes back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().raw.close(timeout=5)
