"""Switching off an object that is nobody's here, as a planned change of a run."""

from __future__ import annotations

from scim_bridge.kernel.effects import Done
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.desired import buried
from scim_bridge.sync.idp.port import Idp, ObjectChange
from scim_bridge.sync.since_planned import left_to_do, moved
from scim_bridge.sync.stranger_keeping import decide, stranger
from scim_bridge.sync.strangers import RETIRED, RETIRING


async def retire_nobodys(connection: Connection, idp: Idp, planned: ObjectChange) -> Done:
    """Make the change, if it still fits and nobody has changed their mind."""
    gone = buried(planned.agent_id, planned.slug, planned.slug)
    observed = await idp.observe(gone, planned.remote_id)
    if observed is not None and observed.remote_id != planned.remote_id:
        # Another one of that name, or of that mark: nobody asked for it.
        observed = None
    if why := moved(planned, observed):
        return Done({"outcome": "moved", "why": why})
    left = left_to_do(planned, observed)
    if left.after:
        await idp.write(left)
    remote_id = str(planned.remote_id)

    async def body(work: Work) -> None:
        row = await stranger(work, connection.id, remote_id)
        if row.state == RETIRING:
            await decide(work, row, RETIRED, row.reason)

    outcome = "written" if left.after else "already so"
    return Done({"outcome": outcome, "action": planned.action, "attributes": sorted(left.after)}, body)
