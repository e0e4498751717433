"""The standing order for Entra's notices: made, renewed long before it ends, made anew when it is gone."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

import structlog

from scim_bridge.kernel.clock import DAY, MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.news import ChangeNews, NewsOf, Subscription
from scim_bridge.registry.tokens import minted
from scim_bridge.signals.doors import note_gap, note_heard, note_trouble
from scim_bridge.signals.idp import graph_delta
from scim_bridge.signals.idp.graph_notice import KIND, digest, door_name
from scim_bridge.signals.idp.listeners import Listener, give, hurry, listener, take, wanted

SETTING = "graph_notices"
# Graph allows users 41,760 minutes; a little less, for clocks differ.
LIFE = 41_000 * MINUTE
# Renewed every day: that also tells within a day when somebody removed it.
RENEW_AFTER = DAY
EVERY = 5 * MINUTE
LATER = 10 * MINUTE

log = structlog.get_logger("scim_bridge.signals")


async def tend(ctx: Context, news_of: NewsOf) -> int:
    """See to every tenant's subscription whose turn it is; how many were made or renewed. A periodic duty."""
    if not reachable(ctx.public_url):
        return 0
    done = 0
    for chosen in await wanted(ctx.store.reads, "entra", SETTING):
        if await take(ctx, door_name(chosen), chosen.id):
            done += await _tended(ctx, news_of, chosen)
    return done


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
        await ctx.store.transact(SYSTEM, partial(_failed, chosen=chosen, error=error))
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


async def _failed(work: Work, chosen: Connection, error: BridgeError) -> None:
    work.bookkeeping("a door that cannot be heard")
    name = door_name(chosen)
    await note_trouble(work, name, KIND, error.text(), connection_id=chosen.id)
    pause = (error.retry_after or 0) * SECOND
    await give(work, name, max(pause, MINUTE if getattr(error, "transient", False) else LATER))
    log.warning("door.trouble", action="door.trouble", door=name, reason=error.message)
