"""What an IdP itself finds wrong with agents, as it was last read there: shown, and never acted upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an IdP finds wrong with an agent: its code there, and its words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class KeptFinding:
    """A finding with the names of where it is from and whom it is about. `since`: when it was first read."""

    connection: str
    slug: str
    finding: Finding
    since: int


_KEPT = (
    "SELECT c.name AS connection, a.slug, f.code, f.message, f.since FROM sb_finding f"
    " JOIN sb_connection c ON c.id = f.connection_id JOIN sb_agent a ON a.id = f.agent_id"
    " JOIN sb_resource r ON r.id = f.agent_id WHERE r.deleted IS NULL AND "
)


async def findings_at(
    reader: Reader, connection_id: str, *, limit: int = 200, after: tuple[str, str] | None = None
) -> list[KeptFinding]:
    """What the tenant of a connection finds wrong, by agent; `after`: behind that agent and code."""
    behind = "" if after is None else " AND (a.slug, f.code) > (?, ?)"
    rows = await reader.all(
        f"{_KEPT}f.connection_id = ?{behind} ORDER BY a.slug, f.code LIMIT ?",
        *(connection_id, *(after or ()), limit),
    )
    return [_kept(row) for row in rows]


async def findings_of(reader: Reader, agent_id: str) -> list[KeptFinding]:
    """What any tenant finds wrong with one agent."""
    rows = await reader.all(f"{_KEPT}f.agent_id = ? ORDER BY c.name, f.code", agent_id)
    return [_kept(row) for row in rows]


def _kept(row: Any) -> KeptFinding:
    return KeptFinding(row["connection"], row["slug"], Finding(row["code"], row["message"]), row["since"])


async def keep_findings(work: Work, connection_id: str, found: Mapping[str, Sequence[Finding]]) -> None:
    """Put what was read of every agent, by agent id, in place of what was known."""
    work.bookkeeping("what an IdP finds wrong with agents was read again")
    rows = await work.tx.all(
        "DELETE FROM sb_finding WHERE connection_id = ? RETURNING agent_id, code, since", connection_id
    )
    since = {(row["agent_id"], row["code"]): row["since"] for row in rows}
    await work.tx.many(
        "INSERT INTO sb_finding (connection_id, agent_id, code, message, since) VALUES (?, ?, ?, ?, ?)",
        [
            (connection_id, agent, one.code, one.message, since.get((agent, one.code), work.now))
            for agent, findings in sorted(found.items())
            for one in {one.code: one for one in findings}.values()
        ],
    )
