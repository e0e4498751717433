"""What tests of moving need: the key of their databases, and everything in one."""

from __future__ import annotations

import json
from typing import Any

from scim_bridge.moving import sides

KEY = bytes(range(32))


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a database, without what a move itself adds."""
    side = sides.opened(url)
    try:
        return {
            table: sorted(
                (
                    row
                    for chunk in side.rows(f'SELECT {sides.quoted(columns)} FROM "{table}"')
                    for row in chunk
                    if "database.copied" not in row and "database.restored" not in row
                ),
                key=repr,
            )
            for table, columns in side.tables().items()
        }
    finally:
        side.close()
