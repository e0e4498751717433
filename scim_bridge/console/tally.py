"""What takes long to count, counted anew only as often as counting is cheap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from scim_bridge.console.listing import Counts, counts
from scim_bridge.console.quiet import quietly
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.sync.service import InStep, in_step

# Below this (seconds) counting costs nothing worth saving; above it, one part in twenty of the time.
CHEAP = 0.01
SHARE = 20.0
# Nobody is shown what is older (seconds) than this: it is counted while they wait.
OLDEST = 120.0

T = TypeVar("T")


class Remembered(Generic[T]):
    """Remembers what reads found: fresh where they are cheap, else a little old and counted anew behind the page."""

    def __init__(self, ctx: Context, body: Callable[[Reader], Coroutine[Any, Any, T]]) -> None:
        self._ctx = ctx
        self._body = body
        self._found: T | None = None
        self._counted = self._good_until = 0.0
        self._task: asyncio.Task[T] | None = None

    async def now(self) -> T:
        """What was found; StoreUnavailable when it cannot be read."""
        moment = time.monotonic()
        if self._found is None or moment - self._counted > max(
            OLDEST, 2 * (self._good_until - self._counted)
        ):
            return await self._count()
        if moment >= self._good_until:
            if self._good_until == self._counted:
                return await self._count()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._behind())
        return self._found

    async def _behind(self) -> T:
        # Whoever looks when it is too old is told of the trouble.
        with suppress(StoreUnavailable):
            return await self._count()
        assert self._found is not None
        return self._found

    async def _count(self) -> T:
        began = time.monotonic()
        self._found = await quietly(self._ctx, self._body)
        self._counted = time.monotonic()
        took = self._counted - began
        self._good_until = self._counted + (took * SHARE if took > CHEAP else 0.0)
        return self._found


class Tally(Remembered[Counts]):
    """The counts above the list: at 100,000 agents they are a few seconds old, else fresh."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, counts)


class Steps:
    """How many objects are kept in step at each connection: at 100,000 a few seconds old, else fresh."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[str, Remembered[InStep]] = {}

    async def now(self, connection_id: str) -> InStep:
        """The counts of one connection; StoreUnavailable when they cannot be read."""
        known = self._known.get(connection_id)
        if known is None:
            known = Remembered(self._ctx, lambda reader: in_step(reader, connection_id))
            self._known[connection_id] = known
        return await known.now()
