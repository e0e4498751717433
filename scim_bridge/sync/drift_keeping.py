"""Drift as it is kept: found in a reading, followed through the next ones, closed when it is settled or undone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import AGENT
from scim_bridge.sync.digests import canonical
from scim_bridge.sync.drift import OPEN, OVERRIDDEN, UNDONE, Drift
from scim_bridge.sync.idp.explaining import NOT_YET, LastChange, last_change
from scim_bridge.sync.idp.port import Attributes, Idp

# Audit logs are slow and few calls are allowed (Entra: five in ten seconds).
ASKED = 20
KEPT = 365 * DAY


@dataclass(frozen=True, slots=True)
class KeptDrift:
    """A drift as kept. `unknown` says why nobody knows who changed it; `reason` why it was settled as it was."""

    id: str
    connection_id: str
    agent_id: str
    slug: str
    attribute: str
    field: str
    ours: Any
    theirs: Any
    rule: str
    first_seen: int
    last_seen: int
    changed_by: str
    changed_at: int | None
    unknown: str
    state: str
    settled: int | None
    settled_by: str
    reason: str

    @property
    def mark(self) -> str:
        """Which values a page showed: another one once a reading found others."""
        return hashlib.sha256(canonical([self.ours, self.theirs])).hexdigest()[:32]


def drift_of(row: Any) -> KeptDrift:
    """A row of sb_drift as a value."""
    made = {name: row[name] for name in KeptDrift.__slots__}
    return KeptDrift(**{**made, "ours": orjson.loads(row["ours"]), "theirs": orjson.loads(row["theirs"])})


async def drifts_of(
    reader: Reader,
    connection_id: str,
    *,
    every: bool = False,
    after: str | None = None,
    limit: int | None = None,
) -> list[KeptDrift]:
    """The open drifts of a connection by agent and attribute; with `every`, settled ones as well, the newest last.

    `after`: behind the one with this id, at most `limit` of them.
    """
    only = "" if every else " AND slot = ''"
    if after is not None:
        place = "d.slug, d.attribute, d.first_seen, d.id"
        only += f" AND (slug, attribute, first_seen, id) > (SELECT {place} FROM sb_drift d WHERE d.id = ?)"
    rows = await reader.all(
        f"SELECT * FROM sb_drift WHERE connection_id = ?{only} ORDER BY slug, attribute, first_seen, id"
        f"{'' if limit is None else ' LIMIT ?'}",
        *(value for value in (connection_id, after, limit) if value is not None),
    )
    return [drift_of(row) for row in rows]


async def told_of(
    reader: Reader, connection_id: str, idp: Idp, found: Sequence[Drift]
) -> dict[str, LastChange]:
    """Who changed each agent last, by agent id: asked where something is new, and what was put off before.

    Of so many agents in one reading, and of no more once the IdP asks for a pause; the next reading goes on.
    """
    if not found:
        return {}
    known = {(row.agent_id, row.attribute): row for row in await drifts_of(reader, connection_id)}
    new: dict[str, Drift] = {}
    put_off: dict[str, Drift] = {}
    for each in found:
        row = known.get((each.agent_id, each.attribute))
        if row is None or canonical(row.theirs) != canonical(each.theirs):
            new.setdefault(each.agent_id, each)
        elif row.unknown == NOT_YET:
            put_off.setdefault(each.agent_id, each)
    told = {agent_id: LastChange(reason=NOT_YET) for agent_id in new}
    for agent_id, each in list((new | put_off).items())[:ASKED]:
        told[agent_id] = await last_change(idp, each.remote_id, each.written)
        if told[agent_id].reason == NOT_YET:
            break
    return told


async def keep_drifts(
    work: Work,
    connection_id: str,
    found: Sequence[Drift],
    told: Mapping[str, LastChange],
    compared: Collection[str],
    began: int,
) -> None:
    """Note what a reading found; what is no longer so for an agent it `compared` was undone there.

    The reading `began` then: it opens nothing that was settled since, and says nothing of what a later one saw.
    That order is the processes' clocks', for a reading begins outside every transaction and rows keep no number of
    the database's: one would take a counter of the connection and columns here that an older release leaves unwritten.
    """
    known = {(row.agent_id, row.attribute): row for row in await drifts_of(work.tx, connection_id)}
    settled = await _settled_since(work, connection_id, began) if found else frozenset()
    news: dict[str, list[Drift]] = {}
    for each in found:
        row = known.pop((each.agent_id, each.attribute), None)
        if row is not None:
            if row.last_seen <= began:
                _follow(work, row, each, told.get(each.agent_id), began)
        elif (each.agent_id, each.attribute, canonical(each.theirs).decode()) not in settled:
            _insert(work, connection_id, each, told.get(each.agent_id), began)
            news.setdefault(each.agent_id, []).append(each)
    for agent_id, new in news.items():
        by = told[agent_id].by if agent_id in told else ""
        detail = {"attributes": sorted(each.attribute for each in new), "by": by}
        await record(work, "agent.drifted", AGENT, agent_id, detail, connection_id=connection_id)
    for row in known.values():
        if row.agent_id in compared and row.last_seen <= began:
            await close_drift(work, row, UNDONE, "nothing differs any more")
    # The audit keeps what happened; the table what may still be asked about.
    work.tx.later(
        "DELETE FROM sb_drift WHERE connection_id = ? AND settled < ?", connection_id, work.now - KEPT
    )


async def _settled_since(work: Work, connection_id: str, began: int) -> frozenset[tuple[str, str, str]]:
    """Agent, attribute and their value of each drift that was settled after this moment."""
    rows = await work.tx.all(
        "SELECT agent_id, attribute, theirs FROM sb_drift WHERE connection_id = ? AND settled > ?",
        connection_id,
        began,
    )
    return frozenset((row["agent_id"], row["attribute"], row["theirs"]) for row in rows)


def _insert(work: Work, connection_id: str, each: Drift, told: LastChange | None, began: int) -> None:
    who = told or LastChange()
    work.tx.later(
        "INSERT INTO sb_drift (id, connection_id, agent_id, slug, attribute, field, ours, theirs, rule, first_seen,"
        " last_seen, changed_by, changed_at, unknown, state, slot, settled, settled_by, reason)"
        f" VALUES ({marks(19)}) ON CONFLICT (connection_id, agent_id, attribute, slot) DO NOTHING",
        work.ids.new(),
        connection_id,
        each.agent_id,
        each.slug,
        each.attribute,
        each.ours_name,
        canonical(each.ours).decode(),
        canonical(each.theirs).decode(),
        each.rule,
        began,
        began,
        who.by,
        who.at,
        who.reason,
        OPEN,
        "",
        None,
        "",
        "",
    )


def _follow(work: Work, row: KeptDrift, each: Drift, told: LastChange | None, began: int) -> None:
    who = told or LastChange(row.changed_by, row.changed_at, "", row.unknown)
    work.tx.later(
        "UPDATE sb_drift SET ours = ?, theirs = ?, rule = ?, slug = ?, last_seen = ?, changed_by = ?, changed_at = ?,"
        " unknown = ? WHERE id = ? AND slot = ''",
        canonical(each.ours).decode(),
        canonical(each.theirs).decode(),
        each.rule,
        each.slug,
        began,
        who.by,
        who.at,
        who.reason,
        row.id,
    )


async def close_drift(work: Work, row: KeptDrift, state: str, reason: str) -> None:
    """Close an open drift, audited."""
    work.tx.later(
        "UPDATE sb_drift SET state = ?, slot = id, settled = ?, settled_by = ?, reason = ? WHERE id = ? AND slot = ''",
        state,
        work.now,
        work.actor.name,
        reason,
        row.id,
    )
    detail = {"attribute": row.attribute, "state": state, "reason": reason}
    await record(work, "agent.drift_settled", AGENT, row.agent_id, detail, connection_id=row.connection_id)


def not_taken(work: Work, connection_id: str, agent_id: str, attribute: str, why: str) -> None:
    """Say at an open drift why a rule could not take it over: it waits for a person."""
    work.bookkeeping("a rule could not be followed")
    work.tx.later(
        "UPDATE sb_drift SET reason = ? WHERE connection_id = ? AND agent_id = ? AND attribute = ? AND slot = ''",
        why,
        connection_id,
        agent_id,
        attribute,
    )


def written_over(work: Work, connection_id: str, agent_id: str, after: Attributes) -> None:
    """Close what a write of ours has overridden (the caller's audit row names the attributes)."""
    if after:
        work.tx.later(
            "UPDATE sb_drift SET state = ?, slot = id, settled = ?, settled_by = ?, reason = ?"
            f" WHERE connection_id = ? AND agent_id = ? AND slot = '' AND attribute IN ({marks(len(after))})",
            OVERRIDDEN,
            work.now,
            work.actor.name,
            "written as the registry has it",
            connection_id,
            agent_id,
            *after,
        )
