"""The durable engine: DBOS, which survives kill -9 and recovers what was open.

Everything that knows DBOS is in this file, `reaping.py` and `astray.py` (docs/adr/0003-dbos.md). Loading it takes a
third of a second, so a server does that beside its first answers, and commands never. The workflow id is derived from
the effect id, so an effect handed over twice is one workflow.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.polling import BUSY, Polled
from scim_bridge.kernel.work import URGENT

QUEUE = "effects"
# Stops have a queue of their own, so that no number of other effects, waiting or slow, is in their way.
URGENT_QUEUE = "urgent"
QUEUES = (QUEUE, URGENT_QUEUE)
# Recovery matches on the version: it changes only when a workflow's steps change shape.
WORKFLOW_VERSION = "1"

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


async def launch(effects: Effects, url: str, executor: str) -> Sequence[Polled]:
    """Start the engine on its database; its queues. It takes up at once what an earlier process of this executor
    left open."""
    global _engine
    _engine = effects
    config: DBOSConfig = {
        "name": "scim-bridge",
        "system_database_url": url,
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
        # Beside the loop, which would answer nobody for as long as it takes.
        await asyncio.to_thread(_launched, config, asyncio.get_running_loop())
    # Enough room for every lane: one that waits out a rate limit keeps its place.
    return [
        await DBOS.register_queue_async(
            name, worker_concurrency=room, partition_concurrency=1, polling_interval_sec=BUSY
        )
        for name, room in ((QUEUE, 64), (URGENT_QUEUE, 32))
    ]


def _launched(config: DBOSConfig, loop: asyncio.AbstractEventLoop) -> None:
    """Launch from a thread as if from the loop's own: the engine runs our effects on the loop it finds running."""
    asyncio._set_running_loop(loop)
    try:
        DBOS(config=config)
        DBOS.launch()
    finally:
        asyncio._set_running_loop(None)


async def destroy() -> None:
    """Let running steps finish for a moment, and leave the rest to recovery."""
    global _engine
    loop = asyncio.get_running_loop()
    own = ThreadPoolExecutor(thread_name_prefix="scim-bridge")
    await loop.run_in_executor(own, partial(DBOS.destroy, workflow_completion_timeout_sec=3))
    # DBOS made its executor the loop's default and has now shut it down.
    loop.set_default_executor(own)
    _engine = None


async def enqueue(row: Any) -> None:
    """Hand over one effect (id, lane, round, rank); once more changes nothing."""
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
