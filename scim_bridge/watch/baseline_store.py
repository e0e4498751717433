"""Reading an agent's hours and what it is known for; writing what was learnt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.database import Reader, Tx
from scim_bridge.kernel.rows import Insert, among, listed
from scim_bridge.watch.activity_store import ACTION, ORIGIN, RESOURCE, TOOL
from scim_bridge.watch.baseline_model import TOGETHER, Hour, Known
from scim_bridge.watch.baseline_novelty import at_once

# What one look at an agent reads; the next look goes on.
MOST_HOURS = 24 * 45
MOST_ACTS = 5_000
KNOWN = Insert(
    "sb_baseline_known",
    "agent_id text, part text, value text, first bigint, last bigint",
    "ON CONFLICT (agent_id, part, value) DO UPDATE SET last = excluded.last",
)


async def hours_since(reader: Reader, agent_id: str, hour: int) -> list[Hour]:
    """The hours in which an agent did something, from one on, in order."""
    rows = await reader.all(
        "SELECT hour, events, denied FROM sb_activity_hour WHERE agent_id = ? AND hour >= ? ORDER BY hour LIMIT ?",
        agent_id,
        hour,
        MOST_HOURS,
    )
    if not rows:
        return []
    parts = await _parts(reader, agent_id, rows[0]["hour"], rows[-1]["hour"])
    found = []
    for row in rows:
        at = row["hour"]
        of = parts.get(at, {})
        together = await _together(reader, agent_id, at) if len(of.get(ORIGIN, ())) > 1 else ()
        found.append(
            Hour(
                at,
                row["events"],
                row["denied"],
                of.get(RESOURCE, {}),
                of.get(ACTION, {}),
                of.get(TOOL, {}),
                together,
            )
        )
    return found


async def _parts(
    reader: Reader, agent_id: str, first: int, last: int
) -> Mapping[int, Mapping[str, Mapping[str, int]]]:
    rows = await reader.all(
        "SELECT hour, part, value, events FROM sb_activity_part WHERE agent_id = ? AND hour >= ? AND hour <= ?",
        agent_id,
        first,
        last,
    )
    found: dict[int, dict[str, dict[str, int]]] = {}
    for row in rows:
        found.setdefault(row["hour"], {}).setdefault(row["part"], {})[row["value"]] = row["events"]
    return found


async def _together(reader: Reader, agent_id: str, hour: int) -> tuple[str, ...]:
    rows = await reader.all(
        "SELECT at, origin FROM sb_activity WHERE agent_id = ? AND at >= ? AND at < ? AND origin <> ''"
        " ORDER BY at LIMIT ?",
        agent_id,
        hour * HOUR,
        (hour + 1) * HOUR,
        MOST_ACTS,
    )
    return at_once((row["at"], row["origin"]) for row in rows)


def mentioned(hours: Iterable[Hour]) -> set[tuple[str, str]]:
    """Everything hours hold that an agent may be known for: (part, value)."""
    found: set[tuple[str, str]] = set()
    for seen in hours:
        found.update((RESOURCE, value) for value in seen.resources)
        found.update((ACTION, value) for value in seen.actions)
        found.update((TOGETHER, value) for value in seen.together)
    return found


async def known_of(reader: Reader, agent_id: str, asked: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (part, value) an agent is known for."""
    if not asked:
        return set()
    rows = await reader.all(
        f"SELECT part, value FROM sb_baseline_known WHERE agent_id = ? AND value {among(reader.backend)}",
        agent_id,
        listed(reader.backend, {value for _, value in asked}),
    )
    return {(row["part"], row["value"]) for row in rows}


def known(of: Iterable[tuple[str, str]]) -> Known:
    """The same as the rules read it."""
    parts: dict[str, set[str]] = {RESOURCE: set(), ACTION: set(), TOGETHER: set()}
    for part, value in of:
        parts[part].add(value)
    return Known(frozenset(parts[RESOURCE]), frozenset(parts[ACTION]), frozenset(parts[TOGETHER]))


def keep_known(tx: Tx, agent_id: str, learnt: Mapping[tuple[str, str], tuple[int, int]]) -> None:
    """Write what an agent is known for from now on, with the first and last hour it was seen in."""
    rows = [(agent_id, part, value, first, last) for (part, value), (first, last) in sorted(learnt.items())]
    tx.add_all(KNOWN, rows)


async def agents_due(reader: Reader, after: str, limit: int) -> Sequence[Any]:
    """Agents with activity that was not judged yet, in order of id."""
    rows = await reader.all(
        "SELECT agent_id FROM sb_baseline WHERE seq > judged AND agent_id > ? ORDER BY agent_id LIMIT ?",
        after,
        limit,
    )
    return [row["agent_id"] for row in rows]
