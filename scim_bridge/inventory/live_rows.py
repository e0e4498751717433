"""Rows of what is live, read in statements that do not grow with what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed

CHUNK = 400


async def live_rows(reader: Reader, ids: Iterable[str], columns: str) -> dict[str, Any]:
    """Rows of live resources by id."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    rows = await reader.all(
        f"SELECT id, {columns} FROM sb_resource WHERE id {among(reader.backend)} AND deleted IS NULL",
        listed(reader.backend, wanted),
    )
    return {row["id"]: row for row in rows}


def chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many at once as one statement takes."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
