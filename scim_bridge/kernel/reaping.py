"""Jobs nobody performs any more: those of executors that died, and those this process has dropped."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from dbos import DBOS
from dbos._dbos import _get_dbos_instance
from sqlalchemy.exc import InterfaceError, OperationalError

from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.slots import FREE, GONE, Slot

log = structlog.get_logger("scim_bridge.jobs")

Heard = Callable[[list[str]], Awaitable[object]]


async def _nothing(_jobs: list[str]) -> None:
    return None


class Reaper:
    """Looks at the jobs that are under way again and again. `died` hears of those whose executor did, first."""

    def __init__(self, slot: Slot, died: Heard = _nothing) -> None:
        self._slot = slot
        self._died = died
        # When a job of this process was first found not running here, by queue and id.
        self._idle: dict[tuple[str, str], float] = {}

    async def reap(self, queue: str) -> int:
        """Resume what nobody performs; how many.

        StoreUnavailable while the server is away; the own slot is taken again when the server is back.
        """
        try:
            await self._slot.hold()
            return await self._reap(queue)
        # DBOS speaks to the server through SQLAlchemy.
        except (*GONE, OperationalError, InterfaceError) as error:
            raise StoreUnavailable("Jobs of replicas that ended cannot be looked for.") from error

    async def _reap(self, queue: str) -> int:
        open_jobs = await DBOS.list_workflows_async(
            status="PENDING", queue_name=queue, load_input=False, load_output=False, limit=1000
        )
        by_slot: dict[int, list[str]] = {}
        own: list[str] = []
        for job in open_jobs:
            owner = job.executor_id or ""
            if owner == self._slot.executor:
                own.append(job.workflow_id)
            elif owner.startswith("slot-"):
                by_slot.setdefault(int(owner.removeprefix("slot-")), []).append(job.workflow_id)
        resumed = await self._dropped(queue, own)
        if not by_slot or not await self._slot.settled():
            return resumed
        for number, jobs in by_slot.items():
            if await self._slot.left(number):
                resumed += await self._resumed(queue, number, jobs)
        return resumed

    async def _dropped(self, queue: str, own: list[str]) -> int:
        """Resume what is this process's and does not run here, as at a look a while ago.

        The engine drops a job when the database goes away while it writes the end of it, and would hold its
        place, with all that waits behind it, for as long as the process lives.
        """
        instance: Any = _get_dbos_instance()
        running, now = set(instance._active_workflows_set.activeList()), time.monotonic()
        idle = {job: self._idle.get((queue, job), now) for job in own if job not in running}
        self._idle = {key: at for key, at in self._idle.items() if key[0] != queue}
        self._idle |= {(queue, job): since for job, since in idle.items()}
        jobs = [job for job, since in idle.items() if now - since >= FREE]
        if jobs:
            await DBOS.resume_workflows_async(jobs, queue_name=queue)
            log.warning("jobs.resumed", action="jobs.resumed", jobs=len(jobs))
        return len(jobs)

    async def _resumed(self, queue: str, number: int, jobs: list[str]) -> int:
        if not await self._slot.tried(number):
            return 0
        try:
            await self._died(jobs)
            await DBOS.resume_workflows_async(jobs, queue_name=queue)
        finally:
            await self._slot.let_go(number)
        log.warning("jobs.reaped", action="jobs.reaped", slot=number, jobs=len(jobs))
        return len(jobs)
