"""Okta's System Log, asked for again and again: what a hook did not bring is found here.

Polling as Okta means it: without an end, ascending, in the order of being kept, so that a late event
still comes; the cursor is the next link, kept even of an empty page (Okta, System Log API).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

from scim_bridge.kernel.clock import DAY, MINUTE, SECOND, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.news import CursorLost, LogPage, NewsOf, instant
from scim_bridge.signals.doors import door, note_gap, note_heard, note_trouble
from scim_bridge.signals.idp import okta_hook
from scim_bridge.signals.idp.compare import compare
from scim_bridge.signals.idp.listeners import LATER, give, in_turn, unheard, wanted
from scim_bridge.signals.idp.news import keep
from scim_bridge.signals.idp.okta_event import DECIDED, FOLLOWED, read_events

KIND = "okta-log"
SETTING = "okta_log"

EVERY = 20 * SECOND
PAGES_A_TURN = 20
# How far back a door begins that was never open, and how long Okta keeps its log.
FIRST = 7 * DAY
KEPT = 90 * DAY
# Events are kept a moment after they happened: where a lost cursor is taken up again by time, from a bit before.
OVERLAP = 15 * MINUTE


def door_name(connection: Connection) -> str:
    """The door's name in `sb_door`."""
    return f"{KIND}:{connection.name}"


async def poll(ctx: Context, news_of: NewsOf) -> int:
    """Ask the log of every org whose turn it is; how many events were news. A periodic duty."""
    orgs = await wanted(ctx.store.reads, "okta", SETTING)
    return await in_turn(ctx, orgs, KIND, partial(ask, ctx, news_of))


async def ask(ctx: Context, news_of: NewsOf, chosen: Connection) -> int:
    """Read what is new in one org's log, page by page, each kept in its own transaction; how many were news."""
    fresh = 0
    try:
        _, source = await news_of(chosen.id)
        why = source.may_read_log()
        if why:
            await ctx.store.transact(SYSTEM, partial(_silent, chosen=chosen, why=why))
            return 0
        for turn in range(PAGES_A_TURN):
            known = await door(ctx.store.reads, door_name(chosen))
            cursor = known.cursor if known is not None else ""
            now = ctx.store.clock.now()
            going_on = cursor if covers(cursor) else ""
            since, lost = begin(None if known is None else known.heard, going_on, now)
            page = await source.events("" if lost else going_on, since, FOLLOWED)
            fresh += await ctx.store.transact(
                SYSTEM, partial(_taken, chosen=chosen, cursor=cursor, page=page, lost=lost)
            )
            if not page.full or turn + 1 == PAGES_A_TURN:
                break
    except StoreUnavailable:
        raise
    except CursorLost as error:
        await ctx.store.transact(SYSTEM, partial(_forgotten, chosen=chosen, why=error.message))
    except BridgeError as error:
        await unheard(ctx, chosen, KIND, error, EVERY)
    return fresh


def covers(cursor: str) -> bool:
    """False for a cursor of an earlier version that asks for fewer kinds of events: it is begun anew by time."""
    asked = unquote(cursor)
    return "filter=" not in asked or DECIDED in asked


def begin(heard: int | None, cursor: str, now: int) -> tuple[int, str]:
    """(from when the log is asked when there is no cursor, why what lies before it is lost; empty when it is not)."""
    if heard is None:
        return now - FIRST, ""
    if now - heard > KEPT:
        return (
            now - KEPT + DAY,
            f"the log was last read {iso(heard)}, longer ago than Okta keeps it (90 days)",
        )
    return (0 if cursor else heard - OVERLAP), ""


async def _taken(work: Work, chosen: Connection, cursor: str, page: LogPage, lost: str) -> int:
    name = door_name(chosen)
    work.bookkeeping("news is kept; what follows from it has its own audit rows")
    known = await door(work.tx, name, lock=work.tx.for_update)
    if known is not None and known.cursor != cursor:
        # Another process was given the turn and went on from here.
        return 0
    fresh = await keep(work, chosen.id, name, read_events(page.events), pushed=False)
    await note_heard(
        work,
        name,
        KIND,
        connection_id=chosen.id,
        event=newest(page.events, work.now),
        events=len(fresh),
        cursor=page.cursor,
    )
    if lost:
        await note_gap(work, name, lost)
    if not page.full:
        await compare(work, chosen.id, name, okta_hook.door_name(chosen))
        await give(work, name, EVERY)
    return len(fresh)


def newest(events: Sequence[Mapping[str, Any]], now: int) -> int | None:
    """The time of the newest event; one from the future is as new as now."""
    times = [min(at, now) for event in events if (at := instant(event.get("published"))) is not None]
    return max(times) if times else None


async def _forgotten(work: Work, chosen: Connection, why: str) -> None:
    """The cursor is no good any more: begin anew by time; what is told twice is known."""
    work.bookkeeping("a door's cursor was lost")
    name = door_name(chosen)
    await note_gap(work, name, f"{why}; read again from {OVERLAP // MINUTE} minutes before it was last heard")
    await work.tx.run("UPDATE sb_door SET cursor = '' WHERE name = ?", name)
    await give(work, name, 0)


async def _silent(work: Work, chosen: Connection, why: str) -> None:
    """The log may not be read: said once on the door, where somebody asks for it."""
    work.bookkeeping("a door that cannot be heard")
    name = door_name(chosen)
    fix = f"Grant it, or switch the door off: connections configure {chosen.name} --set {SETTING}=off"
    await note_trouble(work, name, KIND, f"{why}. {fix}", connection_id=chosen.id)
    await give(work, name, LATER)
