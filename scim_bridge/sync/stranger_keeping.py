"""Strangers as they are kept: first and last seen, where they came from, what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record, record_all
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.sync.idp.explaining import Origin, origin
from scim_bridge.sync.idp.port import ENABLED, Idp
from scim_bridge.sync.model import canonical
from scim_bridge.sync.strangers import GONE, OPEN, RETIRED, RETIRING, Stranger

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


async def strangers_of(reader: Reader, connection_id: str, *, every: bool = False) -> list[KeptStranger]:
    """The strangers of a connection that wait for a decision; with `every`, all there ever were."""
    only = "" if every else " AND state = 'open'"
    rows = await reader.all(
        f"SELECT * FROM sb_stranger WHERE connection_id = ?{only} ORDER BY name, remote_id", connection_id
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


async def retiring(reader: Reader, connection_id: str) -> dict[str, str]:
    """The ids of objects a person asked to retire, with the reason."""
    rows = await reader.all(
        "SELECT remote_id, reason FROM sb_stranger WHERE connection_id = ? AND state = ?",
        connection_id,
        RETIRING,
    )
    return {row["remote_id"]: row["reason"] for row in rows}


async def origins_of(
    reader: Reader, connection_id: str, idp: Idp, found: Sequence[Stranger]
) -> dict[str, Origin]:
    """Where new strangers came from, by remote id; asked of so many in one reading."""
    known = {row.remote_id for row in await strangers_of(reader, connection_id, every=True)}
    new = [each.observed for each in found if each.observed.remote_id not in known]
    told = {each.remote_id: Origin(reason="not asked: too many at once") for each in new}
    for each in new[:ASKED]:
        told[each.remote_id] = await origin(idp, each)
    return told


async def keep_strangers(
    work: Work,
    connection_id: str,
    found: Sequence[Stranger],
    told: Mapping[str, Origin],
    *,
    complete: bool,
) -> None:
    """Note what a reading showed. What a `complete` one does not show any more is gone, and may come again."""
    known = {row.remote_id: row for row in await strangers_of(work.tx, connection_id, every=True)}
    news = []
    for each in found:
        row = known.pop(each.observed.remote_id, None)
        if row is None:
            _insert(work, connection_id, each, told.get(each.observed.remote_id) or Origin())
            news.append(each)
        else:
            await _follow(work, row, each)
    record_all(
        work,
        [("stranger.found", SUBJECT, one.observed.remote_id, {"name": one.observed.name}) for one in news],
    )
    for row in known.values() if complete else ():
        if row.state in (OPEN, RETIRING):
            await decide(work, row, GONE, "it is no longer there")


def _insert(work: Work, connection_id: str, each: Stranger, told: Origin) -> None:
    seen = each.observed
    work.tx.later(
        "INSERT INTO sb_stranger (connection_id, remote_id, name, mark, attributes, origin, made, owner, unknown,"
        " first_seen, last_seen, state, agent_id, decided, decided_by, reason)"
        f" VALUES ({marks(16)}) ON CONFLICT (connection_id, remote_id) DO NOTHING",
        connection_id,
        seen.remote_id,
        seen.name,
        seen.agent_id,
        canonical(dict(seen.attributes)).decode(),
        told.by,
        told.at,
        told.owner,
        told.reason,
        work.now,
        work.now,
        OPEN,
        "",
        None,
        "",
        "",
    )


async def _follow(work: Work, row: KeptStranger, each: Stranger) -> None:
    seen = each.observed
    work.tx.later(
        "UPDATE sb_stranger SET name = ?, mark = ?, attributes = ?, last_seen = ?"
        " WHERE connection_id = ? AND remote_id = ?",
        seen.name,
        seen.agent_id,
        canonical(dict(seen.attributes)).decode(),
        work.now,
        row.connection_id,
        row.remote_id,
    )
    off = seen.attributes.get(ENABLED) is False
    if row.state == RETIRING and off:
        await decide(work, row, RETIRED, row.reason)
    elif row.state == GONE or (row.state == RETIRED and not off):
        await decide(work, row, OPEN, "it is there again")


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
