"""Where the master key's seals and digests rest, in every room, and what of that still needs another key.

A composition module like `app.py`: rooms do not know each other's tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.master_key import MasterKey, Tampered
from scim_bridge.kernel.resealing import Sealed, sealed_anew

# Where sealed values rest. A test finds columns of bytes that are missing here.
SEALED = (
    Sealed("sb_key", "kid", "private", lambda kid: f"sb_key:{kid}:private"),
    Sealed("sb_connection", "id", "secrets", lambda row: f"sb_connection:{row}:secrets"),
    Sealed("sb_ssf_stream", "connection_id", "secrets", lambda row: f"sb_ssf_stream:{row}:secrets"),
    Sealed("sb_own_secret", "id", "sealed", lambda row: f"sb_own_secret:{row}:sealed"),
    Sealed("sb_tx_stream", "id", "secrets", lambda row: f"sb_tx_stream:{row}:secrets"),
    Sealed("sb_session", "id", "id_token", lambda row: f"sb_session:{row}:id_token"),
    Sealed("sb_rotation", "id", "sealed", lambda row: f"sb_rotation:{row}:sealed"),
    Sealed(
        "sb_effect",
        "id",
        "payload",
        lambda row: row,
        # Also those that were given up: somebody may have them tried again.
        where="kind = 'notify' AND state IN ('pending', 'handed', 'dead')",
        inside=lambda said: [
            (name, f"notify:{said['to']['id']}:{name}")
            for name in (said.get("private") or {})
            if said.get("to")
        ],
    ),
)
# Columns of bytes that hold nothing sealed.
CLEAR = (("sb_resource", "doc"), ("sb_resource", "rendered"), ("sb_baseline", "state"))
# Sealed, and gone within a day: long before the key they were sealed with is retired, unless somebody insists.
PASSING = (("sb_api_answer", "answer"),)
# Keyed digests that name their key themselves (`kernel/peppered.py`).
STATED = (("sb_ssf_stream", "connection_id", "push_digest"), ("sb_listener", "name", "proof"))


@dataclass(frozen=True, slots=True)
class Left:
    """What still needs another key than the current one."""

    sealed: int
    unreadable: int
    tokens: tuple[str, ...]
    secrets: tuple[str, ...]
    headers: tuple[str, ...]

    @property
    def digests(self) -> int:
        """How many digests wait for their value to be shown."""
        return len(self.tokens) + len(self.secrets) + len(self.headers)


async def left(ctx: Context, master: MasterKey) -> Left:
    """What another key than the current one is still needed for."""
    reads, now = ctx.store.reads, ctx.store.clock.now()
    sealed = unreadable = 0
    for place in SEALED:
        for stale, broken in await _stale(reads, master, place):
            sealed, unreadable = sealed + stale, unreadable + broken
    tokens = await reads.all(
        "SELECT id FROM sb_token WHERE digest_key <> ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)"
        " ORDER BY id",
        master.kid,
        now,
    )
    secrets = await reads.all(
        "SELECT id FROM sb_oauth_secret WHERE digest_key <> ? AND revoked IS NULL AND expires > ? ORDER BY id",
        master.kid,
        now,
    )
    headers = []
    for table, key, column in STATED:
        rows = await reads.all(f"SELECT {key} AS key, {column} AS kept FROM {table} WHERE {column} <> ''")
        # Of several, the first is in use and the others are for what is under way.
        first = [(row["key"], row["kept"].split()[0]) for row in rows]
        headers += [
            f"{table}:{row}" for row, kept in first if ":" in kept and not kept.startswith(master.kid)
        ]
    return Left(
        sealed, unreadable, tuple(r["id"] for r in tokens), tuple(r["id"] for r in secrets), tuple(headers)
    )


async def _stale(reads: Reader, master: MasterKey, column: Sealed) -> list[tuple[int, int]]:
    """(sealed by another key, sealed by none that is loaded) for each row of a column."""
    rows = await reads.all(
        f"SELECT {column.key} AS key, {column.column} AS value FROM {column.table}"
        f" WHERE {column.column} IS NOT NULL{f' AND {column.where}' if column.where else ''}"
    )
    found = []
    for row in rows:
        try:
            found.append((int(sealed_anew(master, column, row["key"], row["value"]) is not None), 0))
        except Tampered:
            found.append((0, 1))
    return found


def needed(found: Left) -> str:
    """What still needs another key, in words."""
    parts = [
        (found.sealed, "sealed values"),
        (len(found.tokens), f"tokens not used since ({', '.join(found.tokens[:3])})"),
        (len(found.secrets), f"client secrets not used since ({', '.join(found.secrets[:3])})"),
        (len(found.headers), f"proofs not shown since ({', '.join(found.headers[:3])})"),
    ]
    said = ", ".join(f"{number} {what}" for number, what in parts if number)
    return f"Another master key is still needed for {said}."
