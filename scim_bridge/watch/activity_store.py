"""Writing activity: rows, sums by hour and part, and which agents have to be looked at, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scim_bridge.kernel.database import Reader, Tx
from scim_bridge.kernel.rows import Insert, among, by_column, listed
from scim_bridge.watch.activity_model import (
    DENIED,
    ERROR,
    LONGEST_NAME,
    LONGEST_RESOURCE,
    Event,
    family,
    hour_of,
)
from scim_bridge.watch.baseline_model import OTHERS

EVENTS = Insert(
    "sb_activity",
    "key text, source text, event_id text, at bigint, received bigint, agent_id text, kind text, action text,"
    " resource text, tool text, outcome text, origin text, cost bigint",
    "ON CONFLICT (key) DO NOTHING",
)
HOURS = Insert(
    "sb_activity_hour",
    "agent_id text, hour bigint, events bigint, denied bigint, errors bigint, cost bigint",
    "ON CONFLICT (agent_id, hour) DO UPDATE SET events = sb_activity_hour.events + excluded.events,"
    " denied = sb_activity_hour.denied + excluded.denied, errors = sb_activity_hour.errors + excluded.errors,"
    " cost = sb_activity_hour.cost + excluded.cost",
)
PARTS = Insert(
    "sb_activity_part",
    "agent_id text, hour bigint, part text, value text, events bigint",
    "ON CONFLICT (agent_id, hour, part, value) DO UPDATE SET events = sb_activity_part.events + excluded.events",
)
TOUCHED = Insert(
    "sb_baseline",
    "agent_id text, last bigint, seq bigint, judged bigint",
    "ON CONFLICT (agent_id) DO UPDATE SET seq = sb_baseline.seq + 1,"
    " last = CASE WHEN excluded.last > sb_baseline.last THEN excluded.last ELSE sb_baseline.last END",
)
RESOURCE, ACTION, TOOL, ORIGIN = "resource", "action", "tool", "origin"
# Of one agent and hour in one batch; what is beyond is counted together, so that nobody fills the tables.
MOST_VALUES = 200


@dataclass(frozen=True, slots=True)
class Sighting:
    """An event of a known agent. What has no key of its own (a decision) is only counted."""

    agent_id: str
    event: Event


def decided(agent_id: str, at: int, action: str, resource: str, allowed: bool) -> Sighting:
    """A decision as activity: counted here, kept in the log of decisions."""
    event = Event("", "", "", at, agent_id, "decision", action[:LONGEST_NAME], resource[:LONGEST_RESOURCE])
    return Sighting(agent_id, event if allowed else replace(event, outcome=DENIED))


async def new_keys(tx: Tx, rows: Sequence[tuple[object, ...]]) -> set[str]:
    """Insert rows; the keys of those that were not there."""
    if tx.backend != "sqlite":
        done = await tx.all(f"{EVENTS.arrays} RETURNING key", *by_column(rows))
        return {row["key"] for row in done}
    # One writer at a time: what is not there now is not there when it is inserted either.
    keys = [str(row[0]) for row in rows]
    there = await tx.all(f"SELECT key FROM sb_activity WHERE key {among('sqlite')}", listed("sqlite", keys))
    known = {row["key"] for row in there}
    await tx.many(EVENTS.single, [row for row in rows if row[0] not in known])
    return set(keys) - known


async def write(tx: Tx, seen: Sequence[Sighting], now: int) -> set[str]:
    """Keep events, each key once, and count the new ones; their keys."""
    kept = {one.event.key: one for one in seen if one.event.key}
    # In one order, so that two processes with the same events wait for each other at most once.
    rows = [
        (
            key,
            event.source,
            event.event_id,
            event.at,
            now,
            one.agent_id,
            event.kind,
            event.action,
            event.resource,
            event.tool,
            event.outcome,
            event.origin,
            event.cost,
        )
        for key, one in sorted(kept.items())
        for event in (one.event,)
    ]
    fresh = await new_keys(tx, rows) if rows else set()
    counted = [one for one in seen if not one.event.key]
    counted += [one for key, one in kept.items() if key in fresh]
    add_up(tx, counted)
    return fresh


def add_up(tx: Tx, seen: Sequence[Sighting]) -> None:
    """Add events to the sums of their agents and hours."""
    hours: dict[tuple[str, int], list[int]] = {}
    parts: dict[tuple[str, int, str], dict[str, int]] = {}
    last: dict[str, int] = {}
    for one in seen:
        event, agent_id = one.event, one.agent_id
        hour = hour_of(event.at)
        sums = hours.setdefault((agent_id, hour), [0, 0, 0, 0])
        sums[0] += 1
        sums[1] += event.outcome == DENIED
        sums[2] += event.outcome == ERROR
        sums[3] += event.cost
        for part, value in values_of(event):
            found = parts.setdefault((agent_id, hour, part), {})
            value = value if value in found or len(found) < MOST_VALUES else OTHERS
            found[value] = found.get(value, 0) + 1
        if event.at > last.get(agent_id, 0):
            last[agent_id] = event.at
    tx.add_all(TOUCHED, [(agent_id, at, 1, 0) for agent_id, at in sorted(last.items())])
    tx.add_all(HOURS, [(*key, *sums) for key, sums in sorted(hours.items())])
    tx.add_all(
        PARTS,
        [
            (*key, value, count)
            for key, found in sorted(parts.items())
            for value, count in sorted(found.items())
        ],
    )


def values_of(event: Event) -> list[tuple[str, str]]:
    """What an event is counted by: its action, and the family of its resource, its tool and origin if any."""
    found = [(ACTION, event.action)]
    if event.resource:
        found.append((RESOURCE, family(event.resource)))
    if event.tool:
        found.append((TOOL, event.tool))
    if event.origin:
        found.append((ORIGIN, event.origin))
    return found


async def forget(tx: Tx, received: int, hour: int, most: int) -> int:
    """Delete up to `most` events received before an instant, and sums of hours before `hour`; how many rows.

    Sums that were not judged yet stay.
    """
    chosen = "SELECT key FROM sb_activity WHERE received < ? ORDER BY received LIMIT ?"
    gone = await tx.run(f"DELETE FROM sb_activity WHERE key IN ({chosen})", received, most)
    for table, keys in (
        ("sb_activity_hour", "agent_id, hour"),
        ("sb_activity_part", "agent_id, hour, part, value"),
    ):
        old = f"SELECT {keys} FROM {table} WHERE hour < ? LIMIT ?"
        gone += await tx.run(f"DELETE FROM {table} WHERE ({keys}) IN ({old})", hour, most)
    return gone


async def totals(reader: Reader, agent_id: str, since: int) -> Mapping[str, int]:
    """What an agent did since an hour, summed."""
    row = await reader.one(
        "SELECT COALESCE(SUM(events), 0) AS events, COALESCE(SUM(denied), 0) AS denied,"
        " COALESCE(SUM(errors), 0) AS errors, COALESCE(SUM(cost), 0) AS cost"
        " FROM sb_activity_hour WHERE agent_id = ? AND hour >= ?",
        agent_id,
        since,
    )
    return {name: int(row[name]) for name in ("events", "denied", "errors", "cost")} if row else {}
