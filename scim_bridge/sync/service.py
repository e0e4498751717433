"""How a connection's sync stands: last plan, last runs, what is parked and why, when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import derived_id
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


async def status(reader: Reader, connection: Connection, *, limit: int = 5) -> Status:
    """How the sync of one connection stands; `limit` runs, newest first."""
    found = await runs(reader, connection.id, limit=limit)
    troubles = await troubles_of(reader, found[0]) if found else []
    tries = [trouble.next_try for trouble in troubles if trouble.next_try is not None]
    row = await reader.one(
        "SELECT COUNT(*) AS n, COUNT(retired) AS retired,"
        " (SELECT COUNT(*) FROM sb_drift WHERE connection_id = ? AND slot = '') AS drifts,"
        " (SELECT COUNT(*) FROM sb_stranger WHERE connection_id = ? AND state = 'open') AS strangers"
        " FROM sb_pushed WHERE connection_id = ? AND remote_id <> ''",
        connection.id,
        connection.id,
        connection.id,
    )
    counted: Any = row if row is not None else dict.fromkeys(("n", "retired", "drifts", "strangers"), 0)
    return Status(
        connection,
        await last_plan(reader, connection.id),
        tuple(found),
        tuple(troubles),
        min(tries, default=None),
        counted["n"] - counted["retired"],
        counted["retired"],
        counted["drifts"],
        counted["strangers"],
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
    rows = await reader.all(
        "SELECT * FROM sb_change WHERE run_id = ? AND state = 'pending' ORDER BY seq LIMIT ?", run.id, limit
    )
    waiting = {derived_id(SYNC_CHANGE, row["id"]): change_of(row) for row in rows}
    if not waiting:
        return []
    effects = await reader.all(
        "SELECT id, attempts, last_error, next_at FROM sb_effect"
        f" WHERE attempts > 0 AND state IN ('pending', 'handed') AND id IN ({marks(len(waiting))})",
        *waiting,
    )
    return [
        Trouble(waiting[e["id"]], e["last_error"] or "", e["attempts"], e["next_at"], e["id"])
        for e in effects
    ]
