"""Mappings as they are kept: rows by connection, changed as a whole, audited."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.mapping import Row


async def mapping_rows(reader: Reader, connection_id: str) -> list[Row]:
    """The rows of a connection's mapping in their order; none where the adapter's own writing stands."""
    rows = await reader.all(
        "SELECT target, source, direction, condition FROM sb_mapping WHERE connection_id = ? ORDER BY seq",
        connection_id,
    )
    return [Row(row["target"], row["source"], row["direction"], row["condition"]) for row in rows]


async def keep_mapping(work: Work, connection: Connection, rows: Sequence[Row]) -> bool:
    """Make these the rows of a connection; False when they are already. They must have been checked."""
    before = await mapping_rows(work.tx, connection.id)
    if before == list(rows):
        work.bookkeeping("the mapping is already as asked")
        return False
    await work.tx.run("DELETE FROM sb_mapping WHERE connection_id = ?", connection.id)
    await work.tx.many(
        "INSERT INTO sb_mapping (connection_id, seq, target, source, direction, condition)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (connection.id, seq, row.target, row.source, row.direction, row.when)
            for seq, row in enumerate(rows)
        ],
    )
    detail = {
        "connection": connection.name,
        "before": [_shown(row) for row in before if row not in rows],
        "after": [_shown(row) for row in rows if row not in before],
        "rows": len(rows),
    }
    await record(work, "mapping.changed", "connection", connection.id, detail, connection_id=connection.id)
    work.touched("connection", connection.id)
    return True


def _shown(row: Row) -> str:
    when = f" when {row.when}" if row.when else ""
    return f"{row.target} ({row.direction}) = {row.source}{when}"
