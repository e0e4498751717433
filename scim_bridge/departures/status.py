"""How departures stand as a whole: for the status line, the metrics, and the page when one is late."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from prometheus_client import Gauge, Histogram

from scim_bridge.audit.record import record
from scim_bridge.departures.model import BUDGET, State
from scim_bridge.kernel.clock import DAY, SECOND, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.telemetry import REGISTRY
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward

DRILL_FACT = "departures-drill"
STANDING = (State.PLANNED, State.HELD, State.OPEN, State.STUCK)
LATE = (
    " state IN ('open', 'stuck') AND heard_at < ? AND effective_at < ? AND COALESCE(released, 0) < ?"
    " AND drill IS NULL"
)
RECENT = 30 * DAY

SECONDS = Histogram(
    "scim_bridge_departure_seconds",
    "From the leave (heard of, in effect, let go by the brake) to the last step done. The objective: 300.",
    registry=REGISTRY,
    buckets=(1, 5, 15, 30, 60, 120, 180, 240, 300, 600, 1800, 3600),
)
CASES = Gauge(
    "scim_bridge_departures",
    "Departures by state, and those past five minutes (late).",
    ["state"],
    registry=REGISTRY,
)
DRILL_OK = Gauge(
    "scim_bridge_departure_drill_ok",
    "1 when the last drill passed, 0 when it did not, NaN before the first.",
    registry=REGISTRY,
)
DRILL_SECONDS = Gauge(
    "scim_bridge_departure_drill_seconds",
    "From the news to the last hop of the last drill.",
    registry=REGISTRY,
)
BRAKES = Gauge("scim_bridge_departure_brakes", "Brakes on departures that are on.", registry=REGISTRY)


async def counts(reader: Reader, now: int) -> dict[str, int]:
    """Cases that are not over, by state, those that are late, and the brakes that are on."""
    found = {state.value: 0 for state in STANDING}
    for state in STANDING:
        row = await reader.one(
            "SELECT COUNT(*) AS n FROM sb_departure WHERE state = ? AND drill IS NULL", state.value
        )
        found[state.value] = row["n"] if row is not None else 0
    before = now - BUDGET
    late = await reader.one(f"SELECT COUNT(*) AS n FROM sb_departure WHERE{LATE}", before, before, before)
    on = await reader.one("SELECT COUNT(*) AS n FROM sb_departure_brake WHERE state = 'open'")
    found["late"] = late["n"] if late is not None else 0
    found["brakes"] = on["n"] if on is not None else 0
    return found


async def status(reader: Reader, now: int) -> dict[str, Any]:
    """The status line as values: what runs, what waits, how the last thirty days kept the five minutes."""
    receipts = await reader.one(
        "SELECT COUNT(*) AS n, COALESCE(SUM(within_budget), 0) AS kept, MAX(milliseconds) AS slowest"
        " FROM sb_receipt r WHERE issued > ? AND NOT EXISTS"
        " (SELECT 1 FROM sb_departure d WHERE d.id = r.case_id AND d.drill IS NOT NULL)",
        now - RECENT,
    )
    assert receipts is not None
    return {
        **await counts(reader, now),
        "closed_30_days": receipts["n"],
        "within_five_minutes": int(receipts["kept"]),
        "slowest_seconds": None if receipts["slowest"] is None else receipts["slowest"] / 1000,
        "drill": await last_drill(reader),
    }


async def last_drill(reader: Reader) -> dict[str, Any] | None:
    """What the last drill said, or that one runs; None before the first."""
    row = await reader.one("SELECT value FROM sb_fact WHERE name = ?", DRILL_FACT)
    found = None if row is None else orjson.loads(row["value"])
    return found or None


def line(found: dict[str, Any]) -> str:
    """The status in one line, for people who glance."""
    parts = [f"{found['open']} open"]
    parts += [f"{found[name]} {name}" for name in ("stuck", "late", "held", "planned") if found[name]]
    if found["brakes"]:
        parts.append(f"the brake is on ({found['brakes']})")
    drill = found["drill"]
    if drill is not None:
        parts.append(f"drill {drill['state']} at {drill['at']}")
    return ", ".join(parts)


async def show_in_metrics(reader: Reader, now: int) -> None:
    """Bring the gauges up to date."""
    drill = await last_drill(reader)
    if drill is None:
        # Where no drill was ever asked for, `== 0` must alert nobody.
        DRILL_OK.set(float("nan"))
    elif "seconds" in drill:
        DRILL_OK.set(drill["state"] == "passed")
        DRILL_SECONDS.set(drill["seconds"])
    found = await counts(reader, now)
    BRAKES.set(found.pop("brakes"))
    for state, number in found.items():
        CASES.labels(state).set(number)


async def page_late(ctx: Context) -> int:
    """Tell security of each case that is past its five minutes, once; its steps keep trying. How many."""
    now = ctx.store.clock.now()
    before = now - BUDGET
    rows = await ctx.store.reads.all(
        f"SELECT id FROM sb_departure WHERE{LATE} AND paged IS NULL ORDER BY id LIMIT 100",
        before,
        before,
        before,
    )
    told = 0
    for row in rows:
        told += await ctx.store.transact(SYSTEM, partial(_page, case_id=row["id"]))
    return told


async def _page(work: Work, case_id: str) -> int:
    work.bookkeeping("another process told of it, or it closed meanwhile")
    paged = await work.tx.run(
        "UPDATE sb_departure SET paged = ? WHERE id = ? AND paged IS NULL AND state IN ('open', 'stuck')",
        work.now,
        case_id,
    )
    if not paged:
        return 0
    case = await work.tx.one(
        "SELECT display_name, heard_at, effective_at, released FROM sb_departure WHERE id = ?", case_id
    )
    assert case is not None
    missing = await work.tx.all(
        "SELECT kind, state, attempts, last_error FROM sb_effect WHERE case_id = ?"
        " AND state IN ('pending', 'handed', 'dead') ORDER BY created, id LIMIT 20",
        case_id,
    )
    begun = max(case["heard_at"], case["effective_at"], case["released"] or 0)
    steps = [
        {"kind": row["kind"], "state": row["state"], "attempts": row["attempts"], "error": row["last_error"]}
        for row in missing
    ]
    data = {
        "case": case_id,
        "person": case["display_name"],
        "since": iso(begun),
        "minutes": (work.now - begun) // SECOND // 60,
        "steps": steps,
    }
    await outward.notify(
        work, "departure-late", None, data, subject_id=case_id, key=f"departure-late:{case_id}"
    )
    await record(work, "departure.late", "departure", case_id, {"since": iso(begun), "steps": len(steps)})
    return 1


async def page_unowned(ctx: Context, after: int) -> int:
    """Tell security, once a case, of agents that nobody took over for so long (microseconds); how many cases."""
    now = ctx.store.clock.now()
    if not after:
        return 0
    rows = await ctx.store.reads.all(
        "SELECT DISTINCT a.case_id FROM sb_departure_agent a JOIN sb_departure d ON d.id = a.case_id"
        " WHERE a.fate = 'held' AND a.resolved IS NULL AND a.decided <= ? AND a.decided > ?"
        " AND d.drill IS NULL AND d.state <> 'cancelled' LIMIT 100",
        now - after,
        now - after - DAY,
    )
    told = 0
    for row in rows:
        told += await ctx.store.transact(SYSTEM, partial(_unowned, case_id=row["case_id"]))
    return told


async def _unowned(work: Work, case_id: str) -> int:
    key = f"departure-unowned:{case_id}"
    # The notice itself is the mark: its id is made of the key.
    known = await work.tx.one(
        "SELECT 1 AS x FROM sb_audit WHERE action = 'departure.unowned' AND subject_id = ?", case_id
    )
    work.bookkeeping("this was told already")
    if known is not None:
        return 0
    case = await work.tx.one("SELECT display_name FROM sb_departure WHERE id = ?", case_id)
    rows = await work.tx.all(
        "SELECT slug, proposed FROM sb_departure_agent WHERE case_id = ? AND fate = 'held' AND resolved IS NULL"
        " ORDER BY slug LIMIT 100",
        case_id,
    )
    agents = [{"agent": row["slug"], "proposed": row["proposed"]} for row in rows]
    data = {"case": case_id, "person": case["display_name"] if case else "", "agents": agents}
    await outward.notify(work, "departure-unowned", None, data, subject_id=case_id, key=key)
    await record(work, "departure.unowned", "departure", case_id, {"agents": len(agents)})
    return 1
