"""The sealer: gives committed rows their place in the chain and signs a checkpoint.

Writers never wait for the chain; one sealer at a time does, in a transaction of its own. A row that somebody damaged
before it came here has its place, too, and a row that was taken out of its place gets no other: neither may keep the
rows behind it waiting, and verification names both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.audit.export import LAST_PLACE
from scim_bridge.audit.model import CHECKPOINT_TYPE, GENESIS, HASHED, merkle_root, odd_hash, row_hash
from scim_bridge.kernel.crypto import MasterKey, signing_key
from scim_bridge.kernel.work import SYSTEM, Store, Work

BATCH = 5000
LOCK = 7_264_001
# One with a hash had its place, and somebody took it: given another, it would pass for a new row.
WAITING = "SELECT {} FROM sb_audit WHERE seq IS NULL AND hash IS NULL ORDER BY id LIMIT ?"
PLACE = "UPDATE sb_audit SET seq = ?, prev = ?, hash = ? WHERE id = ?"
PLACE_ODD = "UPDATE sb_audit SET seq = ?, prev = ?, hash = ? WHERE CAST(id AS BLOB) = ?"


async def seal(store: Store, master: MasterKey) -> int:
    """Seal every row that waits; how many were sealed."""
    sealed = 0
    while True:
        count = await store.transact(SYSTEM, lambda work: _seal_batch(work, master))
        sealed += count
        if count < BATCH:
            return sealed


async def _seal_batch(work: Work, master: MasterKey) -> int:
    work.bookkeeping("sealing adds no event")
    if work.tx.backend == "postgresql":
        await work.tx.one("SELECT pg_advisory_xact_lock(?)", LOCK)
    rows = await _waiting(work)
    if not rows:
        return 0
    seq, prev = await _end(work)
    first = seq + 1
    updates: list[tuple[int, str, str, str | bytes]] = []
    hashes: list[str] = []
    for row in rows:
        seq += 1
        digest = _hash(row, seq, prev)
        updates.append((seq, prev, digest, row["id"]))
        hashes.append(digest)
        prev = digest
    await work.tx.many(PLACE, [one for one in updates if isinstance(one[3], str)])
    if odd := [one for one in updates if not isinstance(one[3], str)]:
        await work.tx.many(PLACE_ODD, odd)
    await _checkpoint(work, master, first, seq, prev, hashes)
    return len(rows)


async def _waiting(work: Work) -> Sequence[Mapping[str, Any]]:
    """Rows that have no place yet, the oldest first."""
    try:
        return list(await work.tx.all(WAITING.format(", ".join(HASHED)), BATCH))  # type: ignore[arg-type]
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    columns = ", ".join(f"CAST({name} AS BLOB) AS {name}, typeof({name}) AS {name}_is" for name in HASHED)
    return [_read(row) for row in await work.tx.all(WAITING.format(columns), BATCH)]


def _read(row: Any) -> Mapping[str, Any]:
    """A row read as bytes, as it would have been read; a text that is no UTF-8 stays bytes."""
    found: dict[str, Any] = {}
    for name in HASHED:
        value, kind = row[name], row[f"{name}_is"]
        if value is not None and kind != "blob":
            try:
                text = bytes(value).decode()
                value = {"integer": int, "real": float}.get(kind, str)(text)
            except UnicodeDecodeError:
                value = bytes(value)
        found[name] = value
    return found


async def _end(work: Work) -> tuple[int, str]:
    """Where the chain ends: behind the last row, and behind what a checkpoint vouches for though its row is gone."""
    last = await work.tx.one(
        f"SELECT seq, hash FROM sb_audit WHERE seq > 0 AND seq <= {LAST_PLACE} ORDER BY seq DESC LIMIT 1"
    )
    mark = await work.tx.one(
        f"SELECT last_seq FROM sb_checkpoint WHERE last_seq <= {LAST_PLACE} ORDER BY last_seq DESC LIMIT 1"
    )
    seq, prev = (0, GENESIS) if last is None else (last["seq"], last["hash"])
    end = int(max(seq, 0 if mark is None else mark["last_seq"]))
    return end, prev if isinstance(prev, str) else GENESIS


def _hash(row: Mapping[str, Any], seq: int, prev: str) -> str:
    try:
        return row_hash(row, seq, prev)
    except TypeError:
        return odd_hash(row, seq, prev)


async def _checkpoint(
    work: Work, master: MasterKey, first: int, last: int, tip: str, hashes: list[str]
) -> None:
    key = await signing_key(work, master, "audit")
    root = merkle_root(hashes)
    stated = {"first_seq": first, "last_seq": last, "last_hash": tip, "root": root, "at": work.now}
    await work.tx.run(
        "INSERT INTO sb_checkpoint (first_seq, last_seq, last_hash, root, at, statement) VALUES (?, ?, ?, ?, ?, ?)",
        first,
        last,
        tip,
        root,
        work.now,
        key.sign(stated, CHECKPOINT_TYPE),
    )
