"""Runs: one execution of a plan, counted as its changes settle; ends OK, WARNING, HELD or FAILED."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import BULK, URGENT, Work, derived_id
from scim_bridge.registry.outward import idp_lane, stop_lane
from scim_bridge.sync.plan import KeptChange, Plan

RUNNING = "RUNNING"
OK = "OK"
WARNING = "WARNING"
HELD = "HELD"
FAILED = "FAILED"

SYNC_CHANGE = "sync.change"

# How a change ends, and the column of its run that counts it.
COUNTED = {"done": "done", "moved": "moved", "parked": "failed", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands. `failed` counts parked changes; `moved` those the plan no longer fits."""

    id: str
    connection_id: str
    plan_id: str | None
    stage: str
    state: str
    started: int
    started_by: str
    finished: int | None
    total: int
    done: int
    moved: int
    failed: int
    cancelled: int
    reason: str

    @property
    def settled(self) -> int:
        """How many changes are over, one way or another."""
        return self.done + self.moved + self.failed + self.cancelled


def run_of(row: Any) -> Run:
    """A row of sb_run as a value."""
    return Run(**{name: row[name] for name in Run.__slots__})


def verdict(run: Run) -> tuple[str, str]:
    """The state a finished run deserves, and why it is not OK."""
    wrong = [
        f"{number} {words}"
        for number, words in (
            (run.failed, "parked: see sync status"),
            (run.moved, "moved since the plan: make a new one"),
            (run.cancelled, "cancelled: sync apply does the rest"),
        )
        if number
    ]
    if not wrong:
        return OK, ""
    state = FAILED if run.failed and not run.done else WARNING
    return state, f"{run.done} of {run.total} done; " + "; ".join(wrong)


async def run(reader: Reader, run_id: str) -> Run:
    """The run with this id; NotFound otherwise."""
    row = await reader.one("SELECT * FROM sb_run WHERE id = ?", run_id)
    if row is None:
        raise NotFound("run-unknown", f"There is no run {run_id!r}.", "See scim-bridge sync status.")
    return run_of(row)


async def runs(
    reader: Reader, connection_id: str, *, limit: int = 10, before: str | None = None
) -> list[Run]:
    """The newest runs of a connection; `before`: begun earlier than the one with this id."""
    earlier = "(started, id) < (SELECT r.started, r.id FROM sb_run r WHERE r.id = ?)"
    rows = await reader.all(
        f"SELECT * FROM sb_run WHERE connection_id = ?{'' if before is None else f' AND {earlier}'}"
        " ORDER BY started DESC, id DESC LIMIT ?",
        *(value for value in (connection_id, before, limit) if value is not None),
    )
    return [run_of(row) for row in rows]


async def open_run(reader: Reader, connection_id: str) -> Run | None:
    """The run of a connection that is not finished yet."""
    row = await reader.one(
        "SELECT * FROM sb_run WHERE connection_id = ? AND state = ? ORDER BY started, id LIMIT 1",
        connection_id,
        RUNNING,
    )
    return None if row is None else run_of(row)


async def ever_applied(reader: Reader, connection_id: str) -> bool:
    """True when a person has let a plan of this connection be applied."""
    row = await reader.one(
        "SELECT 1 AS x FROM sb_plan WHERE connection_id = ? AND state = 'applied' LIMIT 1", connection_id
    )
    return row is not None


async def note_failure(
    work: Work, connection_id: str, stage: str, state: str, reason: str, plan: Plan | None = None
) -> str:
    """Keep a run that ended before its first change: held by the brake, or failed while reading."""
    run_id = await _insert(work, connection_id, plan, stage, state, reason)
    detail = {"state": state, "stage": stage, "reason": reason}
    outcome = "refused" if state == HELD else "failed"
    await record(work, "sync.stopped", "run", run_id, detail, outcome=outcome, connection_id=connection_id)
    return run_id


async def start_run(work: Work, plan: Plan, changes: list[KeptChange], release: str) -> str:
    """Begin to apply a plan: one effect for each change, in this transaction; the run's id.

    What switches an agent off does not wait behind the rest.

    Refused when the plan was applied before or another run of the connection is not finished.
    """
    claimed = await work.tx.run(
        "UPDATE sb_plan SET state = 'applied' WHERE id = ? AND state <> 'applied'", plan.id
    )
    if not claimed:
        raise Refused("plan-applied", "This plan was applied before.", "Make a new one: sync plan.")
    if await open_run(work.tx, plan.connection_id) is not None:
        raise Refused(
            "sync-running", "Another run of this connection is not finished.", "See sync status, or wait."
        )
    state = RUNNING if changes else OK
    run_id = await _insert(
        work, plan.connection_id, plan, "applying" if changes else "finished", state, "", total=len(changes)
    )
    await work.tx.run("UPDATE sb_change SET run_id = ?, state = 'pending' WHERE plan_id = ?", run_id, plan.id)
    for kept in changes:
        urgent = kept.change.stops
        lane = stop_lane if urgent else idp_lane
        await work.effect(
            SYNC_CHANGE,
            {"connection_id": plan.connection_id, "change_id": kept.id, "run_id": run_id},
            lane=lane(plan.connection_id, kept.change.agent_id),
            subject_id=kept.change.agent_id,
            key=kept.id,
            rank=URGENT if urgent else BULK,
        )
    detail = {"plan": plan.id, "digest": plan.digest, "changes": len(changes)}
    if release:
        detail |= {"released": release, "held": plan.reason}
    await record(work, "sync.started", "run", run_id, detail, connection_id=plan.connection_id)
    return run_id


async def _insert(
    work: Work,
    connection_id: str,
    plan: Plan | None,
    stage: str,
    state: str,
    reason: str,
    *,
    total: int = 0,
) -> str:
    run_id = work.ids.new()
    await work.tx.run(
        "INSERT INTO sb_run (id, connection_id, plan_id, stage, state, started, started_by, finished, total,"
        " done, moved, failed, cancelled, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)",
        run_id,
        connection_id,
        None if plan is None else plan.id,
        stage,
        state,
        work.now,
        work.actor.name,
        None if state == RUNNING else work.now,
        total,
        reason,
    )
    return run_id


async def settle_change(work: Work, change_id: str, state: str, reason: str) -> None:
    """Note how a change ended and count it; the run ends with its last one. Twice is once."""
    row = await work.tx.one("SELECT run_id, state FROM sb_change WHERE id = ?", change_id)
    if row is None or row["run_id"] is None or row["state"] == state:
        return
    # Settlers of one run queue here, or two of them could each take the other for still open.
    await work.tx.one(f"SELECT 1 AS x FROM sb_run WHERE id = ?{work.tx.for_update}", row["run_id"])
    await work.tx.run(
        "UPDATE sb_change SET state = ?, reason = ?, settled = ? WHERE id = ?",
        state,
        reason,
        work.now,
        change_id,
    )
    if before := COUNTED.get(row["state"]):
        await work.tx.run(f"UPDATE sb_run SET {before} = {before} - 1 WHERE id = ?", row["run_id"])
    after = COUNTED[state]
    await work.tx.run(f"UPDATE sb_run SET {after} = {after} + 1 WHERE id = ?", row["run_id"])
    await _finish_if_over(work, row["run_id"])


async def _finish_if_over(work: Work, run_id: str) -> None:
    found = await run(work.tx, run_id)
    if found.settled < found.total:
        return
    state, reason = verdict(found)
    await work.tx.run(
        "UPDATE sb_run SET stage = 'finished', state = ?, reason = ?, finished = COALESCE(finished, ?)"
        " WHERE id = ?",
        state,
        reason,
        work.now,
        run_id,
    )
    detail = {"state": state, "done": found.done, "failed": found.failed, "reason": reason}
    await record(work, "sync.finished", "run", run_id, detail, connection_id=found.connection_id)
    work.touched("run", run_id)


async def cancel_run(work: Work, run_id: str, reason: str, *, idle: bool = False) -> bool:
    """Give up what is not written yet; what is being written now is finished. False when it was over.

    The effects stay and find their change cancelled, so a change under way still notes how it ended.
    With `idle` (nobody performs effects now) they are dropped, for nobody would look at them.
    """
    found = await run(work.tx, run_id)
    if found.state != RUNNING:
        work.bookkeeping("the run is over already")
        return False
    await work.tx.one(f"SELECT 1 AS x FROM sb_run WHERE id = ?{work.tx.for_update}", run_id)
    rows = await work.tx.all("SELECT id FROM sb_change WHERE run_id = ? AND state = 'pending'", run_id)
    await work.tx.run(
        "UPDATE sb_change SET state = 'cancelled', reason = ?, settled = ? WHERE run_id = ? AND state = 'pending'",
        reason,
        work.now,
        run_id,
    )
    if idle:
        await work.tx.many(
            "UPDATE sb_effect SET state = 'dropped', settled = ? WHERE id = ? AND state IN ('pending', 'handed')",
            [(work.now, derived_id(SYNC_CHANGE, row["id"])) for row in rows],
        )
    await work.tx.run("UPDATE sb_run SET cancelled = cancelled + ? WHERE id = ?", len(rows), run_id)
    await record(work, "sync.cancelled", "run", run_id, {"reason": reason, "changes": len(rows)})
    await _finish_if_over(work, run_id)
    return True
