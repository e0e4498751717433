"""Who was asked, and what became of it."""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.database import Reader


async def requests(
    reader: Reader, now: int, agent_id: str | None = None, limit: int = 50, before: str | None = None
) -> list[dict[str, Any]]:
    """The newest requests: agent, whom, by whom, until when, and state (open, expired, answered, replaced).

    `before`: older than the one with this id.
    """
    asked = (("q.agent_id = ?", agent_id), ("q.id < ?", before))
    tests = [test for test, value in asked if value is not None]
    values = [value for _, value in asked if value is not None]
    where = f"WHERE {' AND '.join(tests)} " if tests else ""
    rows = await reader.all(
        "SELECT q.id, a.slug, COALESCE(p.name, q.person_id) AS person, q.created_by, q.created, q.expires,"
        " q.closed_why FROM sb_attestation_request q"
        " LEFT JOIN sb_agent a ON a.id = q.agent_id LEFT JOIN sb_resource p ON p.id = q.person_id"
        f" {where}ORDER BY q.id DESC LIMIT ?",
        *values,
        limit,
    )
    return [
        {
            "id": row["id"],
            "agent": row["slug"],
            "to": row["person"],
            "by": row["created_by"],
            "created": row["created"],
            "expires": row["expires"],
            "state": row["closed_why"] or ("open" if row["expires"] > now else "expired"),
        }
        for row in rows
    ]
