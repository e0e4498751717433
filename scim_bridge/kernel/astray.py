"""Effects that were handed to the job engine and are with nobody: taken back, so that none is lost for good.

It should not happen. The engine keeps a job until it is done, but a job of its own may end in an error (a database that
went away in the wrong moment, somebody who cancelled it by hand), and nobody would ever look at its effect again.
"""

from __future__ import annotations

import structlog
from dbos import DBOS

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.work import SYSTEM, Store, Work

log = structlog.get_logger("scim_bridge.jobs")

# What is due for so long is looked for; nothing is taken from who is slow.
LATE = 15 * SECOND
MOST = 200
WITH_SOMEBODY = {"PENDING", "ENQUEUED", "DELAYED"}


async def taken_back(store: Store) -> int:
    """Have effects whose job has ended without them handed over anew; how many."""
    rows = await store.reads.all(
        "SELECT id, round FROM sb_effect WHERE state = 'handed' AND next_at <= ? ORDER BY next_at LIMIT ?",
        store.clock.now() - LATE,
        MOST,
    )
    if not rows:
        return 0
    jobs = {f"effect:{row['id']}:{row['round']}": (row["id"], row["round"]) for row in rows}
    known = await DBOS.list_workflows_async(workflow_ids=list(jobs), load_input=False, load_output=False)
    held = {job.workflow_id for job in known if job.status in WITH_SOMEBODY}
    lost = [jobs[name] for name in jobs if name not in held]
    if not lost:
        return 0

    async def body(work: Work) -> int:
        work.bookkeeping("effects that the job engine had no more are handed over anew")
        moved = 0
        for effect_id, round_ in lost:
            moved += await work.tx.run(
                "UPDATE sb_effect SET state = 'pending', round = round + 1"
                " WHERE id = ? AND round = ? AND state = 'handed'",
                effect_id,
                round_,
            )
        return moved

    moved = await store.transact(SYSTEM, body)
    if moved:
        log.warning("effects.astray", action="effects.astray", effects=moved)
    return moved
