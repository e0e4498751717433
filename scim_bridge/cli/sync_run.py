"""Seeing a run through: a server's worker does it, or this process where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from scim_bridge.app import Bridge, effects_of
from scim_bridge.cli.output import Format
from scim_bridge.cli.session import actor
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import derived_id
from scim_bridge.kernel.worker import sole_worker
from scim_bridge.sync.run import RUNNING, SYNC_CHANGE, Run, cancel_run, run

LOOK = 0.2
# How often a waiting command looks whether the worker it waits for is still there.
RECHECK = 2.0
PART = 500
CANCELLED = "cancelled from the command line"


class Telling:
    """What a command says while it works: a bar on a terminal, events as JSON lines, else nothing."""

    def __init__(self, output: Format) -> None:
        self._events = output is Format.JSONL
        self._bar: Progress | None = None
        if output is Format.TABLE and sys.stderr.isatty():
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
        self._task: Any = None
        self._last: tuple[object, ...] = ()

    def __enter__(self) -> Telling:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def reading(self, what: str, count: int) -> None:
        """Told by the reading of a plan."""
        self._tell((what, count), {"event": "reading", "what": what, "count": count})
        if self._bar is not None:
            self._bar.update(self._task, description=what, completed=count, total=None)

    def running(self, found: Run) -> None:
        """Told as a run goes on."""
        counts = {"total": found.total, "done": found.done, "failed": found.failed, "moved": found.moved}
        self._tell(tuple(counts.values()), {"event": "progress", "run": found.id, **counts})
        if self._bar is not None:
            self._bar.update(
                self._task, description="writing", completed=found.settled, total=found.total or None
            )

    def _tell(self, state: tuple[object, ...], event: dict[str, Any]) -> None:
        if self._events and state != self._last:
            sys.stdout.write(orjson.dumps(event).decode() + "\n")
            sys.stdout.flush()
        self._last = state


async def see_through(bridge: Bridge, run_id: str, telling: Telling) -> Run:
    """Wait until a run is over, performing its effects here while no server does.

    When this is cancelled (Ctrl-C), what is being written is finished and the rest is given up.
    """
    store = bridge.ctx.store
    while True:
        async with sole_worker(store.database) as mine:
            try:
                if mine:
                    await _perform(bridge, run_id, telling)
                found = await _watch(bridge, run_id, telling)
            except asyncio.CancelledError:
                await store.transact(actor(), lambda work: cancel_run(work, run_id, CANCELLED, idle=mine))
                raise
        if found.state != RUNNING:
            return found


async def _watch(bridge: Bridge, run_id: str, telling: Telling) -> Run:
    loop = asyncio.get_running_loop()
    until = loop.time() + RECHECK
    while True:
        found = await run(bridge.ctx.store.reads, run_id)
        telling.running(found)
        if found.state != RUNNING or loop.time() > until:
            return found
        await asyncio.sleep(LOOK)


async def _perform(bridge: Bridge, run_id: str, telling: Telling) -> None:
    """Perform the open effects of a run, lane by lane, until the run is over."""
    effects = effects_of(bridge)
    async with _reported(bridge, run_id, telling):
        while True:
            lanes = await _open_effects(bridge, run_id)
            if not lanes:
                return
            await _finish([_one_lane(effects, ids) for ids in lanes.values()])


async def _open_effects(bridge: Bridge, run_id: str) -> dict[str, list[str]]:
    reads = bridge.ctx.store.reads
    rows = await reads.all(
        "SELECT id FROM sb_change WHERE run_id = ? AND state = 'pending' ORDER BY seq", run_id
    )
    ids = [derived_id(SYNC_CHANGE, row["id"]) for row in rows]
    lanes: dict[str, list[str]] = {}
    for start in range(0, len(ids), PART):
        part = ids[start : start + PART]
        open_ = await reads.all(
            "SELECT id, lane FROM sb_effect WHERE state IN ('pending', 'handed')"
            f" AND id IN ({marks(len(part))})",
            *part,
        )
        for row in open_:
            lanes.setdefault(row["lane"], []).append(row["id"])
    return lanes


async def _one_lane(effects: Effects, ids: list[str]) -> None:
    for effect_id in ids:
        while True:
            pause = await _attempt(effects, effect_id)
            if pause is None:
                break
            await asyncio.sleep(pause)


async def _attempt(effects: Effects, effect_id: str) -> float | None:
    """One attempt, which a cancel lets finish: half a write is worse than a late one."""
    attempt = asyncio.ensure_future(effects.attempt(effect_id))
    try:
        return await asyncio.shield(attempt)
    except asyncio.CancelledError:
        await asyncio.wait([attempt])
        raise


async def _finish(lanes: list[Any]) -> None:
    """Run lanes side by side; when cancelled, let each finish the call it is in."""
    tasks = [asyncio.ensure_future(lane) for lane in lanes]
    try:
        # Not gather: it would raise with the first lane that ends, and a second cancel cuts calls short.
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise
    for task in tasks:
        task.result()


@contextlib.asynccontextmanager
async def _reported(bridge: Bridge, run_id: str, telling: Telling) -> AsyncIterator[None]:
    async def report() -> None:
        while True:
            telling.running(await run(bridge.ctx.store.reads, run_id))
            await asyncio.sleep(LOOK)

    task = asyncio.ensure_future(report())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
