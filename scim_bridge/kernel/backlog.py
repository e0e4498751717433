"""What waits to be sent outward, in figures: for metrics, `/readyz` and the console."""

from __future__ import annotations

from typing import Any


async def backlog(reader: Any) -> dict[str, int]:
    """How many effects are in each open state."""
    rows = await reader.all(
        "SELECT state, COUNT(*) AS n FROM sb_effect WHERE state IN ('pending', 'handed', 'dead') GROUP BY state"
    )
    return {row["state"]: row["n"] for row in rows}


async def lag(reader: Any, now: int) -> int:
    """Microseconds for which the open effect that waits longest has been due; 0 when none waits."""
    row = await reader.one(
        "SELECT MIN(next_at) AS at FROM sb_effect WHERE state IN ('pending', 'handed') AND next_at <= ?", now
    )
    return 0 if row["at"] is None else int(now - row["at"])
