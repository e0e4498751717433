"""Seeing a run through: a server's worker does it, or this process where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Coroutine
from types import TracebackType
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
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
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.effects import LANES, Effects
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import URGENT, derived_id
from scim_bridge.kernel.worker import sole_worker
from scim_bridge.registry.outward import IDP_PUSH
from scim_bridge.sync.run import RUNNING, SYNC_CHANGE, Run, cancel_run, run
from scim_bridge.sync.service import next_try

LOOK = 0.2
REPORT = 0.5
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

    def running(self, found: Run, waits: tuple[int, str] | None = None) -> None:
        """Told as a run goes on; `waits` says until when something waits, and for what."""
        counts = {
            "stage": found.stage,
            "total": found.total,
            "done": found.done,
            "failed": found.failed,
            "moved": found.moved,
            "cancelled": found.cancelled,
        }
        event: dict[str, Any] = {"event": "progress", "run": found.id, **counts}
        shown = "writing"
        if waits is not None:
            event |= {"next_try": iso(waits[0]), "waits_for": waits[1]}
            shown = f"writing; waits until {iso(waits[0])[11:19]} UTC: {escape(waits[1][:60])}"
        self._tell((*counts.values(), waits), event)
        if self._bar is not None:
            self._bar.update(
                self._task, description=shown, completed=found.settled, total=found.total or None
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
        telling.running(found, await next_try(bridge.ctx.store.reads, run_id))
        if found.state != RUNNING or loop.time() > until:
            return found
        await asyncio.sleep(LOOK)


async def _perform(bridge: Bridge, run_id: str, telling: Telling) -> None:
    """Perform the open effects of a run, lane by lane, until the run is over; its stops first.

    Stops that other commands write meanwhile are performed beside it, for nobody else would.
    """
    effects = effects_of(bridge)
    async with _beside(_report(bridge, run_id, telling)), _beside(_stops(bridge, effects)):
        while True:
            stops, lanes = await _open_effects(bridge, run_id)
            if stops:
                gate = asyncio.Semaphore(LANES)
                await _finish([_one_lane(effects, ids, gate) for ids in stops.values()])
            elif lanes:
                await _finish([_one_lane(effects, ids) for ids in lanes.values()])
            else:
                return


async def _stops(bridge: Bridge, effects: Effects) -> None:
    store = bridge.ctx.store
    while True:
        rows = await store.reads.all(
            "SELECT id FROM sb_effect WHERE state = 'pending' AND rank = ? AND next_at <= ? AND kind = ?"
            " ORDER BY created, id LIMIT ?",
            URGENT,
            store.clock.now(),
            IDP_PUSH,
            LANES,
        )
        await _finish([_attempt(effects, row["id"]) for row in rows])
        await asyncio.sleep(LOOK)


async def _open_effects(bridge: Bridge, run_id: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The open effects of a run by lane: its stops, and the rest."""
    reads = bridge.ctx.store.reads
    rows = await reads.all(
        "SELECT id FROM sb_change WHERE run_id = ? AND state = 'pending' ORDER BY seq", run_id
    )
    ids = [derived_id(SYNC_CHANGE, row["id"]) for row in rows]
    stops: dict[str, list[str]] = {}
    lanes: dict[str, list[str]] = {}
    for start in range(0, len(ids), PART):
        part = ids[start : start + PART]
        open_ = await reads.all(
            "SELECT id, lane, rank FROM sb_effect WHERE state IN ('pending', 'handed')"
            f" AND id IN ({marks(len(part))})",
            *part,
        )
        for row in open_:
            kind = stops if row["rank"] == URGENT else lanes
            kind.setdefault(row["lane"], []).append(row["id"])
    return stops, lanes


async def _one_lane(effects: Effects, ids: list[str], gate: asyncio.Semaphore | None = None) -> None:
    for effect_id in ids:
        while True:
            async with gate or contextlib.nullcontext():
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
    if not tasks:
        return
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


async def _report(bridge: Bridge, run_id: str, telling: Telling) -> None:
    while True:
        reads = bridge.ctx.store.reads
        telling.running(await run(reads, run_id), await next_try(reads, run_id))
        await asyncio.sleep(REPORT)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Something that goes on beside the block and ends with it."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
