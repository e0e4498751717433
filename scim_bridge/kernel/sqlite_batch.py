"""Transaction bodies that wait for SQLite's writer: run without ever suspending, told together after one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar, cast

from scim_bridge.kernel.errors import StoreUnavailable

T = TypeVar("T")


def drive(body: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends; RuntimeError when it tries to wait for something else."""
    try:
        body.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    body.close()
    raise RuntimeError("a transaction body may await only its own statements")


def undone(why: object) -> StoreUnavailable:
    """What every caller of a batch is told when the database undid it."""
    if isinstance(why, StoreUnavailable):
        return why
    return StoreUnavailable("The database undid the transaction.")


class Job:
    """One body that waits, who waits for it, and what came of it."""

    __slots__ = ("body", "future", "loop", "outcome")

    def __init__(
        self,
        body: Callable[[Any], Awaitable[Any]],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
    ) -> None:
        self.body = body
        self.loop = loop
        self.future = future
        self.outcome: tuple[bool, Any] = (False, None)

    def deliver(self) -> None:
        """Hand the outcome to the waiting coroutine; on its own loop."""
        ok, value = self.outcome
        if self.future.cancelled():
            return
        if ok:
            self.future.set_result(value)
        else:
            self.future.set_exception(value)


def settle(batch: Iterable[Job]) -> None:
    """Hand every outcome to who waits for it, waking each loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        # A loop that is closed: its callers are gone, the commit stands.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver, jobs)


def _deliver(jobs: Iterable[Job]) -> None:
    for job in jobs:
        job.deliver()
