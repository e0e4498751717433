"""One transaction of the business: state, its audit rows and its effects commit together or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from scim_bridge.kernel import tracing
from scim_bridge.kernel.clock import Clock
from scim_bridge.kernel.database import Database, Tx
from scim_bridge.kernel.document_index import DocumentIndex, Indexes
from scim_bridge.kernel.errors import Moved, StoreUnavailable
from scim_bridge.kernel.ids import Ids

T = TypeVar("T")

# Who comes first among effects: a stop before everything, one agent's change before a run's thousands.
URGENT = 0
ORDINARY = 1
BULK = 2


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `kind` is connection, person, admin, agent, worker or cli."""

    kind: str
    id: str
    name: str
    connection_id: str | None = None
    request_id: str = ""
    address: str | None = None


SYSTEM = Actor("worker", "scim-bridge", "scim-bridge")


@dataclass(slots=True)
class Work:
    """What a use case is handed: the transaction, the instant, ids and the actor.

    `now` stands still inside one transaction. `changed` names what readers must forget after commit.
    `indexes` are kept in step with every document that is written.
    """

    tx: Tx
    now: int
    ids: Ids
    actor: Actor
    indexes: Sequence[DocumentIndex] = ()
    audited: bool = False
    exempt: str = ""
    effects: int = 0
    changed: list[tuple[str, str]] = field(default_factory=list)
    # The trace it is in (W3C traceparent), where traces are on: the body may run in another thread.
    trace: str | None = None
    # What was read once and holds for the whole transaction, by what it is.
    memo: dict[str, Any] = field(default_factory=dict)

    def bookkeeping(self, reason: str) -> None:
        """Say why this transaction needs no audit row (sealing, queue states, last-used marks)."""
        self.exempt = reason

    def touched(self, kind: str, subject_id: str) -> None:
        """Announce after the commit that this subject changed."""
        self.changed.append((kind, subject_id))

    async def effect(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        lane: str,
        subject_id: str | None = None,
        case_id: str | None = None,
        key: str | None = None,
        delay: int = 0,
        rank: int = ORDINARY,
    ) -> str:
        """Write an outward call to be made after the commit; its id is the idempotency key.

        `key` makes it idempotent: the same kind and key twice is one effect. `delay` in microseconds.
        `rank` is URGENT, ORDINARY or BULK: who comes first when many wait (see `jobs`).
        """
        effect_id = self.ids.new() if key is None else derived_id(kind, key)
        self.tx.later(
            "INSERT INTO sb_effect (id, kind, lane, subject_id, case_id, payload, state, attempts, round,"
            " created, next_at, rank, trace) VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            effect_id,
            kind,
            lane,
            subject_id,
            case_id,
            orjson.dumps(payload).decode(),
            self.now,
            self.now + delay,
            rank,
            self.trace,
        )
        self.effects += 1
        return effect_id


def derived_id(kind: str, key: str) -> str:
    """An id that is the same for the same kind and key."""
    return hashlib.sha256(f"{kind}\0{key}".encode()).hexdigest()[:32]


class UnauditedChange(AssertionError):
    """A transaction changed rows and wrote no audit row: a defect, so nothing was committed."""


class Store:
    """The database with clock, ids and listeners: where every use case runs."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, indexes: Indexes | None = None) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.indexes = indexes or Indexes()
        self._listeners: list[Callable[[list[tuple[str, str]]], None]] = []
        self._effects_waiting: list[Callable[[], None]] = []
        # Why the database took no write lately; empty as soon as it took one.
        self.refused = ""

    @property
    def reads(self) -> Any:
        """Single reads outside a transaction."""
        return self.database.reads

    def on_change(self, listener: Callable[[list[tuple[str, str]]], None]) -> None:
        """Call `listener` with (kind, id) pairs after each commit that changed something."""
        self._listeners.append(listener)

    def on_effects(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit that wrote effects."""
        self._effects_waiting.append(listener)

    async def transact(
        self, actor: Actor, body: Callable[[Work], Awaitable[T]], *, about: str | None = None
    ) -> T:
        """Run a use case in one transaction; refuse to commit a change that has no audit row.

        `about` is the id of what it changes, where there is one (see `Database.transact`).
        """
        last: list[Work] = []
        trace = None

        async def run(tx: Tx) -> T:
            work = Work(tx, self.clock.now(), self.ids, actor, self.indexes.declared, trace=trace)
            last[:] = [work]
            result = await body(work)
            if tx.writes and not work.audited and not work.exempt:
                raise UnauditedChange(f"rows changed without an audit row by {actor.kind} {actor.name}")
            return result

        try:
            if tracing.within():
                with tracing.span("transaction", attributes={"scim_bridge.actor": actor.kind}) as span:
                    trace = tracing.carried()
                    result = await self.database.transact(run, about=about)
                    span.told({"scim_bridge.effects": last[0].effects})
            else:
                result = await self.database.transact(run, about=about)
        except StoreUnavailable as error:
            # Others were faster, again and again: that says nothing about the database.
            if not isinstance(error, Moved):
                self.refused = error.message
            raise
        work = last[0]
        if work.tx.writes:
            self.refused = ""
        if work.changed:
            for listener in self._listeners:
                listener(work.changed)
        if work.effects:
            for wake in self._effects_waiting:
                wake()
        return result
