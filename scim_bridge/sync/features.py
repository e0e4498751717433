"""What of each tenant can be used: asked of the IdP, kept, shown on the connection."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.port import Feature, Idp, Probing


async def probe(ctx: Context, actor: Actor, connection: Connection, idp: Idp) -> tuple[Feature, ...]:
    """Ask a tenant what of it we can use, and keep it; empty where the adapter cannot say.

    IdpError when nobody answers or we are not let in; what was known before is then kept.
    """
    if not isinstance(idp, Probing):
        return ()
    found = await idp.features()
    await ctx.store.transact(actor, lambda work: keep(work, connection, found))
    return found


async def keep(work: Work, connection: Connection, found: Sequence[Feature]) -> None:
    """Keep what was found. An audit row when it is not what was known."""
    before = {feature.name: feature for feature, _ in await features_of(work.tx, connection.id)}
    await work.tx.run("DELETE FROM sb_feature WHERE connection_id = ?", connection.id)
    await work.tx.many(
        "INSERT INTO sb_feature (connection_id, name, seq, usable, reason, seen) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (connection.id, feature.name, seq, int(feature.usable), feature.reason, work.now)
            for seq, feature in enumerate(found)
        ],
    )
    changed = {
        feature.name: feature.reason or "usable" for feature in found if before.get(feature.name) != feature
    }
    if not changed and len(before) == len(found):
        work.bookkeeping("the tenant has what it had")
        return
    detail = {"connection": connection.name, "features": changed}
    await record(work, "connection.probed", "connection", connection.id, detail, connection_id=connection.id)


async def features_of(reader: Reader, connection_id: str) -> list[tuple[Feature, int]]:
    """Each feature of a connection's tenant as it was last found, and when."""
    rows = await reader.all(
        "SELECT name, usable, reason, seen FROM sb_feature WHERE connection_id = ? ORDER BY seq",
        connection_id,
    )
    return [(Feature(row["name"], bool(row["usable"]), row["reason"]), row["seen"]) for row in rows]
