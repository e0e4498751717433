"""What a database holds: its schema, its size, and for each table its rows, its growth and what bounds it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from scim_bridge.kernel.clock import DAY, SystemClock
from scim_bridge.kernel.errors import NotFound
from scim_bridge.migrations import head, revision
from scim_bridge.moving.kept import TABLES
from scim_bridge.moving.sides import Side, file_of, opened, told_plainly

UNKNOWN = "nobody has said: tell us"


@told_plainly()
def status(url: str, now: int | None = None) -> dict[str, Any]:
    """Everything as one record; `bytes` is the size on the disk, indexes included, None where it is not known.

    Rows are counted, which on a large PostgreSQL database takes seconds; nothing is changed.
    """
    found = revision(url)
    if not found:
        raise NotFound(
            "database-missing", "There is no database of scim-bridge.", "Name it with --database-url."
        )
    now = SystemClock().now() if now is None else now
    with closing(opened(url)) as side:
        sizes = _sizes(side)
        tables = [_table(side, name, columns, sizes, now) for name, columns in side.tables().items()]
        total = _total(side, url)
    return {
        "backend": side.backend,
        "schema": found,
        "needs": head(),
        "bytes": total,
        "rows": sum(int(table["rows"]) for table in tables),
        "tables": tables,
    }


def _table(
    side: Side, name: str, columns: tuple[str, ...], sizes: dict[str, int], now: int
) -> dict[str, Any]:
    kept = TABLES.get(name)
    rows = int(side.one(f'SELECT COUNT(*) FROM "{name}"')[0])
    day = None
    if kept is not None and kept.at in columns:
        day = int(side.one(f'SELECT COUNT(*) FROM "{name}" WHERE "{kept.at}" > ?', now - DAY)[0])
    return {
        "table": name,
        "rows": rows,
        "bytes": sizes.get(name),
        "last day": day,
        "grows with": kept.grows_with if kept else UNKNOWN,
        "bounded by": kept.bound if kept else UNKNOWN,
    }


def _sizes(side: Side) -> dict[str, int]:
    """Bytes of each table with its indexes; empty where SQLite was built without dbstat."""
    if side.backend == "postgresql":
        return {
            name: int(side.one("SELECT pg_total_relation_size(to_regclass(?))", name)[0])
            for name in side.tables()
        }
    if side.one("SELECT 1 FROM pragma_compile_options WHERE compile_options = 'ENABLE_DBSTAT_VTAB'") is None:
        return {}
    return {
        str(name): int(size)
        for chunk in side.rows(
            "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat('main', 1) s JOIN sqlite_master m ON m.name = s.name"
            " GROUP BY m.tbl_name"
        )
        for name, size in chunk
    }


def _total(side: Side, url: str) -> int:
    file = file_of(url)
    if file is not None:
        return file.stat().st_size
    return int(side.one("SELECT pg_database_size(current_database())")[0])
