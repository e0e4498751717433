"""The standing order for Entra's notices: made, renewed long before it ends, made anew when it is gone."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import Connection, connections
from scim_bridge.registry.news import ChangeNews, NewsOf, Subscription
from scim_bridge.registry.tokens import minted
from scim_bridge.signals.doors import note_gap, note_heard
from scim_bridge.signals.idp import graph_delta
from scim_bridge.signals.idp.graph_notice import KIND, digest, door_name
from scim_bridge.signals.idp.listeners import (
    Listener,
    give,
    hurry,
    in_turn,
    listener,
    switched_on,
    unheard,
)

SETTING = "graph_notices"
# Graph allows users 41,760 minutes; a little less, for clocks differ.
LIFE = 41_000 * MINUTE
# Renewed every day: that also tells within a day when somebody removed it.
RENEW_AFTER = DAY
EVERY = 5 * MINUTE


async def tend(ctx: Context, news_of: NewsOf) -> int:
    """See to every tenant's subscription whose turn it is; how many were made, renewed or ended. A periodic duty."""
    tenants = [
        found for found in await connections(ctx.store.reads) if found.kind == "entra" and found.has_secrets
    ]
    orders = reachable(ctx.public_url)
    on = [found for found in tenants if orders and switched_on(found, SETTING)]
    off = [found for found in tenants if found not in on and await _ordered_before(ctx, found)]
    done = await in_turn(ctx, on, KIND, partial(_tended, ctx, news_of))
    return done + await in_turn(ctx, off, KIND, partial(_ended, ctx, news_of))


async def _ordered_before(ctx: Context, chosen: Connection) -> bool:
    known = await listener(ctx.store.reads, door_name(chosen))
    return known is not None and bool(known.remote_id)


async def _ended(ctx: Context, news_of: NewsOf, chosen: Connection) -> int:
    """The door was switched off: Entra need not call any more."""
    known = await listener(ctx.store.reads, door_name(chosen))
    try:
        _, source = await news_of(chosen.id)
        await source.unsubscribe(known.remote_id if known is not None else "")
    except StoreUnavailable:
        raise
    except BridgeError as error:
        await unheard(ctx, chosen, KIND, error, MINUTE)
        return 0

    async def body(work: Work) -> None:
        work.bookkeeping("the standing order for notices")
        await work.tx.run(
            "UPDATE sb_listener SET remote_id = '', expires = NULL, proof = '' WHERE name = ?",
            door_name(chosen),
        )
        await give(work, door_name(chosen), 0)

    await ctx.store.transact(SYSTEM, body)
    return 1


def reachable(public_url: str) -> bool:
    """True when Graph could call us: it calls nothing but https."""
    return urlsplit(public_url).scheme == "https"


async def _tended(ctx: Context, news_of: NewsOf, chosen: Connection) -> int:
    known = await listener(ctx.store.reads, door_name(chosen))
    now = ctx.store.clock.now()
    if known is not None and known.remote_id and (known.expires or 0) > now + LIFE - RENEW_AFTER:
        await ctx.store.transact(SYSTEM, partial(_again_in, name=door_name(chosen)))
        return 0
    try:
        _, source = await news_of(chosen.id)
        return await _ordered(ctx, source, chosen, known)
    except StoreUnavailable:
        raise
    except BridgeError as error:
        await unheard(ctx, chosen, KIND, error, MINUTE)
        return 0


async def _ordered(ctx: Context, source: ChangeNews, chosen: Connection, known: Listener | None) -> int:
    url = f"{ctx.public_url}/signals/entra/{chosen.name}"
    expires = ctx.store.clock.now() + LIFE
    old = known.remote_id if known is not None else ""
    renewed = await source.renew(old, expires) if old else None
    if renewed is not None and renewed.url in ("", url):
        await ctx.store.transact(SYSTEM, partial(_kept, chosen=chosen, made=renewed, lost=""))
        return 1
    if renewed is not None:
        await source.unsubscribe(old)
    proof = minted("sbs_")
    # Known before Graph has it: the first notice may come before the answer to the order does.
    await ctx.store.transact(SYSTEM, partial(_proof, name=door_name(chosen), shown=digest(ctx.master, proof)))
    for stale in await source.subscribed(url):
        await source.unsubscribe(stale)
    made = await source.subscribe(url, proof, expires)
    lost = "the subscription was gone, or called another address: it was made anew" if old else ""
    await ctx.store.transact(SYSTEM, partial(_kept, chosen=chosen, made=made, lost=lost))
    return 1


async def _proof(work: Work, name: str, shown: str) -> None:
    """Take a new proof beside the one in use: notices that are under way carry the old one."""
    work.bookkeeping("what notices must carry")
    known = await listener(work.tx, name, lock=work.tx.for_update)
    before = known.proof.split()[:1] if known is not None else []
    await work.tx.run("UPDATE sb_listener SET proof = ? WHERE name = ?", " ".join([shown, *before]), name)


async def _kept(work: Work, chosen: Connection, made: Subscription, lost: str) -> None:
    work.bookkeeping("the standing order for notices")
    name = door_name(chosen)
    await work.tx.run(
        "UPDATE sb_listener SET remote_id = ?, expires = ? WHERE name = ?", made.remote_id, made.expires, name
    )
    await note_heard(work, name, KIND, connection_id=chosen.id)
    if lost:
        await note_gap(work, name, lost)
        await hurry(work, graph_delta.door_name(chosen))
    await give(work, name, EVERY)


async def _again_in(work: Work, name: str) -> None:
    work.bookkeeping("whose turn it is to ask")
    await give(work, name, EVERY)
