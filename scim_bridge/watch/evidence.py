"""Which events stand behind a finding: a few ids that somebody can look up at the sender."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.clock import DAY, HOUR
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.watch.activity_model import DENIED, family
from scim_bridge.watch.alert_model import Alert
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
DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event behind an alert. `at` (microseconds) is None when the event itself is not kept any more."""

    source: str
    id: str
    at: int | None = None
    what: str = ""
    outcome: str = ""


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
    return [f"{DECISION} {row['id']}" for row in rows if fits(_as_event(row))]


async def shown_evidence(reader: Reader, of: Alert) -> list[Evidence]:
    """The events behind an alert as they are kept, in the order they were found."""
    named = [(source, event) for source, _, event in (one.rpartition(" ") for one in of.evidence)]
    known: dict[tuple[str, str], Evidence] = {}
    decisions = [event for source, event in named if source == DECISION]
    if decisions:
        rows = await reader.all(
            "SELECT id, at, action, resource_type, resource_id, allowed FROM sb_decision"
            f" WHERE id IN ({marks(len(decisions))})",
            *decisions,
        )
        for row in rows:
            told = _as_event(row)
            known[DECISION, row["id"]] = Evidence(
                DECISION, row["id"], row["at"], f"{told['action']} {told['resource']}", told["outcome"]
            )
    events = [event for source, event in named if source != DECISION]
    if events:
        rows = await reader.all(
            "SELECT source, event_id, at, action, resource, tool, outcome, origin FROM sb_activity"
            f" WHERE agent_id = ? AND at >= ? AND event_id IN ({marks(len(events))})",
            of.agent_id,
            of.first - DAY,
            *events,
        )
        for row in rows:
            parts = (row["action"], row["resource"], row["tool"], row["origin"])
            what = " · ".join(dict.fromkeys(part for part in parts if part))
            known[row["source"], row["event_id"]] = Evidence(
                row["source"], row["event_id"], row["at"], what, row["outcome"]
            )
    return [known.get(name, Evidence(*name)) for name in named]


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
        tools = frozenset(found.about or (found.subject,))
        return lambda row: row["tool"] in tools
    if found.kind == CONCURRENCY:
        origins = frozenset(found.about or found.subject.split(" | "))
        return lambda row: row["origin"] in origins
    return lambda row: True
