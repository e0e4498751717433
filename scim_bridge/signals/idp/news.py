"""Keeping news until somebody looked into it: a row for each event, and an effect that reads the person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.effects import lane
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import SYSTEM, Work, derived_id

NEWS_READ = "news.read"

WAITING = "waiting"
READ = "read"
NOBODY = "nobody"
UNCLEAR = "unclear"

# News that nobody could look into (the IdP was away) is taken up again after this.
AGAIN_AFTER = MINUTE
# As long as Okta keeps its log: an event that comes a second time is known as long as it can come.
KEPT = 90 * DAY
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a door was told it: the IdP's id of it, its kind, whom it is about, and its own time."""

    key: str
    kind: str
    remote_id: str
    at: int | None = None


async def keep(
    work: Work, connection_id: str, door: str, events: Sequence[Event], *, pushed: bool
) -> list[Event]:
    """Keep events and have each looked into; those that are new. Known ones are marked as told by this door too."""
    distinct = {event.key: event for event in events}
    known = await _known(work.tx, connection_id, list(distinct))
    fresh = [event for event in distinct.values() if event.key not in known]
    mark = "pushed" if pushed else "asked"
    if known:
        await work.tx.many(
            f"UPDATE sb_news SET {mark} = ? WHERE connection_id = ? AND key = ? AND {mark} IS NULL",
            [(work.now, connection_id, key) for key in sorted(known)],
        )
    if fresh:
        # Another door may tell the same at this moment: then the row is theirs, and the effect is one.
        await work.tx.many(
            f"INSERT INTO sb_news (id, connection_id, key, door, kind, remote_id, at, received, {mark}, state, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', '')"
            f" ON CONFLICT (connection_id, key) DO UPDATE SET {mark} = excluded.{mark}",
            [
                (
                    news_id(connection_id, event.key),
                    connection_id,
                    event.key,
                    door,
                    event.kind,
                    event.remote_id,
                    event.at,
                    work.now,
                    work.now,
                )
                for event in fresh
            ],
        )
        for event in fresh:
            await _look(work, connection_id, door, event, "")
    return fresh


async def keep_again(work: Work, connection_id: str, door: str, events: Iterable[Event]) -> None:
    """Keep news that has no id of its own: each asks for one more look at the person, later than this moment."""
    for event in {event.remote_id: event for event in events}.values():
        named = replace(event, key=f"person:{event.remote_id}")
        await work.tx.run(
            "INSERT INTO sb_news (id, connection_id, key, door, kind, remote_id, at, received, pushed, state, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', '') ON CONFLICT (connection_id, key) DO UPDATE SET"
            " door = excluded.door, kind = excluded.kind, at = excluded.at, received = excluded.received,"
            " pushed = excluded.pushed, state = 'waiting', note = ''",
            news_id(connection_id, named.key),
            connection_id,
            named.key,
            door,
            named.kind,
            named.remote_id,
            named.at,
            work.now,
            work.now,
        )
        await _look(work, connection_id, door, named, f":{work.now}")


def news_id(connection_id: str, key: str) -> str:
    """The id of an event's row: the same for the same event."""
    return derived_id("news", f"{connection_id}\0{key}")


async def _look(work: Work, connection_id: str, door: str, event: Event, time: str) -> None:
    row_id = news_id(connection_id, event.key)
    payload = {"news": row_id, "connection": connection_id, "remote_id": event.remote_id, "door": door}
    # In the person's lane, what is read later is also acted on later; a tenant's own, so that one which is
    # away holds up no other.
    line = lane(f"{NEWS_READ}:{connection_id}", event.remote_id)
    await work.effect(NEWS_READ, payload, lane=line, subject_id=row_id, key=f"{row_id}{time}")


async def _known(reader: Reader, connection_id: str, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]
        rows = await reader.all(
            f"SELECT key FROM sb_news WHERE connection_id = ? AND key IN ({marks(len(part))})",
            connection_id,
            *part,
        )
        found |= {row["key"] for row in rows}
    return found


async def upkeep(ctx: Context) -> int:
    """Look again into news that could not be read, and forget what is older than any IdP tells; how many looks.

    A periodic duty: news is kept until it was read, however long the IdP is away.
    """
    now = ctx.store.clock.now()
    waiting = await ctx.store.reads.all(
        "SELECT n.id, n.connection_id, n.key, n.kind, n.remote_id, n.at, n.door FROM sb_news n"
        " WHERE n.state = 'waiting' AND n.received < ? AND NOT EXISTS (SELECT 1 FROM sb_effect e"
        " WHERE e.subject_id = n.id AND (e.settled IS NULL OR e.settled > ?)) ORDER BY n.received LIMIT ?",
        now - AGAIN_AFTER,
        now - AGAIN_AFTER,
        AT_ONCE,
    )
    old = await ctx.store.reads.one(
        "SELECT 1 AS x FROM sb_news WHERE state <> 'waiting' AND received < ?", now - KEPT
    )
    if not waiting and old is None:
        return 0

    async def body(work: Work) -> None:
        work.bookkeeping("news that could not be read is looked into again")
        for row in waiting:
            event = Event(row["key"], row["kind"], row["remote_id"], row["at"])
            await _look(work, row["connection_id"], row["door"], event, f":{work.now}")
        await work.tx.run("DELETE FROM sb_news WHERE state <> 'waiting' AND received < ?", now - KEPT)

    await ctx.store.transact(SYSTEM, body)
    return len(waiting)
