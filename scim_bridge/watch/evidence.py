"""Which events stand behind a finding: a few ids that somebody can look up at the sender."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.database import Reader
from scim_bridge.watch.activity_model import DENIED, family
from scim_bridge.watch.baseline_model import (
    CONCURRENCY,
    DENIALS,
    NEW_ACTION,
    NEW_RESOURCE,
    UNDECLARED,
    Finding,
    Known,
)

READ = 2_000
SHOWN = 10

Fits = Callable[[Any], bool]


async def evidence_for(reader: Reader, agent_id: str, found: Finding, known: Known) -> list[str]:
    """Ids of events of the hour that fit the finding: "source event-id", or "decision id"."""
    begin, end = found.hour * HOUR, (found.hour + 1) * HOUR
    rows = await reader.all(
        "SELECT source, event_id, action, resource, tool, outcome, origin FROM sb_activity"
        " WHERE agent_id = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?",
        agent_id,
        begin,
        end,
        READ,
    )
    fits = _fits(found, known)
    ids = [f"{row['source']} {row['event_id']}" for row in rows if fits(row)][:SHOWN]
    if len(ids) < SHOWN and found.kind not in (UNDECLARED, CONCURRENCY):
        ids += await _decisions(reader, agent_id, begin, end, fits)
    return ids[:SHOWN]


async def _decisions(reader: Reader, agent_id: str, begin: int, end: int, fits: Fits) -> list[str]:
    rows = await reader.all(
        "SELECT id, action, resource_type, resource_id, allowed FROM sb_decision"
        " WHERE agent_id = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?",
        agent_id,
        begin,
        end,
        READ,
    )
    return [f"decision {row['id']}" for row in rows if fits(_as_event(row))]


def _as_event(row: Any) -> Mapping[str, str]:
    return {
        "action": row["action"],
        "resource": f"{row['resource_type']}/{row['resource_id']}",
        "tool": "",
        "outcome": "ok" if row["allowed"] else DENIED,
        "origin": "",
    }


def _fits(found: Finding, known: Known) -> Fits:
    if found.kind == DENIALS:
        return lambda row: bool(row["outcome"] == DENIED)
    if found.kind == NEW_RESOURCE:
        return lambda row: bool(row["resource"]) and family(row["resource"]) not in known.resources
    if found.kind == NEW_ACTION:
        return lambda row: row["action"] not in known.actions
    if found.kind == UNDECLARED:
        return lambda row: bool(row["tool"] == found.subject)
    if found.kind == CONCURRENCY:
        origins = found.subject.split(" | ")
        return lambda row: row["origin"] in origins
    return lambda row: True
