"""The worker of one process: hands effects to the durable engine (`engine.py`), and runs periodic duties.

The engine is loaded and launched beside the first answers: what is to be done is in the database, and waits there.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from scim_bridge.kernel.effects import Effects, from_the_future, under_way
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.memory import few_arenas
from scim_bridge.kernel.polling import Polling
from scim_bridge.kernel.single_process import SingleProcess, jobs_database, left_in
from scim_bridge.kernel.work import BULK, ORDINARY, SYSTEM, URGENT, Store, Work

if TYPE_CHECKING:
    from scim_bridge.kernel.slots import Slot

log = structlog.get_logger("scim_bridge.jobs")

BATCH = 500
# Others are handed over by so few at a time that a stop written meanwhile waits for no more than these.
PORTION = 50
# How long the relay sleeps when nobody wakes it: other processes' commits are found by looking.
LOOK = 1.0
LOOK_FOR_OTHERS = 0.25


class Jobs:
    """The worker of one process: relays effects, runs periodic duties, drains on stop.

    One that only answers (`works` is False, PostgreSQL only) leaves effects and shared duties to others. `alone`
    is False for one that works for processes that only answer: it looks for their commits more often.
    """

    def __init__(self, store: Store, effects: Effects, *, works: bool = True, alone: bool = True) -> None:
        self._store = store
        self._effects = effects
        self.works = works
        self._look = LOOK if alone else LOOK_FOR_OTHERS
        self._lock: SingleProcess | None = None
        self._slot: Slot | None = None
        self._wake = asyncio.Event()
        self._polling: Polling
        self._tasks: list[asyncio.Task[None]] = []
        self._periodic: list[tuple[str, float, Callable[[], Awaitable[object]]]] = []
        self._engine: Any = None
        self._launched: asyncio.Future[None] | None = None
        self.last_relay = 0
        # The clock at the last look, and when it is looked at what it dated ahead in any case.
        self._latest = 0
        self._mind_at = 0.0

    def every(
        self, name: str, seconds: float, duty: Callable[[], Awaitable[object]], *, own: bool = False
    ) -> None:
        """Run `duty` again and again; it must be idempotent, for every replica that works runs it.

        An `own` duty is about this process, so that one runs it that only answers, too.
        """
        if self.works or own:
            self._periodic.append((name, seconds, duty))

    async def start(self) -> None:
        """Take this process's place and begin; the engine comes up meanwhile (`working`).

        ConfigurationError when another process already works on this SQLite file.
        """
        few_arenas()
        executor = await self._take_place()
        self._launched = asyncio.get_running_loop().create_future()
        if self.works:
            self._store.on_effects(self._wake.set)
            self._tasks = [asyncio.create_task(self._work(executor, self._launched), name="effects-relay")]
        else:
            self._launched.set_result(None)
            if self._slot is not None:
                self._also("slot-hold", 2.0, self._slot.keep)
        for name, seconds, duty in self._periodic:
            self._tasks.append(asyncio.create_task(self._repeat(name, seconds, duty), name=name))

    async def working(self) -> None:
        """Wait until the engine runs; raises what kept it from running."""
        assert self._launched is not None, "not started"
        await asyncio.shield(self._launched)

    async def _work(self, executor: str, launched: asyncio.Future[None]) -> None:
        """Launch the engine, recover what an earlier process left open, and relay from then on."""
        try:
            # In a thread: meanwhile this loop answers requests.
            self._engine = await asyncio.to_thread(import_module, "scim_bridge.kernel.engine")
            url = jobs_database(self._store.database.url)
            queues = await self._engine.launch(self._effects, url, executor)
            self._polling = Polling(queues, self._any_open, time.monotonic)
            await self._hand_over("handed")
        except Exception as error:
            launched.set_exception(error)
            return
        launched.set_result(None)
        astray = import_module("scim_bridge.kernel.astray")
        self._also("effects-astray", 10.0, lambda: astray.taken_back(self._store))
        if self._slot is not None:
            reaper = import_module("scim_bridge.kernel.reaping").Reaper(self._slot, self._died)
            self._also("jobs-reaper", 2.0, lambda: self._reap(reaper))
        await self._relay()

    def _also(self, name: str, seconds: float, duty: Callable[[], Awaitable[object]]) -> None:
        self._tasks.append(asyncio.create_task(self._repeat(name, seconds, duty), name=name))

    async def _reap(self, reaper: Any) -> None:
        for queue in self._engine.QUEUES:
            await reaper.reap(queue)

    async def _died(self, workflows: list[str]) -> None:
        """Workers ended in the midst of these."""
        for start in range(0, len(workflows), BATCH):
            await under_way(self._store, [_effect_of(one) for one in workflows[start : start + BATCH]])

    async def _minded(self) -> None:
        """When the clock was set back, and every minute: what it dated ahead must not wait for that time."""
        now, passed = self._store.clock.now(), time.monotonic()
        if now < self._latest or passed >= self._mind_at:
            if moved := await from_the_future(self._store):
                log.warning("relay.clock_set_back", action="relay.clock_set_back", effects=moved)
            self._mind_at = passed + 60.0
        self._latest = now

    async def _take_place(self) -> str:
        database = self._store.database
        if database.backend == "sqlite":
            self._lock = SingleProcess(Path(database.url.removeprefix("sqlite:///") + ".lock"))
            self._lock.acquire()
            # For its owner's eyes only, as the database is: made before the engine makes it otherwise.
            jobs = jobs_database(database.url).removeprefix("sqlite:///")
            os.close(os.open(jobs, os.O_RDWR | os.O_CREAT, 0o600))
            await self._died(left_in(Path(jobs)))
            return "slot-0"
        # With PostgreSQL's driver: on SQLite neither is needed.
        from scim_bridge.kernel.slots import ANSWERING, FAMILY, Slot

        self._slot = await Slot.take(database.url, family=FAMILY if self.works else ANSWERING)
        return self._slot.executor

    async def stop(self) -> None:
        """Stop taking work, let running steps finish for a moment, and leave the rest to recovery."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._launched is not None:
            # Nobody waits for it any more, and what it failed with was told to those who did.
            self._launched.cancel()
        if self._engine is not None:
            await self._engine.destroy()
        if self._lock is not None:
            self._lock.release()
        if self._slot is not None:
            await self._slot.release()

    async def _relay(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._minded()
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
                await asyncio.wait_for(self._wake.wait(), timeout=self._look)
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
            await self._engine.enqueue(row)
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


def _effect_of(workflow: str) -> str:
    """The effect a workflow performs."""
    return workflow.split(":", 2)[1]
