"""What the overview counts, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.departures.status import status
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.database import Reader

DAYS = 14
WEEKS = 12
# So many owners at risk are counted, and so many connections shown.
AT_RISK, CONNECTIONS = 100, 20


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is counted for the page."""

    now: int
    leaving: dict[str, Any]
    owners: list[dict[str, Any]]
    # Attestations that end by week from today, and the slowest departure (milliseconds) by day.
    due: dict[int, int]
    lapsed: int
    answers: dict[tuple[int, int], int]
    departures: dict[int, int]
    alerts: dict[str, int]
    dead: int
    runs: list[dict[str, Any]]


async def pulse(reader: Reader, now: int) -> Pulse:
    """All of it, at an instant."""
    return Pulse(
        now,
        await status(reader, now),
        await _at_risk(reader, now),
        {
            int(row["week"]): int(row["n"])
            for row in await reader.all(
                "SELECT (until - ?) / ? AS week, COUNT(*) AS n FROM sb_attestation"
                " WHERE ended IS NULL AND until > ? AND until <= ? GROUP BY 1",
                now // DAY * DAY,
                7 * DAY,
                now,
                now + WEEKS * 7 * DAY,
            )
        },
        await _count(reader, "SELECT COUNT(*) AS n FROM sb_agent WHERE attestation_state = 'lapsed'"),
        await _answers(reader, now),
        {
            int(row["day"]): int(row["slowest"])
            for row in await reader.all(
                "SELECT issued / ? AS day, MAX(milliseconds) AS slowest FROM sb_receipt WHERE issued > ? GROUP BY 1",
                DAY,
                now - DAYS * DAY,
            )
        },
        {
            row["severity"]: row["n"]
            for row in await reader.all(
                "SELECT severity, COUNT(*) AS n FROM sb_alert WHERE state = 'open' AND muted IS NULL"
                " GROUP BY severity"
            )
        },
        await _count(reader, "SELECT COUNT(*) AS n FROM sb_effect WHERE state = 'dead'"),
        await _last_runs(reader),
    )


async def _count(reader: Reader, sql: str, *values: Any) -> int:
    row = await reader.one(sql, *values)
    return 0 if row is None else int(row["n"])


async def _answers(reader: Reader, now: int) -> dict[tuple[int, int], int]:
    rows = await reader.all(
        "SELECT at / ? AS day, allowed, COUNT(*) AS n FROM sb_decision WHERE at >= ? GROUP BY 1, 2",
        DAY,
        (now // DAY - DAYS + 1) * DAY,
    )
    return {(int(row["day"]), int(row["allowed"])): row["n"] for row in rows}


async def _at_risk(reader: Reader, now: int) -> list[dict[str, Any]]:
    """Owners who left, are on leave, or leave within thirty days, with how many agents they own."""
    rows = await reader.all(
        # People first, who are fewer than what they own: SQLite takes a CROSS JOIN in the order it is written.
        "SELECT r.name, r.active, p.employment, p.leave_at, COUNT(*) AS agents FROM sb_person p"
        " CROSS JOIN sb_resource r CROSS JOIN sb_owner o CROSS JOIN sb_resource a"
        " WHERE r.id = p.id AND o.person_id = p.id AND o.role = 'owner' AND a.id = o.agent_id"
        " AND a.deleted IS NULL AND r.deleted IS NULL"
        " AND (r.active = 0 OR p.employment <> 'active' OR p.leave_at < ?)"
        " GROUP BY r.name, r.active, p.employment, p.leave_at ORDER BY agents DESC, r.name LIMIT ?",
        now + 30 * DAY,
        AT_RISK + 1,
    )
    return [dict(row) for row in rows]


async def _last_runs(reader: Reader) -> list[dict[str, Any]]:
    rows = await reader.all("SELECT id, name, kind FROM sb_connection ORDER BY name LIMIT ?", CONNECTIONS + 1)
    found = []
    for row in rows:
        run = await reader.one(
            "SELECT state, started, finished, reason, failed FROM sb_run WHERE connection_id = ?"
            " ORDER BY started DESC LIMIT 1",
            row["id"],
        )
        found.append({"name": row["name"], "kind": row["kind"], **(dict(run) if run is not None else {})})
    return found
