"""What pages asked a worker to do: how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader

OPEN = ("pending", "handed")


@dataclass(frozen=True, slots=True)
class Asked:
    """Something a worker was asked to do: how far it is, what came of it, or why it did not."""

    id: str
    kind: str
    state: str
    attempts: int
    error: str
    result: Mapping[str, Any]
    created: int
    next_at: int
    settled: int | None

    @property
    def open(self) -> bool:
        """True until it is done or given up."""
        return self.state in OPEN

    @property
    def failed(self) -> bool:
        """True when it was given up."""
        return self.state in ("dead", "dropped")

    @property
    def progress(self) -> Mapping[str, Any]:
        """How far it is, as far as it tells."""
        found = self.result.get("progress")
        return found if self.open and isinstance(found, dict) else {}


_COLUMNS = "id, kind, state, attempts, last_error, result, created, next_at, settled"


def _asked(row: Any) -> Asked:
    return Asked(
        row["id"],
        row["kind"],
        row["state"],
        row["attempts"],
        row["last_error"] or "",
        orjson.loads(row["result"]) if row["result"] else {},
        row["created"],
        row["next_at"],
        row["settled"],
    )


async def asked_for(reader: Reader, effect_id: str, lane: str) -> Asked | None:
    """What was asked for under this id in this lane; None for anything else."""
    row = await reader.one(f"SELECT {_COLUMNS} FROM sb_effect WHERE id = ? AND lane = ?", effect_id, lane)
    return None if row is None else _asked(row)


async def effect_named(reader: Reader, effect_id: str) -> Asked | None:
    """An effect that something else named."""
    row = await reader.one(f"SELECT {_COLUMNS} FROM sb_effect WHERE id = ?", effect_id)
    return None if row is None else _asked(row)


async def newest_of(reader: Reader, subject_id: str, kinds: tuple[str, ...]) -> dict[str, Asked]:
    """The newest of each kind that was asked for about a subject."""
    found: dict[str, Asked] = {}
    for kind in kinds:
        row = await reader.one(
            f"SELECT {_COLUMNS} FROM sb_effect WHERE subject_id = ? AND kind = ? ORDER BY created DESC, id DESC"
            " LIMIT 1",
            subject_id,
            kind,
        )
        if row is not None:
            found[kind] = _asked(row)
    return found
