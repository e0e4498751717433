"""The floor under all IdP doors: once a day everybody who answers for an agent is read at the IdP.

What every other door missed is found here, and how people stand is known before the first event.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connection_settings import PEOPLE_BY
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.news import NewsOf, PeopleNews, RemotePerson, There
from scim_bridge.registry.signal import React
from scim_bridge.signals.doors import door, note_heard
from scim_bridge.signals.idp.listeners import give, in_turn, unheard, wanted
from scim_bridge.signals.idp.reading import act

KIND = "owner-check"
SETTING = "owner_check"
EVERY = DAY
# So many people are read in one turn; the next turn goes on after them.
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who answers for an agent: userName, and what is known of them at one IdP (empty: nothing)."""

    person_id: str
    user_name: str
    remote_id: str
    external_id: str


def door_name(connection: Connection) -> str:
    """The door's name in `sb_door`."""
    return f"{KIND}:{connection.name}"


async def check(ctx: Context, news_of: NewsOf, react: React) -> int:
    """Read the owners of every tenant whose turn it is; how many were read. A periodic duty."""
    tenants = [found for kind in ("okta", "entra") for found in await wanted(ctx.store.reads, kind, SETTING)]
    return await in_turn(ctx, tenants, KIND, partial(_checked, ctx, news_of, react))


async def _checked(ctx: Context, news_of: NewsOf, react: React, chosen: Connection) -> int:
    known = await door(ctx.store.reads, door_name(chosen))
    after = known.cursor if known is not None else ""
    people = await owners(ctx.store.reads, chosen, after)
    read = 0
    try:
        _, source = await news_of(chosen.id)
        for owner in people:
            began = ctx.store.clock.now()
            remote = await _at_idp(source, chosen, owner)
            if remote is not None:
                await ctx.store.transact(
                    SYSTEM, partial(_acted, chosen=chosen, remote=remote, began=began, react=react)
                )
                read += 1
    except StoreUnavailable:
        raise
    except BridgeError as error:
        # Who comes after waits; those who were read are read again, which changes nothing.
        await unheard(ctx, chosen, KIND, error, MINUTE)
        return read
    last = people[-1].person_id if len(people) == AT_ONCE else ""
    await ctx.store.transact(SYSTEM, partial(_turned, chosen=chosen, cursor=last))
    return read


async def _at_idp(source: PeopleNews, chosen: Connection, owner: Owner) -> RemotePerson | None:
    """The owner there; None when nobody there is certainly them, which says nothing of them."""
    if owner.remote_id:
        return await source.person(owner.remote_id)
    if owner.external_id:
        found = await source.person(owner.external_id) if source.is_id(owner.external_id) else None
        # Somebody who was never seen there is not gone from there: it may be another tenant than was meant.
        return None if found is None or found.there is There.ABSENT else found
    by_name = chosen.settings.get("people_by", PEOPLE_BY[0]) == PEOPLE_BY[0]
    return await source.named(owner.user_name) if by_name else None


async def owners(reader: Reader, chosen: Connection, after: str) -> list[Owner]:
    """The next people who are active here and answer for a live agent, by id."""
    rows = await reader.all(
        "SELECT r.id, r.name, MAX(p.remote_id) AS remote_id, MAX(e.external_id) AS external_id FROM sb_owner o"
        " JOIN sb_resource a ON a.id = o.agent_id AND a.deleted IS NULL"
        " JOIN sb_resource r ON r.id = o.person_id AND r.deleted IS NULL AND r.active = 1"
        " LEFT JOIN sb_remote_person p ON p.connection_id = ? AND p.person_id = r.id"
        " LEFT JOIN sb_external e ON e.connection_id = ? AND e.resource_id = r.id"
        " WHERE o.person_id > ? GROUP BY r.id, r.name ORDER BY r.id LIMIT ?",
        chosen.id,
        chosen.id,
        after,
        AT_ONCE,
    )
    return [Owner(row["id"], row["name"], row["remote_id"] or "", row["external_id"] or "") for row in rows]


async def _acted(work: Work, chosen: Connection, remote: RemotePerson, began: int, react: React) -> None:
    await act(work, chosen, remote, began, react)


async def _turned(work: Work, chosen: Connection, cursor: str) -> None:
    work.bookkeeping("how far the owners were read")
    await note_heard(work, door_name(chosen), KIND, connection_id=chosen.id, cursor=cursor)
    await give(work, door_name(chosen), 0 if cursor else EVERY)
