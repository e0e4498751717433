"""How long decisions are kept: yeses and noes for so many days each, then they are deleted in small batches."""

from __future__ import annotations

from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.settings.access import AccessSettings

BATCH = 2000

# Written out, not given as a value: each has an index over its own rows alone.
OLD = {
    allowed: f"SELECT id FROM sb_decision WHERE allowed = {allowed} AND at < ? ORDER BY at LIMIT ?"
    for allowed in (0, 1)
}


async def forget(store: Store, settings: AccessSettings, batches: int = 50) -> int:
    """Delete decisions older than the settings say, at most so many batches of each kind; how many."""
    gone = 0
    for allowed, days in ((1, settings.keep_allow_days), (0, settings.keep_deny_days)):
        if days:
            gone += await _forget(store, allowed, store.clock.now() - days * DAY, batches)
    return gone


async def _forget(store: Store, allowed: int, before: int, batches: int) -> int:
    async def body(work: Work) -> int:
        work.bookkeeping("decisions are kept for so many days only")
        return await work.tx.run(f"DELETE FROM sb_decision WHERE id IN ({OLD[allowed]})", before, BATCH)

    gone = 0
    for _ in range(batches):
        # Looked at before anything is written: most days there is nothing to delete.
        if not await store.reads.all(OLD[allowed], before, 1):
            break
        gone += await store.transact(SYSTEM, body)
    return gone
