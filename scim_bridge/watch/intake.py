"""Taking activity in: many callers, one transaction for all of them, and a plain no when it is too much.

An event is acknowledged when it is committed, never before. Callers that come faster than the database
writes are told to come later (429): what they keep is not lost, what we kept in memory would be.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.throttle import TooManyRequests
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.watch.activity_store import Sighting, write

log = structlog.get_logger("scim_bridge.watch")

# A transaction of so many events takes 20 ms: others who write wait no longer behind it.
BATCH = 1_000
# Waiting in memory, two to four seconds' worth.
MOST = 20_000
# What a first guess of a second's worth is, before anything was measured.
PACE = 5_000.0


@dataclass(frozen=True, slots=True)
class Taken:
    """How many events were new, and how many had come before."""

    accepted: int
    duplicates: int


class Intake:
    """Writes the activity that one process receives."""

    def __init__(self, store: Store, *, most: int = MOST) -> None:
        self._store = store
        self._most = most
        self._waiting: deque[tuple[Sequence[Sighting], asyncio.Future[int] | None]] = deque()
        self._events = 0
        self._pace = PACE
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    async def take(self, seen: Sequence[Sighting]) -> Taken:
        """Return when every event is committed. TooManyRequests when too many wait: nothing of this call was
        taken. StoreUnavailable when the database is away: parts may be committed, so send all of it again."""
        if not seen:
            return Taken(0, 0)
        if self._events and self._events + len(seen) > self._most:
            raise TooManyRequests(
                "activity-behind",
                f"{self._events} events wait to be written.",
                "Send the same again later; nothing of it was taken.",
                retry_after=max(1, min(60, round(self._events / self._pace))),
            )
        loop = asyncio.get_running_loop()
        parts: list[asyncio.Future[int]] = []
        for start in range(0, len(seen), BATCH):
            done: asyncio.Future[int] = loop.create_future()
            self._put(seen[start : start + BATCH], done)
            parts.append(done)
        counts = await asyncio.gather(*parts, return_exceptions=True)
        for found in counts:
            if isinstance(found, BaseException):
                raise found
        accepted = sum(found for found in counts if isinstance(found, int))
        return Taken(accepted, len(seen) - accepted)

    def count(self, seen: Sequence[Sighting]) -> None:
        """Count what is kept elsewhere, soon; what comes while too much waits is not counted."""
        if self._events + len(seen) > self._most:
            self.lost += len(seen)
            return
        self._put(seen, None)

    def _put(self, seen: Sequence[Sighting], done: asyncio.Future[int] | None) -> None:
        self._waiting.append((seen, done))
        self._events += len(seen)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def drained(self) -> None:
        """Return when everything that waited is written, or cannot be."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            size = len(batch[0][0])
            while self._waiting and size + len(self._waiting[0][0]) <= BATCH:
                batch.append(self._waiting.popleft())
                size += len(batch[-1][0])
            try:
                await self._write(batch, size)
            finally:
                self._events -= size

    async def _write(self, batch: Sequence[tuple[Sequence[Sighting], Any]], size: int) -> None:
        seen = [one for part, _ in batch for one in part]
        started = asyncio.get_running_loop().time()

        async def body(work: Work) -> set[str]:
            work.bookkeeping("activity changes nothing and is a log of its own")
            return await write(work.tx, seen, work.now)

        try:
            fresh = await self._store.transact(SYSTEM, body)
        except Exception as error:
            self._failed(batch, error)
            return
        took = asyncio.get_running_loop().time() - started
        self._pace += 0.2 * (size / max(took, 0.001) - self._pace)
        for part, done in batch:
            # Of two callers with the same event the first has it accepted, the other as a duplicate.
            keys = {one.event.key for one in part} & fresh
            fresh -= keys
            if done is not None and not done.done():
                done.set_result(len(keys))

    def _failed(self, batch: Sequence[tuple[Sequence[Sighting], Any]], error: Exception) -> None:
        if not isinstance(error, StoreUnavailable):
            log.exception("activity.unwritten", action="activity.unwritten")
        for part, done in batch:
            if done is None:
                self.lost += len(part)
            elif not done.done():
                done.set_exception(error)
