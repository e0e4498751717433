"""Entra's users/delta, asked for again and again: what a notice did not bring is found here.

A delta only says whom to look at. Nobody is gone because a listing does not show them: whoever is
removed, disabled or odd in it is read for themselves before anything follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import PERSON, fold
from scim_bridge.registry.news import ChangePage, CursorLost, NewsOf, RemotePerson, There
from scim_bridge.signals.doors import door, note_gap, note_heard
from scim_bridge.signals.idp.listeners import give, in_turn, unheard, wanted
from scim_bridge.signals.idp.news import Event, keep_again

KIND = "graph-delta"
SETTING = "graph_delta"
EVERY = MINUTE
SOON = 20 * SECOND
PAGES_A_TURN = 100


def door_name(connection: Connection) -> str:
    """The door's name in `sb_door`."""
    return f"{KIND}:{connection.name}"


async def poll(ctx: Context, news_of: NewsOf) -> int:
    """Ask every tenant whose turn it is; how many people are looked at. A periodic duty."""
    tenants = await wanted(ctx.store.reads, "entra", SETTING)
    return await in_turn(ctx, tenants, KIND, partial(ask, ctx, news_of))


async def ask(ctx: Context, news_of: NewsOf, chosen: Connection) -> int:
    """Follow one tenant's delta to its end, each page in its own transaction; how many people are looked at."""
    looked = 0
    try:
        _, source = await news_of(chosen.id)
        for turn in range(PAGES_A_TURN):
            known = await door(ctx.store.reads, door_name(chosen))
            cursor = known.cursor if known is not None else ""
            page = await source.changes(cursor)
            looked += await ctx.store.transact(
                SYSTEM,
                partial(_taken, chosen=chosen, cursor=cursor, page=page, last=turn + 1 == PAGES_A_TURN),
            )
            if not page.more:
                break
    except StoreUnavailable:
        raise
    except CursorLost as error:
        await ctx.store.transact(SYSTEM, partial(_forgotten, chosen=chosen, why=error.message))
    except BridgeError as error:
        await unheard(ctx, chosen, KIND, error, SOON)
    return looked


async def _taken(work: Work, chosen: Connection, cursor: str, page: ChangePage, last: bool) -> int:
    name = door_name(chosen)
    work.bookkeeping("news is kept; what follows from it has its own audit rows")
    known = await door(work.tx, name, lock=work.tx.for_update)
    if known is not None and known.cursor != cursor:
        # Another process was given the turn and went on from here.
        return 0
    ours = await known_here(work.tx, chosen, page.people)
    await keep_again(work, chosen.id, name, [Event("", _kind(one), one.remote_id) for one in ours])
    await note_heard(work, name, KIND, connection_id=chosen.id, events=len(ours), cursor=page.cursor)
    if not page.more:
        await give(work, name, EVERY)
    elif last:
        await give(work, name, 0)
    return len(ours)


def _kind(person: RemotePerson) -> str:
    return "user.removed" if person.there is There.ABSENT else "user.changed"


async def known_here(
    reader: Reader, chosen: Connection, people: Sequence[RemotePerson]
) -> list[RemotePerson]:
    """Those who may be somebody here, by any of the names `whom` goes by; the tenant's others are nobody's news."""
    called = sorted({name for one in people for name in (one.remote_id, *one.called)})
    ids = [one.remote_id for one in people]
    logins = sorted({fold(one.login) for one in people if one.login})
    external = await _among(
        reader,
        "SELECT external_id AS k FROM sb_external WHERE connection_id = ? AND space = 'user' AND external_id",
        [chosen.id],
        called,
    )
    remembered = await _among(
        reader,
        "SELECT remote_id AS k FROM sb_remote_person WHERE connection_id = ? AND remote_id",
        [chosen.id],
        ids,
    )
    named = await _among(
        reader,
        "SELECT key AS k FROM sb_resource WHERE space = 'user' AND kind = ? AND deleted IS NULL AND key",
        [PERSON],
        logins,
    )
    return [
        one
        for one in people
        if one.remote_id in remembered
        or external.intersection((one.remote_id, *one.called))
        or (one.login and fold(one.login) in named)
    ]


async def _among(reader: Reader, sql: str, first: list[str], keys: Sequence[str]) -> set[str]:
    if not keys:
        return set()
    rows = await reader.all(f"{sql} IN ({marks(len(keys))})", *first, *keys)
    return {row["k"] for row in rows}


async def _forgotten(work: Work, chosen: Connection, why: str) -> None:
    """The token is no good any more: everybody is listed anew, and who is missing from that is not gone by it."""
    work.bookkeeping("a door's cursor was lost")
    name = door_name(chosen)
    await note_gap(work, name, f"{why}; everybody is read anew, and deletions meanwhile are found one by one")
    await work.tx.run("UPDATE sb_door SET cursor = '' WHERE name = ?", name)
    await _look_at_all(work, chosen)
    await give(work, name, 0)


async def _look_at_all(work: Work, chosen: Connection) -> None:
    """Have everybody looked at who was read here before: a new listing does not tell who was deleted."""
    rows = await work.tx.all(
        "SELECT remote_id FROM sb_remote_person WHERE connection_id = ? AND there <> ?",
        chosen.id,
        There.ABSENT.value,
    )
    events = [Event("", "user.lost_sight_of", row["remote_id"]) for row in rows]
    await keep_again(work, chosen.id, door_name(chosen), events)
