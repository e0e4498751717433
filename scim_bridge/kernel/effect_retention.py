"""How long effects are kept that nobody needs any more: made or dropped, and part of no case."""

from __future__ import annotations

from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.work import BULK, ORDINARY, SYSTEM, URGENT, Store, Work

# Longer than anybody looks back at a single call; what it changed is in the audit log for ever.
KEPT = 90 * DAY
BATCH = 1000

# By the index over state, rank and next_at, which is never later than the end of the last attempt.
OLD = (
    "SELECT id FROM sb_effect WHERE state = ? AND rank = ? AND next_at < ? AND settled < ? AND case_id IS NULL"
    " ORDER BY next_at LIMIT ?"
)


async def forget(store: Store, batches: int = 50) -> int:
    """Delete settled effects that are older than 90 days, at most so many batches; how many.

    Effects of a case stay with it (receipts are built from them), dead ones until a person decides.
    """
    before = store.clock.now() - KEPT
    gone = 0
    for state in ("done", "dropped"):
        for rank in (URGENT, ORDINARY, BULK):
            gone += await _forget(store, (state, rank, before, before), batches)
    return gone


async def _forget(store: Store, values: tuple[object, ...], batches: int) -> int:
    async def body(work: Work) -> int:
        work.bookkeeping("effects that were made are kept for 90 days")
        return await work.tx.run(f"DELETE FROM sb_effect WHERE id IN ({OLD})", *values, BATCH)

    gone = 0
    for _ in range(batches):
        # Looked at before anything is written: most hours there is nothing to delete.
        if not await store.reads.all(OLD, *values, 1):
            break
        gone += await store.transact(SYSTEM, body)
    return gone
