"""The sealer: gives committed rows their place in the chain and signs a checkpoint.

Writers never wait for the chain; one sealer at a time does, in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.audit.model import CHECKPOINT_TYPE, GENESIS, HASHED, merkle_root, row_hash
from scim_bridge.kernel.crypto import MasterKey, signing_key
from scim_bridge.kernel.work import SYSTEM, Store, Work

BATCH = 5000
LOCK = 7_264_001


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
    rows: list[Mapping[str, Any]] = list(
        await work.tx.all(  # type: ignore[arg-type]
            f"SELECT {', '.join(HASHED)} FROM sb_audit WHERE seq IS NULL ORDER BY id LIMIT ?", BATCH
        )
    )
    if not rows:
        return 0
    last = await work.tx.one("SELECT seq, hash FROM sb_audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1")
    seq, prev = (last["seq"], last["hash"]) if last is not None else (0, GENESIS)
    first = seq + 1
    updates: list[tuple[int, str, str, str]] = []
    hashes: list[str] = []
    for row in rows:
        seq += 1
        digest = row_hash(row, seq, prev)
        updates.append((seq, prev, digest, row["id"]))
        hashes.append(digest)
        prev = digest
    await work.tx.many("UPDATE sb_audit SET seq = ?, prev = ?, hash = ? WHERE id = ?", updates)
    await _checkpoint(work, master, first, seq, prev, hashes)
    return len(rows)


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
