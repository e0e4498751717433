"""What has to be done beside the requests: warn of client secrets that expire, forget what is over."""

from __future__ import annotations

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.registry import expiry
from scim_bridge.registry.access_tokens import forget_expired

SECRET = expiry.Kind("client_secret", "client secret", "sb_oauth_secret")


async def expiring_secrets(reader: Reader, now: int) -> list[expiry.Expiring]:
    """Every live client secret, and those that expired within the last week."""
    rows = await reader.all(
        "SELECT s.id, c.id AS client_id, c.connection_id, n.name AS connection, c.label, s.created, s.expires,"
        " s.last_used, s.rotated, s.warned FROM sb_oauth_secret s JOIN sb_oauth_client c ON c.id = s.client_id"
        " JOIN sb_connection n ON n.id = c.connection_id"
        " WHERE c.deleted IS NULL AND s.revoked IS NULL AND s.expires > ? ORDER BY s.id",
        now - expiry.SHOWN_EXPIRED,
    )
    return [
        expiry.Expiring(
            SECRET,
            row["id"],
            row["connection_id"],
            row["connection"],
            row["label"],
            row["created"] if row["rotated"] is None else row["rotated"],
            row["expires"],
            row["last_used"],
            row["rotated"] is not None,
            row["warned"],
            row["client_id"],
        )
        for row in rows
    ]


async def warn_of_secrets(store: Store) -> int:
    """Tell of client secrets that are about to expire, each stage once; how many notices."""
    return await expiry.warn(store, await expiring_secrets(store.reads, store.clock.now()))


async def forget(ctx: Context) -> int:
    """Delete access tokens and used assertions that expired; how many."""
    now = ctx.store.clock.now()
    over = "SELECT 1 AS x FROM sb_oauth_assertion WHERE expires < ? LIMIT 1"
    tokens = await forget_expired(ctx.store)
    if await ctx.store.reads.one(over, now) is None:
        return tokens

    async def body(work: Work) -> int:
        work.bookkeeping("assertions that expired cannot be replayed")
        return await work.tx.run("DELETE FROM sb_oauth_assertion WHERE expires < ?", now)

    return tokens + await ctx.store.transact(SYSTEM, body)
