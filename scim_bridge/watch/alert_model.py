"""One alert: how it is kept, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.clock import HOUR, iso
from scim_bridge.watch.baseline_model import KINDS, SEVERITIES

HOLD, THROTTLE = "hold", "throttle"
COLUMNS = (
    "l.id, l.agent_id, a.slug AS agent, l.kind, l.subject, l.severity, l.state, l.why, l.figures, l.evidence,"
    " l.first, l.last, l.hour, l.hours, l.muted, l.response, l.resolved, l.resolved_by, l.resolution"
)
FROM = "sb_alert l LEFT JOIN sb_agent a ON a.id = l.agent_id"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it is kept. `first`, `last` and `resolved` in microseconds; `response` is what was done."""

    id: str
    agent_id: str
    agent: str
    kind: str
    subject: str
    severity: str
    state: str
    why: str
    figures: Mapping[str, Any]
    evidence: Sequence[str]
    first: int
    last: int
    hour: int
    hours: int
    muted: str | None
    response: Sequence[str]
    resolved: int | None
    resolved_by: str | None
    resolution: str | None

    def shown(self) -> dict[str, Any]:
        """The alert for programs: instants as RFC 3339."""
        return {
            "id": self.id,
            "agent": {"id": self.agent_id, "slug": self.agent},
            "kind": self.kind,
            "subject": self.subject,
            "severity": self.severity,
            "state": self.state,
            "why": self.why,
            "figures": dict(self.figures),
            "evidence": list(self.evidence),
            "first": iso(self.first),
            "last": iso(self.last),
            "hours": self.hours,
            "muted": self.muted is not None,
            "response": list(self.response),
            **({"resolved": iso(self.resolved)} if self.resolved else {}),
            **({"resolvedBy": self.resolved_by, "resolution": self.resolution} if self.resolved_by else {}),
        }


def alert_of(row: Any) -> Alert:
    """A row of COLUMNS as a value."""
    told = {name: row[name] for name in Alert.__slots__}
    for name in ("figures", "evidence", "response"):
        told[name] = orjson.loads(told[name])
    return Alert(**{**told, "agent": told["agent"] or ""})


def example(alert_id: str, now: int) -> Alert:
    """A made-up alert, to try a route with."""
    why = "A test of this route: 480 events within the hour; 31.0 are usual at this hour of the week."
    figures = {"events": 480, "expected": 31.0}
    return Alert(
        alert_id,
        "",
        "support-triage",
        KINDS[0],
        "test",
        "medium",
        "open",
        why,
        figures,
        ("test event-1",),
        now,
        now,
        now // HOUR,
        1,
        None,
        (),
        None,
        None,
        None,
    )


def at_least(severity: str, least: str) -> bool:
    """Whether a severity reaches a threshold."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)
