"""How each door stands: last heard, lag, gaps, trouble; and where one that asks goes on.

A door writes here in the transaction in which it accepts its signals, so that a cursor never passes
over an event that was not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.clock import SECOND, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.telemetry import DOOR_LAG, DOOR_SILENT, DOOR_TROUBLE
from scim_bridge.kernel.work import Work

KEPT_GAPS = 10
COLUMNS = "name, kind, connection_id, heard, event, events, cursor, gaps, trouble, troubled, lag"


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which news may have been missed, and why."""

    at: str
    why: str


@dataclass(frozen=True, slots=True)
class Door:
    """One door. `heard` and `event` are instants in microseconds, None before the first.

    `lag`: how long the newest event took to be heard, in microseconds; None when there was none.
    """

    name: str
    kind: str
    connection_id: str | None
    heard: int | None
    event: int | None
    events: int
    cursor: str
    gaps: tuple[Gap, ...]
    trouble: str
    troubled: int | None
    lag: int | None = None


def _door(row: Any) -> Door:
    return Door(
        row["name"],
        row["kind"],
        row["connection_id"],
        row["heard"],
        row["event"],
        row["events"],
        row["cursor"],
        tuple(Gap(**gap) for gap in orjson.loads(row["gaps"])),
        row["trouble"],
        row["troubled"],
        row["lag"],
    )


async def doors(reader: Reader) -> list[Door]:
    """Every door that was ever opened, by name."""
    return [_door(row) for row in await reader.all(f"SELECT {COLUMNS} FROM sb_door ORDER BY name")]


async def door(reader: Reader, name: str, *, lock: str = "") -> Door | None:
    """One door by its name; `lock` is `tx.for_update` where a cursor is about to be moved."""
    row = await reader.one(f"SELECT {COLUMNS} FROM sb_door WHERE name = ?{lock}", name)
    return None if row is None else _door(row)


async def note_heard(
    work: Work,
    name: str,
    kind: str,
    *,
    connection_id: str | None = None,
    event: int | None = None,
    events: int = 0,
    cursor: str | None = None,
) -> None:
    """A door heard something or asked and was answered: it works. `event` is the newest event's own time.

    `cursor` moves where it goes on; None leaves it. Writes no audit row: the signals have theirs.
    """
    await work.tx.run(
        "INSERT INTO sb_door (name, kind, connection_id, heard, event, lag, events, cursor, gaps, trouble)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]', '') ON CONFLICT (name) DO UPDATE SET kind = excluded.kind,"
        " connection_id = excluded.connection_id, heard = excluded.heard,"
        " event = COALESCE(excluded.event, sb_door.event), lag = COALESCE(excluded.lag, sb_door.lag),"
        " events = sb_door.events + excluded.events,"
        " cursor = CASE WHEN ? THEN excluded.cursor ELSE sb_door.cursor END, trouble = '', troubled = NULL",
        name,
        kind,
        connection_id,
        work.now,
        event,
        None if event is None else max(0, work.now - event),
        events,
        cursor or "",
        cursor is not None,
    )


async def note_open(work: Work, name: str, kind: str, *, connection_id: str | None = None) -> None:
    """A door was set up: it is listed from now on, as one that heard nothing yet."""
    await work.tx.run(
        "INSERT INTO sb_door (name, kind, connection_id, events, cursor, gaps, trouble)"
        " VALUES (?, ?, ?, 0, '', '[]', '') ON CONFLICT (name) DO UPDATE SET kind = excluded.kind,"
        " connection_id = excluded.connection_id, trouble = '', troubled = NULL",
        name,
        kind,
        connection_id,
    )


async def end_trouble(work: Work, name: str, start: str) -> None:
    """A door's trouble is over, when it is the one whose words begin like this."""
    await work.tx.run(
        "UPDATE sb_door SET trouble = '', troubled = NULL WHERE name = ? AND substr(trouble, 1, ?) = ?",
        name,
        len(start),
        start,
    )


async def note_trouble(
    work: Work, name: str, kind: str, why: str, *, connection_id: str | None = None
) -> None:
    """A door cannot be heard: since when, and why in words. The first note's time stays."""
    await work.tx.run(
        "INSERT INTO sb_door (name, kind, connection_id, events, cursor, gaps, trouble, troubled)"
        " VALUES (?, ?, ?, 0, '', '[]', ?, ?) ON CONFLICT (name) DO UPDATE SET trouble = excluded.trouble,"
        " troubled = COALESCE(sb_door.troubled, excluded.troubled)",
        name,
        kind,
        connection_id,
        why[:500],
        work.now,
    )


async def note_gap(work: Work, name: str, why: str) -> None:
    """News may have been missed: kept and shown, the newest ten. The door was heard or troubled before."""
    found = await door(work.tx, name, lock=work.tx.for_update)
    if found is None:
        return
    gaps = [*({"at": gap.at, "why": gap.why} for gap in found.gaps), {"at": iso(work.now), "why": why[:300]}]
    await work.tx.run(
        "UPDATE sb_door SET gaps = ? WHERE name = ?", orjson.dumps(gaps[-KEPT_GAPS:]).decode(), name
    )


def show_in_metrics(found: list[Door], now: int) -> None:
    """Bring the doors' gauges up to date; a door that was removed has none any more."""
    for gauge in (DOOR_SILENT, DOOR_LAG, DOOR_TROUBLE):
        gauge.clear()
    for one in found:
        DOOR_TROUBLE.labels(one.name).set(1 if one.trouble else 0)
        if one.heard is not None:
            DOOR_SILENT.labels(one.name).set((now - one.heard) / SECOND)
        if one.lag is not None:
            DOOR_LAG.labels(one.name).set(one.lag / SECOND)
