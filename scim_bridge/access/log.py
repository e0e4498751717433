"""Keeping decisions: a no is written before it is said, a yes just after.

Waiting for the disk would make every yes many times slower than the decision itself, and a yes that a
crash swallows harms nobody: its caller has it, and the IdP's and the resource's own logs have the act.
A no is what people will ask about, so it is on disk before its caller hears of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import orjson
import structlog

from scim_bridge.access.model import Decision, Question
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Actor, Store, Work
from scim_bridge.registry.model import AGENT

log = structlog.get_logger("scim_bridge.access")

BATCH = 200
# While the database is away: more than this would only fill the memory.
LONGEST = 20_000

INSERT = (
    "INSERT INTO sb_decision (id, at, agent_id, subject, action, resource_type, resource_id, allowed, reasons,"
    " policies, caller_id, caller_name, request_id, subject_type, properties, asked, retry_after)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision as it is kept."""

    id: str
    at: int
    question: Question
    decision: Decision
    caller: Actor

    def values(self) -> tuple[object, ...]:
        """The row's values, in the order of INSERT."""
        facts = self.decision.facts
        reasons = [{"id": reason.id, "text": reason.text} for reason in self.decision.reasons]
        return (
            self.id,
            self.at,
            facts.id if facts is not None and facts.kind == AGENT else None,
            self.question.subject_id,
            self.question.action,
            self.question.resource_type,
            self.question.resource_id,
            int(self.decision.allowed),
            orjson.dumps(reasons).decode(),
            orjson.dumps(list(self.decision.policies)).decode(),
            self.caller.id,
            self.caller.name,
            self.caller.request_id,
            self.question.subject_type,
            orjson.dumps(dict(self.question.properties)).decode(),
            orjson.dumps(dict(self.question.asked)).decode(),
            self.decision.retry_after,
        )


Tap = Callable[[Sequence[Entry]], Awaitable[None] | None]
"""Is told of decisions once they are kept, a batch at a time; what it raises is logged and harms nobody."""


class DecisionLog:
    """Writes decisions into the database of one process, and tells `tap` of them.

    `allow_share` of the yeses are kept, from 0 to 1, picked by chance; the tap hears of the others too.
    """

    def __init__(self, store: Store, tap: Tap | None = None, *, allow_share: float = 1.0) -> None:
        self._store = store
        self._tap = tap
        self._share = allow_share
        self._waiting: deque[Entry] = deque()
        self._task: asyncio.Task[None] | None = None
        self._lost = 0

    async def keep(self, *entries: Entry) -> None:
        """Keep decisions: on return a no is durable, a yes is on its way."""
        denials = [entry for entry in entries if not entry.decision.allowed]
        if denials:
            await self._write(denials)
        for entry in entries:
            if entry.decision.allowed:
                self._wait(entry)

    def _wait(self, entry: Entry) -> None:
        if len(self._waiting) >= LONGEST:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def drained(self) -> None:
        """Return when every decision so far is written, or cannot be."""
        if self._task is not None:
            await self._task

    async def _write(self, entries: list[Entry]) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("decisions change nothing and have a log of their own")
            await work.tx.many(INSERT, [entry.values() for entry in kept])

        kept = [entry for entry in entries if not entry.decision.allowed or self._picked(entry)]
        if kept:
            await self._store.transact(SYSTEM, body)
        await self._tell(entries)

    def _picked(self, entry: Entry) -> bool:
        # The last digits of an id are random, so that the same ones are picked however often it is tried.
        return self._share >= 1.0 or int(entry.id[-8:], 16) < self._share * 2**32

    async def _tell(self, entries: Sequence[Entry]) -> None:
        if self._tap is None:
            return
        try:
            told = self._tap(entries)
            if told is not None:
                await told
        except Exception:
            # The answer stands whoever listens.
            log.exception("access.tap_failed", action="access.tap_failed", decisions=len(entries))

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._write(batch)
            except StoreUnavailable as error:
                # The next yes tries again; meanwhile nothing here spins.
                self._waiting.extendleft(reversed(batch))
                log.warning(
                    "access.log_waits",
                    action="access.log_waits",
                    waiting=len(self._waiting),
                    reason=error.message,
                )
                return
            if self._lost:
                log.error("access.log_lost", action="access.log_lost", lost=self._lost)
                self._lost = 0
