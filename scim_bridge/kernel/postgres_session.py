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
# With the sign of life before it, five seconds.
OPENING = 3.0
PATIENCE = 5.0
# A write may wait for other writers, longer in the midst of a transaction than when it is all of it.
ALONE = 10.0
IN_TRANSACTIONS = 20.0
# A session that was idle so long is asked for a sign of life before it is lent: a server that stands still,
# or a firewall that forgot the connection, keeps the first caller waiting otherwise.
FRESH = 1.0
SIGN_OF_LIFE = 2.0
# Combined writes look expensive to the planner; compiling them would take longer than running them.
SETTINGS = {"application_name": "scim-bridge", "jit": "off"}


class Session:
    """One connection and the statements prepared on it."""

    __slots__ = ("_made", "_prepared", "raw", "returned")

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.returned = 0.0
        self._made = 0
        self._prepared: OrderedDict[str, Any] = OrderedDict()

    @classmethod
    async def connect(cls, url: str, seconds: float) -> Session:
        """Open a connection whose statements may take so many seconds; asyncpg's errors when that fails."""
        return cls(
            await asyncpg.connect(
                url,
                timeout=OPENING,
                command_timeout=seconds,
                statement_cache_size=0,
                server_settings=SETTINGS,
            )
        )

    async def _statement(self, sql: str, seconds: float | None = None) -> Any:
        known = self._prepared.get(sql)
        if known is not None:
            self._prepared.move_to_end(sql)
            return known
        self._made += 1
        made = await self.raw.prepare(sql, name=f"sb_{self._made}", timeout=seconds)
        self._prepared[sql] = made
        if len(self._prepared) > PREPARED:
            self._prepared.popitem(last=False)
        return made

    async def all(self, sql: str, values: Sequence[Any], seconds: float | None = None) -> Sequence[Any]:
        """Every row a statement gives; TimeoutError when it takes longer than so many seconds, if given."""
        statement = await self._statement(sql, seconds)
        return cast("Sequence[Any]", await statement.fetch(*values, timeout=seconds))

    async def one(self, sql: str, values: Sequence[Any], seconds: float | None = None) -> Any:
        """The first row a statement gives, or None; TimeoutError as above."""
        return await (await self._statement(sql, seconds)).fetchrow(*values, timeout=seconds)

    async def run(self, sql: str, values: Sequence[Any], seconds: float | None = None) -> int:
        """Run a statement; the number of rows it touched. TimeoutError as above."""
        statement = await self._statement(sql, seconds)
        await statement.fetch(*values, timeout=seconds)
        count = str(statement.get_statusmsg()).rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many rows of values, all in one transaction."""
        await (await self._statement(sql)).executemany(rows)

    async def say(self, command: str, seconds: float | None = None) -> None:
        """BEGIN, COMMIT and the like."""
        await self.raw.execute(command, timeout=seconds)

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
        self._size = size
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
        end = asyncio.get_running_loop().time() + WAIT
        while True:
            try:
                while self._idle:
                    session = self._idle.pop()
                    if not session.raw.is_closed() and await self._answers(session):
                        return session
                return await self._opened()
            except asyncpg.TooManyConnectionsError:
                self._free += 1
                if self._free >= self._size or asyncio.get_running_loop().time() >= end:
                    raise
                # The server has no room for one more, and those that are lent come back soon.
                await self._turn()
            except BaseException:
                self._pass_on()
                raise

    async def _answers(self, session: Session) -> bool:
        """True when a session was used a moment ago, or gives a sign of life now.

        When it does not in time, the others that are as idle will not either: all are cut off.
        """
        if asyncio.get_running_loop().time() - session.returned < FRESH:
            return True
        try:
            await session.say("SELECT 1", SIGN_OF_LIFE)
        except TimeoutError:
            for silent in (session, *self._idle):
                silent.raw.terminate()
            self._idle.clear()
            return False
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            session.raw.terminate()
            return False
        except BaseException:
            session.raw.terminate()
            raise
        return True

    def give(self, session: Session, *, sound: bool = True) -> None:
        """Take a session back; one that is not `sound` (an answer may be outstanding) is cut off."""
        if not sound or self._closed:
            session.raw.terminate()
        elif not session.raw.is_closed():
            session.returned = asyncio.get_running_loop().time()
            self._idle.append(session)
        self._pass_on()

    def distrust(self) -> None:
        """Cut off what is idle: the server is another one now (a standby), and so will their next answer be."""
        while self._idle:
            self._idle.pop().raw.terminate()

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
