"""Strangers as they are kept: first and last seen, where they came from, what was decided about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.sync.digests import canonical
from scim_bridge.sync.idp.explaining import NOT_YET, Origin, origin
from scim_bridge.sync.idp.port import ENABLED, Idp
from scim_bridge.sync.strangers import ADOPTED, GONE, OPEN, RETIRED, RETIRING, Stranger

ASKED = 20
SUBJECT = "stranger"


@dataclass(frozen=True, slots=True)
class KeptStranger:
    """A stranger as kept. `unknown` says why origin or owner are not known."""

    connection_id: str
    remote_id: str
    name: str
    mark: str
    attributes: Mapping[str, Any]
    origin: str
    made: int | None
    owner: str
    unknown: str
    first_seen: int
    last_seen: int
    state: str
    agent_id: str
    decided: int | None
    decided_by: str
    reason: str


def stranger_of(row: Any) -> KeptStranger:
    """A row of sb_stranger as a value."""
    made = {name: row[name] for name in KeptStranger.__slots__}
    return KeptStranger(**{**made, "attributes": orjson.loads(row["attributes"])})


async def strangers_of(
    reader: Reader,
    connection_id: str,
    *,
    every: bool = False,
    after: tuple[str, str] | None = None,
    limit: int | None = None,
) -> list[KeptStranger]:
    """The strangers of a connection that wait for a decision; with `every`, all there ever were.

    `after`: behind the one of this name and remote id, at most `limit` of them.
    """
    only = "" if every else " AND state = 'open'"
    only += "" if after is None else " AND (name, remote_id) > (?, ?)"
    rows = await reader.all(
        f"SELECT * FROM sb_stranger WHERE connection_id = ?{only} ORDER BY name, remote_id"
        f"{'' if limit is None else ' LIMIT ?'}",
        connection_id,
        *(after or ()),
        *(() if limit is None else (limit,)),
    )
    return [stranger_of(row) for row in rows]


async def stranger(work: Work, connection_id: str, remote_id: str) -> KeptStranger:
    """The stranger with this id at a connection, locked; NotFound otherwise."""
    row = await work.tx.one(
        f"SELECT * FROM sb_stranger WHERE connection_id = ? AND remote_id = ?{work.tx.for_update}",
        connection_id,
        remote_id,
    )
    if row is None:
        raise NotFound(
            "stranger-unknown",
            f"No object {remote_id!r} that is nobody's was seen there.",
            "See scim-bridge sync strangers; sync plan reads again.",
        )
    return stranger_of(row)


async def decisions(reader: Reader, connection_id: str) -> dict[str, tuple[str, str]]:
    """How every object that ever was nobody's stands, by id, and why."""
    rows = await reader.all(
        "SELECT remote_id, state, reason FROM sb_stranger WHERE connection_id = ?", connection_id
    )
    return {row["remote_id"]: (row["state"], row["reason"]) for row in rows}


async def origins_of(
    reader: Reader, connection_id: str, idp: Idp, found: Sequence[Stranger]
) -> dict[str, Origin]:
    """Where strangers came from, by remote id: asked of new ones, and of those that were put off before.

    Of so many in one reading, and of no more once the IdP asks for a pause; the next reading goes on.
    """
    if not found:
        return {}
    rows = await reader.all(
        "SELECT remote_id, unknown FROM sb_stranger WHERE connection_id = ?", connection_id
    )
    known = {row["remote_id"]: row["unknown"] for row in rows}
    seen = [each.observed for each in found]
    new = [each for each in seen if each.remote_id not in known]
    put_off = [each for each in seen if known.get(each.remote_id) == NOT_YET]
    told = {each.remote_id: Origin(reason=NOT_YET) for each in new}
    for each in [*new, *put_off][:ASKED]:
        told[each.remote_id] = await origin(idp, each)
        if told[each.remote_id].reason == NOT_YET:
            break
    return told


async def keep_strangers(
    work: Work,
    connection_id: str,
    found: Sequence[Stranger],
    told: Mapping[str, Origin],
    claimed: Collection[str],
    *,
    complete: bool,
) -> None:
    """Note what a reading showed. What a `complete` one does not show any more is gone, and may come again; what
    it `claimed` is an agent's now."""
    known = {row.remote_id: row for row in await strangers_of(work.tx, connection_id, every=True)}
    new, again = [], []
    for each in found:
        row = known.pop(each.observed.remote_id, None)
        if row is None:
            new.append(each)
        else:
            again.append(each)
            await _reconsider(work, row, each)
            if row.unknown == NOT_YET and each.observed.remote_id in told:
                _learn(work, row, told[each.observed.remote_id])
    await _write(work, connection_id, new, again, told)
    for each in new:
        await record(
            work,
            "stranger.found",
            SUBJECT,
            each.observed.remote_id,
            {"name": each.observed.name, "mark": each.observed.agent_id},
            connection_id=connection_id,
        )
    for row in known.values() if complete else ():
        if row.state in (OPEN, RETIRING):
            ours = row.remote_id in claimed
            why = "an agent here is found in it" if ours else "it is no longer there"
            await decide(work, row, ADOPTED if ours else GONE, why)


def _learn(work: Work, row: KeptStranger, told: Origin) -> None:
    work.tx.later(
        "UPDATE sb_stranger SET origin = ?, made = ?, owner = ?, unknown = ?"
        " WHERE connection_id = ? AND remote_id = ?",
        told.by,
        told.at,
        told.owner,
        told.reason,
        row.connection_id,
        row.remote_id,
    )


async def _reconsider(work: Work, row: KeptStranger, each: Stranger) -> None:
    off = each.observed.attributes.get(ENABLED) is False
    if row.state == RETIRING and off:
        await decide(work, row, RETIRED, row.reason)
    elif row.state == GONE or (row.state == RETIRED and not off):
        await decide(work, row, OPEN, "it is there again")


async def _write(
    work: Work,
    connection_id: str,
    new: Sequence[Stranger],
    again: Sequence[Stranger],
    told: Mapping[str, Origin],
) -> None:
    """What was seen, in two statements however much it was."""
    if new:
        await work.tx.many(
            "INSERT INTO sb_stranger (connection_id, remote_id, name, mark, attributes, origin, made, owner, unknown,"
            " first_seen, last_seen, state, agent_id, decided, decided_by, reason)"
            f" VALUES ({marks(16)}) ON CONFLICT (connection_id, remote_id) DO NOTHING",
            [_row(work, connection_id, each, told) for each in new],
        )
    if again:
        await work.tx.many(
            "UPDATE sb_stranger SET name = ?, mark = ?, attributes = ?, last_seen = ?"
            " WHERE connection_id = ? AND remote_id = ?",
            [(*_seen(each), work.now, connection_id, each.observed.remote_id) for each in again],
        )


def _row(work: Work, connection_id: str, each: Stranger, told: Mapping[str, Origin]) -> tuple[object, ...]:
    key = each.observed.remote_id
    from_ = told.get(key) or Origin()
    origin_ = (from_.by, from_.at, from_.owner, from_.reason)
    return (connection_id, key, *_seen(each), *origin_, work.now, work.now, OPEN, "", None, "", "")


def _seen(each: Stranger) -> tuple[str, str, str]:
    seen = each.observed
    return seen.name, seen.agent_id, canonical(dict(seen.attributes)).decode()


async def decide(work: Work, row: KeptStranger, state: str, reason: str, agent_id: str = "") -> None:
    """Note what was decided about a stranger, audited."""
    work.tx.later(
        "UPDATE sb_stranger SET state = ?, reason = ?, agent_id = ?, decided = ?, decided_by = ?"
        " WHERE connection_id = ? AND remote_id = ?",
        state,
        reason,
        agent_id,
        work.now,
        work.actor.name,
        row.connection_id,
        row.remote_id,
    )
    detail = {"name": row.name, "state": state, "reason": reason, **({"agent": agent_id} if agent_id else {})}
    await record(
        work,
        f"stranger.{'reopened' if state == OPEN else state}",
        SUBJECT,
        row.remote_id,
        detail,
        connection_id=row.connection_id,
    )
