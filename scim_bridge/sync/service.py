"""How a connection's sync stands: last plan, last runs, what is parked and why, when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import BULK, URGENT, derived_id
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.plan import KeptChange, Plan, change_of, last_plan
from scim_bridge.sync.run import RUNNING, SYNC_CHANGE, Run, runs


@dataclass(frozen=True, slots=True)
class Trouble:
    """A change that is not done: parked or moved with the reason, or to be tried again at `next_try`."""

    change: KeptChange
    reason: str
    attempts: int = 0
    next_try: int | None = None
    effect_id: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """One connection at a glance. `written` objects are kept in step there, `retired` ones are off; so many
    drifts and strangers wait for a decision."""

    connection: Connection
    plan: Plan | None
    runs: tuple[Run, ...]
    troubles: tuple[Trouble, ...]
    next_try: int | None
    written: int
    retired: int
    drifts: int = 0
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class InStep:
    """How many objects are kept in step at a connection, and how many are off there."""

    written: int
    retired: int


async def in_step(reader: Reader, connection_id: str) -> InStep:
    """Counted anew: it takes as long as there are many."""
    row = await reader.one(
        "SELECT COUNT(*) AS n, COUNT(retired) AS retired FROM sb_pushed WHERE connection_id = ? AND remote_id <> ''",
        connection_id,
    )
    return InStep(row["n"] - row["retired"], row["retired"]) if row is not None else InStep(0, 0)


async def status(
    reader: Reader, connection: Connection, *, limit: int = 5, counted: InStep | None = None
) -> Status:
    """How the sync of one connection stands; `limit` runs, newest first. `counted`: for whom that is known already."""
    found = await runs(reader, connection.id, limit=limit)
    troubles = await troubles_of(reader, found[0]) if found else []
    tries = [trouble.next_try for trouble in troubles if trouble.next_try is not None]
    row = await reader.one(
        "SELECT (SELECT COUNT(*) FROM sb_drift WHERE connection_id = ? AND slot = '') AS drifts,"
        " (SELECT COUNT(*) FROM sb_stranger WHERE connection_id = ? AND state = 'open') AS strangers",
        connection.id,
        connection.id,
    )
    waiting: Any = row if row is not None else dict.fromkeys(("drifts", "strangers"), 0)
    kept = await in_step(reader, connection.id) if counted is None else counted
    return Status(
        connection,
        await last_plan(reader, connection.id),
        tuple(found),
        tuple(troubles),
        min(tries, default=None),
        kept.written,
        kept.retired,
        waiting["drifts"],
        waiting["strangers"],
    )


async def troubles_of(reader: Reader, run: Run, *, limit: int = 200) -> list[Trouble]:
    """Changes of a run that are parked, moved or failing, the parked ones first."""
    rows = await reader.all(
        "SELECT * FROM sb_change WHERE run_id = ? AND state IN ('parked', 'moved') ORDER BY state DESC, seq LIMIT ?",
        run.id,
        limit,
    )
    found = [
        Trouble(kept, kept.reason, effect_id=derived_id(SYNC_CHANGE, kept.id))
        for kept in map(change_of, rows)
    ]
    if run.state == RUNNING:
        found += await _failing(reader, run, limit)
    return found


async def _failing(reader: Reader, run: Run, limit: int) -> list[Trouble]:
    waiting = await _waiting(reader, run.id, limit)
    if not waiting:
        return []
    rows = await reader.all(
        f"SELECT * FROM sb_change WHERE id IN ({marks(len(waiting))}) ORDER BY seq", *waiting
    )
    found = []
    for row in rows:
        effect = waiting[row["id"]]
        reason = effect["last_error"] or ""
        found.append(Trouble(change_of(row), reason, effect["attempts"], effect["next_at"], effect["id"]))
    return found


async def _waiting(reader: Reader, run_id: str, limit: int) -> dict[str, Any]:
    """Effects of a run that wait for their next try, by the id of their change."""
    # By rank, for the index: only runs have changes of these.
    effects = await reader.all(
        "SELECT id, payload, attempts, last_error, next_at FROM sb_effect"
        " WHERE state IN ('pending', 'handed') AND rank IN (?, ?) AND attempts > 0 AND kind = ?"
        " ORDER BY next_at LIMIT ?",
        URGENT,
        BULK,
        SYNC_CHANGE,
        limit,
    )
    told = [(orjson.loads(effect["payload"]), effect) for effect in effects]
    return {payload["change_id"]: effect for payload, effect in told if payload["run_id"] == run_id}


async def next_try(reader: Reader, run_id: str) -> tuple[int, str] | None:
    """When the first change of a run that waits is tried again, and what it waits for."""
    waiting = await _waiting(reader, run_id, 1)
    return next(((effect["next_at"], effect["last_error"] or "") for effect in waiting.values()), None)
