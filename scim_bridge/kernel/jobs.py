"""The durable-job engine: hands effects to DBOS, which survives kill -9 and recovers what was open.

Everything that knows DBOS is in this file (docs/adr/0003-dbos.md). The workflow id is derived from
the effect id, so an effect handed over twice is one workflow.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable
from scim_bridge.kernel.memory import few_arenas
from scim_bridge.kernel.polling import BUSY, Polling
from scim_bridge.kernel.work import BULK, ORDINARY, SYSTEM, URGENT, Store, Work

if TYPE_CHECKING:
    from scim_bridge.kernel.slots import Slot

log = structlog.get_logger("scim_bridge.jobs")

QUEUE = "effects"
# Stops have a queue of their own, so that no number of other effects, waiting or slow, is in their way.
URGENT_QUEUE = "urgent"
QUEUES = (QUEUE, URGENT_QUEUE)
# Recovery matches on the version: it changes only when a workflow's steps change shape.
WORKFLOW_VERSION = "1"
BATCH = 500
# Others are handed over by so few at a time that a stop written meanwhile waits for no more than these.
PORTION = 50

_engine: Effects | None = None


@DBOS.step(name="attempt_effect", retries_allowed=False)  # type: ignore[untyped-decorator]
async def _attempt(effect_id: str) -> float | None:
    if _engine is None:
        raise RuntimeError("the job engine is not running")
    return await _engine.attempt(effect_id)


@DBOS.workflow(name="perform_effect", max_recovery_attempts=10_000)  # type: ignore[untyped-decorator]
async def _perform(effect_id: str) -> None:
    while (wait := await _attempt(effect_id)) is not None:
        await DBOS.sleep_async(wait)


@DBOS.step(name="give_back", retries_allowed=False)  # type: ignore[untyped-decorator]
async def _give_back(effect_id: str, round_: int, wait: float) -> bool:
    if _engine is None:
        raise RuntimeError("the job engine is not running")
    return await _engine.give_back(effect_id, round_, wait)


@DBOS.workflow(name="perform_urgent", max_recovery_attempts=10_000)  # type: ignore[untyped-decorator]
async def _perform_urgent(effect_id: str, round_: int) -> None:
    """Never waits where others would wait behind it: one stop that fails must not delay the next."""
    while (wait := await _attempt(effect_id)) is not None:
        if await _give_back(effect_id, round_, wait):
            return
        await DBOS.sleep_async(wait)


class SingleProcess:
    """A file lock: on SQLite a second worker process would run every job twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock or refuse to start."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            self._handle = None
            raise ConfigurationError(
                "database_url",
                f"another scim-bridge server already works on this SQLite file ({self._path.name} is locked)",
                "Stop it, or move to PostgreSQL to run several.",
            ) from error

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class Jobs:
    """The worker of one process: relays effects, runs periodic duties, drains on stop."""

    def __init__(self, store: Store, effects: Effects) -> None:
        self._store = store
        self._effects = effects
        self._lock: SingleProcess | None = None
        self._slot: Slot | None = None
        self._wake = asyncio.Event()
        self._polling: Polling
        self._tasks: list[asyncio.Task[None]] = []
        self._periodic: list[tuple[str, float, Callable[[], Awaitable[object]]]] = []
        self.last_relay = 0

    def every(self, name: str, seconds: float, duty: Callable[[], Awaitable[object]]) -> None:
        """Run `duty` again and again; it must be idempotent, for every replica runs it."""
        self._periodic.append((name, seconds, duty))

    async def start(self) -> None:
        """Launch DBOS, recover what an earlier process left open, and begin to relay.

        ConfigurationError when another process already works on this SQLite file.
        """
        global _engine
        few_arenas()
        executor = await self._take_place()
        _engine = self._effects
        config: DBOSConfig = {
            "name": "scim-bridge",
            "system_database_url": jobs_database(self._store.database.url),
            "application_version": WORKFLOW_VERSION,
            "executor_id": executor,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "enable_otlp": False,
            "use_listen_notify": False,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            DBOS(config=config)
            DBOS.launch()
        # Enough room for every lane: one that waits out a rate limit keeps its place.
        queues = [
            await DBOS.register_queue_async(
                name, worker_concurrency=room, partition_concurrency=1, polling_interval_sec=BUSY
            )
            for name, room in ((QUEUE, 64), (URGENT_QUEUE, 32))
        ]
        self._polling = Polling(queues, self._any_open, time.monotonic)
        await self._hand_over("handed")
        self._store.on_effects(self._wake.set)
        self._tasks = [asyncio.create_task(self._relay(), name="effects-relay")]
        for name, seconds, duty in self._periodic:
            self._tasks.append(asyncio.create_task(self._repeat(name, seconds, duty), name=name))
        if self._slot is not None:
            slot = self._slot
            reaper = self._repeat("jobs-reaper", 10.0, lambda: _reap(slot))
            self._tasks.append(asyncio.create_task(reaper, name="jobs-reaper"))

    async def _take_place(self) -> str:
        database = self._store.database
        if database.backend == "sqlite":
            self._lock = SingleProcess(Path(database.url.removeprefix("sqlite:///") + ".lock"))
            self._lock.acquire()
            # For its owner's eyes only, as the database is: made before the engine makes it otherwise.
            jobs = jobs_database(database.url).removeprefix("sqlite:///")
            os.close(os.open(jobs, os.O_RDWR | os.O_CREAT, 0o600))
            return "slot-0"
        # With PostgreSQL's driver: on SQLite neither is needed.
        from scim_bridge.kernel.slots import Slot

        self._slot = await Slot.take(database.url)
        return self._slot.executor

    async def stop(self) -> None:
        """Stop taking work, let running steps finish for a moment, and leave the rest to recovery."""
        global _engine
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        loop = asyncio.get_running_loop()
        own = ThreadPoolExecutor(thread_name_prefix="scim-bridge")
        await loop.run_in_executor(own, partial(DBOS.destroy, workflow_completion_timeout_sec=3))
        # DBOS made its executor the loop's default and has now shut it down.
        loop.set_default_executor(own)
        _engine = None
        if self._lock is not None:
            self._lock.release()
        if self._slot is not None:
            await self._slot.release()

    async def _relay(self) -> None:
        while True:
            self._wake.clear()
            try:
                handed = 0
                while more := await self._hand_over("pending"):
                    handed += more
                await self._polling.handed_over(handed)
            except StoreUnavailable as error:
                log.warning("relay.waiting", action="relay.waiting", reason=error.message)
            except Exception:
                # The job engine has errors of its own; without a relay nothing would ever be sent again.
                log.exception("relay.failed", action="relay.failed")
            try:
                await asyncio.wait_for(self._wake.wait(), timeout=1.0)
            except TimeoutError:
                continue

    async def _hand_over(self, state: str) -> int:
        """Give due effects of a state to DBOS, stops first; how many. Handing one over twice changes nothing."""
        now = self._store.clock.now()
        rows: list[Any] = []
        for rank, limit in ((URGENT, BATCH), (ORDINARY, PORTION), (BULK, PORTION)):
            if rows and state == "pending":
                break
            rows += await self._store.reads.all(
                "SELECT id, lane, round, rank FROM sb_effect WHERE state = ? AND rank = ? AND next_at <= ?"
                " ORDER BY created, id LIMIT ?",
                state,
                rank,
                now if state == "pending" else 2**62,
                limit if state == "pending" else BATCH,
            )
        for row in rows:
            await _enqueue(row)
        self.last_relay = now
        if not rows or state != "pending":
            return 0

        async def mark(work: Work) -> None:
            work.bookkeeping("effects were handed to the job engine")
            # One that was given back meanwhile is in its next round and due again.
            await work.tx.many(
                "UPDATE sb_effect SET state = 'handed' WHERE id = ? AND round = ? AND state = 'pending'",
                [(row["id"], row["round"]) for row in rows],
            )

        await self._store.transact(SYSTEM, mark)
        return len(rows)

    async def _any_open(self) -> bool:
        found = await self._store.reads.one("SELECT 1 AS open FROM sb_effect WHERE state = 'handed' LIMIT 1")
        return found is not None

    async def _repeat(self, name: str, seconds: float, duty: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await duty()
            except StoreUnavailable as error:
                log.warning("duty.waiting", action="duty.waiting", duty=name, reason=error.message)
            except Exception:
                # One failing duty must not end the others; it is logged and tried again.
                log.exception("duty.failed", action="duty.failed", duty=name)
            await asyncio.sleep(seconds)


async def _enqueue(row: Any) -> None:
    workflow = f"effect:{row['id']}:{row['round']}"
    urgent = row["rank"] == URGENT
    # Within a lane, one agent's change goes before a run's many.
    priority = None if urgent else max(1, row["rank"])
    with (
        SetWorkflowID(workflow),
        SetEnqueueOptions(queue_partition_key=row["lane"], priority=priority),
    ):
        if urgent:
            await DBOS.enqueue_workflow_async(URGENT_QUEUE, _perform_urgent, row["id"], row["round"])
        else:
            await DBOS.enqueue_workflow_async(QUEUE, _perform, row["id"])


async def _reap(slot: Slot) -> None:
    for queue in QUEUES:
        await slot.reap(queue)


def jobs_database(database_url: str) -> str:
    """Where DBOS keeps its tables: a file of its own beside SQLite, its own schema on PostgreSQL."""
    if database_url.startswith("sqlite:///"):
        return database_url + ".jobs"
    return "postgresql://" + database_url.split("://", 1)[1]


async def backlog(reader: Any) -> dict[str, int]:
    """How many effects are in each open state."""
    rows = await reader.all(
        "SELECT state, COUNT(*) AS n FROM sb_effect WHERE state IN ('pending', 'handed', 'dead') GROUP BY state"
    )
    return {row["state"]: row["n"] for row in rows}


async def lag(reader: Any, now: int) -> int:
    """Microseconds for which the open effect that waits longest has been due; 0 when none waits."""
    row = await reader.one(
        "SELECT MIN(next_at) AS at FROM sb_effect WHERE state IN ('pending', 'handed') AND next_at <= ?", now
    )
    return 0 if row["at"] is None else int(now - row["at"])
