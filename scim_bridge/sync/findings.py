"""What a reading found out about others' doings at the IdP, kept with its plan: drift and strangers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import Work
from scim_bridge.sync.draft import Draft
from scim_bridge.sync.drift_keeping import keep_drifts, told_of
from scim_bridge.sync.idp.explaining import LastChange, Origin
from scim_bridge.sync.idp.port import Idp
from scim_bridge.sync.stranger_keeping import keep_strangers, origins_of


@dataclass(frozen=True, slots=True)
class Told:
    """What the IdP said of what is new: who changed an agent last, where an object came from."""

    changes: Mapping[str, LastChange] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)


NOTHING_TOLD = Told()


async def told(ctx: Context, idp: Idp, draft: Draft) -> Told:
    """Ask the IdP about what is new in a reading; reads only, and never fails for it."""
    reads, connection_id = ctx.store.reads, draft.connection.id
    return Told(
        await told_of(reads, connection_id, idp, draft.drifts),
        await origins_of(reads, connection_id, idp, draft.strangers),
    )


async def keep_found(work: Work, draft: Draft, found: Told) -> None:
    """Keep the drift and the strangers of a reading. One that the brake holds closes nothing."""
    work.bookkeeping("what is seen again is noted; what is new, or closed, has its row")
    believed = not draft.reason and draft.listing.complete
    await keep_drifts(
        work,
        draft.connection.id,
        draft.drifts,
        found.changes,
        draft.compared if believed else (),
        draft.began,
    )
    await keep_strangers(
        work, draft.connection.id, draft.strangers, found.origins, draft.claimed, complete=believed
    )
