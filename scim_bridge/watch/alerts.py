"""Alerts: opened once for an agent, kind and subject, seen again, resolved by somebody; found and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.throttles import release_throttle
from scim_bridge.watch.alert_model import COLUMNS, FROM, HOLD, THROTTLE, Alert, alert_of, at_least
from scim_bridge.watch.baseline_model import Finding

SOURCE = "watch"
MOST_EVIDENCE = 20


async def open_alert(reader: Reader, agent_id: str, found: Finding) -> Alert | None:
    """The open alert that a finding belongs to."""
    row = await reader.one(
        f"SELECT {COLUMNS} FROM {FROM} WHERE l.agent_id = ? AND l.kind = ? AND l.subject = ? AND l.state = 'open'",
        agent_id,
        found.kind,
        found.subject,
    )
    return None if row is None else alert_of(row)


async def settled(reader: Reader, agent_id: str, found: Finding) -> bool:
    """Whether somebody has resolved this finding already: the hour it was seen in still runs."""
    row = await reader.one(
        "SELECT 1 AS x FROM sb_alert WHERE agent_id = ? AND kind = ? AND subject = ? AND state = 'resolved'"
        " AND hour >= ? LIMIT 1",
        agent_id,
        found.kind,
        found.subject,
        found.hour,
    )
    return row is not None


async def add_alert(
    work: Work, agent_id: str, found: Finding, evidence: Sequence[str], muted: str | None
) -> str:
    """Open an alert, with its audit row; its id."""
    alert_id = work.ids.new()
    work.tx.later(
        "INSERT INTO sb_alert (id, agent_id, kind, subject, severity, state, why, figures, evidence, first, last,"
        " hour, hours, muted, response) VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, 1, ?, '[]')",
        alert_id,
        agent_id,
        found.kind,
        found.subject,
        found.severity,
        found.why,
        orjson.dumps(dict(found.figures)).decode(),
        orjson.dumps(list(evidence)[:MOST_EVIDENCE]).decode(),
        work.now,
        work.now,
        found.hour,
        muted,
    )
    detail = {"alert": alert_id, "kind": found.kind, "severity": found.severity, "why": found.why}
    await record(work, "alert.opened", "agent", agent_id, detail)
    return alert_id


async def seen_again(
    work: Work, alert: Alert, found: Finding, evidence: Sequence[str], muted: str | None
) -> None:
    """The same is odd again, or still: the newest words and figures, the graver severity, all evidence."""
    graver = found.severity if at_least(found.severity, alert.severity) else alert.severity
    merged = list(dict.fromkeys([*alert.evidence, *evidence]))[:MOST_EVIDENCE]
    await work.tx.run(
        "UPDATE sb_alert SET why = ?, figures = ?, evidence = ?, severity = ?, last = ?, hour = ?, hours = ?,"
        " muted = ? WHERE id = ?",
        found.why,
        orjson.dumps(dict(found.figures)).decode(),
        orjson.dumps(merged).decode(),
        graver,
        work.now,
        max(found.hour, alert.hour),
        alert.hours + (found.hour > alert.hour),
        muted,
        alert.id,
    )


async def alerts(
    reader: Reader,
    *,
    state: str = "",
    agent_id: str = "",
    kind: str = "",
    limit: int = 100,
    before: tuple[int, str] | None = None,
    muted: bool | None = None,
) -> list[Alert]:
    """Alerts, those seen last first; `before`: those seen before that instant (and id).

    `muted`: only those that are muted, or only those that are not.
    """
    where: list[str] = ["1 = 1"]
    values: list[Any] = []
    if before is not None:
        where.append("(l.last, l.id) < (?, ?)")
        values += before
    for column, value in (("state", state), ("agent_id", agent_id), ("kind", kind)):
        if value:
            where.append(f"l.{column} = ?")
            values.append(value)
    if muted is not None:
        where.append(f"l.muted IS {'NOT ' if muted else ''}NULL")
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM {FROM} WHERE {' AND '.join(where)} ORDER BY l.last DESC, l.id DESC LIMIT ?",
        *values,
        limit,
    )
    return [alert_of(row) for row in rows]


async def open_counts(reader: Reader) -> dict[str, int]:
    """How many open alerts there are of each severity; those that are muted under "muted" alone."""
    rows = await reader.all(
        "SELECT severity, muted IS NOT NULL AS quiet, COUNT(*) AS n FROM sb_alert WHERE state = 'open'"
        " GROUP BY severity, muted IS NOT NULL"
    )
    found = {row["severity"]: int(row["n"]) for row in rows if not row["quiet"]}
    muted = sum(int(row["n"]) for row in rows if row["quiet"])
    return {**found, "muted": muted} if muted else found


async def alert(reader: Reader, alert_id: str) -> Alert:
    """One alert by its id, or by the end of it when that is clear; NotFound otherwise."""
    # What cannot be in an id cannot always be asked for: PostgreSQL takes no NUL, nobody a lone surrogate.
    rows: Sequence[Any] = []
    if alert_id.isascii() and alert_id.isprintable():
        rows = await reader.all(f"SELECT {COLUMNS} FROM {FROM} WHERE l.id = ?", alert_id)
    if not rows and alert_id.isascii() and len(alert_id) >= 6 and alert_id.replace("-", "").isalnum():
        rows = await reader.all(
            f"SELECT {COLUMNS} FROM {FROM} WHERE l.id LIKE ? ORDER BY l.id DESC LIMIT 2", f"%{alert_id}"
        )
    if len(rows) != 1:
        raise NotFound(
            "alert-unknown", f"There is no alert {alert_id[:64]!r}.", "See `scim-bridge alerts list`."
        )
    return alert_of(rows[0])


async def resolve(work: Work, alert_id: str, reason: str, *, by_rule: bool = False) -> Alert:
    """End an alert; its hold or throttle is released with the last alert that asked for one. Refused when it is over.

    `by_rule`: nobody decided it, the oddity did not come back.
    """
    found = await alert(work.tx, alert_id)
    moved = await work.tx.run(
        "UPDATE sb_alert SET state = 'resolved', resolved = ?, resolved_by = ?, resolution = ?"
        " WHERE id = ? AND state = 'open'",
        work.now,
        work.actor.name,
        reason,
        found.id,
    )
    if not moved:
        raise Refused("alert-resolved", f"The alert is {found.state}.", "See `scim-bridge alerts list`.")
    detail = {"alert": found.id, "kind": found.kind, "reason": reason, "byRule": by_rule}
    await record(work, "alert.resolved", "agent", found.agent_id, detail)
    others = await _done_by_others(work.tx, found.agent_id) if found.response else set()
    if HOLD in found.response and HOLD not in others:
        await release_hold(work, found.agent_id, SOURCE, f"alert resolved: {reason}")
    if THROTTLE in found.response and THROTTLE not in others:
        await release_throttle(work, found.agent_id, SOURCE, f"alert resolved: {reason}")
    return await alert(work.tx, found.id)


async def _done_by_others(reader: Reader, agent_id: str) -> set[str]:
    """What the agent's other open alerts did."""
    rows = await reader.all(
        "SELECT response FROM sb_alert WHERE agent_id = ? AND state = 'open' AND response <> '[]'", agent_id
    )
    return {done for row in rows for done in orjson.loads(row["response"])}


async def quiet(reader: Reader, before: int, limit: int) -> list[str]:
    """Open alerts not seen since an instant that hold nobody: what they told of did not come back."""
    rows = await reader.all(
        "SELECT id, response FROM sb_alert WHERE state = 'open' AND last < ? ORDER BY last LIMIT ?",
        before,
        limit,
    )
    return [row["id"] for row in rows if HOLD not in orjson.loads(row["response"])]


async def held_lately(reader: Reader, now: int) -> int:
    """How many agents were held by an alert within the last hour."""
    row = await reader.one(
        "SELECT COUNT(*) AS n FROM sb_hold WHERE source = ? AND placed > ?", SOURCE, now - HOUR
    )
    return int(row["n"]) if row is not None else 0


async def held_by_alert(reader: Reader, agent_id: str) -> bool:
    """Whether an alert holds this agent now."""
    row = await reader.one(
        "SELECT 1 AS x FROM sb_hold WHERE agent_id = ? AND source = ? AND released IS NULL LIMIT 1",
        agent_id,
        SOURCE,
    )
    return row is not None
