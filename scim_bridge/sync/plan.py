"""Plans as they are kept: made, saved as they were seen, found again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.drift_rules import THEIRS
from scim_bridge.sync.aim import aim_of
from scim_bridge.sync.brake import limits_of
from scim_bridge.sync.draft import Draft, Planned, Tell, draft_plan, untold
from scim_bridge.sync.facts import remember
from scim_bridge.sync.features import probe
from scim_bridge.sync.findings import NOTHING_TOLD, Told, keep_found, told
from scim_bridge.sync.idp.port import Idp, IdpError, ObjectChange
from scim_bridge.sync.settling import take_by_rule

READY = "ready"
HELD = "held"
APPLIED = "applied"

KEPT = 30 * DAY


@dataclass(frozen=True, slots=True)
class Plan:
    """A kept plan without its changes. `setup` are (kind, name) pairs the tenant lacks."""

    id: str
    connection_id: str
    created: int
    created_by: str
    digest: str
    state: str
    creates: int
    updates: int
    retires: int
    agents: int
    listed: int
    notes: tuple[str, ...]
    setup: tuple[tuple[str, str], ...]
    reason: str
    stops: int = 0
    aim: str = ""

    @property
    def changes(self) -> int:
        """How many changes it holds."""
        return self.creates + self.updates + self.retires


@dataclass(frozen=True, slots=True)
class KeptChange:
    """One change of a kept plan: what, why, and how it went."""

    id: str
    plan_id: str
    change: ObjectChange
    reasons: dict[str, str]
    notes: tuple[str, ...]
    desired: str
    run_id: str | None
    state: str
    reason: str


async def make_plan(
    ctx: Context,
    actor: Actor,
    connection: Connection,
    idp: Idp,
    tell: Tell = untold,
    *,
    taking: bool = False,
) -> Plan:
    """Read, compare and keep a plan. Nothing is written at the IdP; IdpError when it cannot be read.

    With `taking`, what somebody changed there and the connection's rules say is theirs is taken over first.
    What of the tenant can be used is looked at too: when it cannot be read, that mostly says why.
    """
    try:
        draft = await draft_plan(ctx, connection, idp, tell)
    except IdpError as error:
        if not error.transient:
            with suppress(IdpError):
                await probe(ctx, actor, connection, idp)
        raise
    with suppress(IdpError):
        await probe(ctx, actor, connection, idp)
    found = await told(ctx, idp, draft)
    if taking and not draft.reason and any(each.rule == THEIRS for each in draft.drifts):
        await ctx.store.transact(actor, lambda work: keep_found(work, draft, found))
        if await take_by_rule(
            ctx, actor, connection, limits_of(connection.settings), draft.listing.known, draft.drifts
        ):
            draft = await draft_plan(ctx, connection, idp, tell)
    plan_id = await ctx.store.transact(actor, lambda work: save_plan(work, draft, found))
    return await plan(ctx.store.reads, plan_id)


async def save_plan(work: Work, draft: Draft, found: Told = NOTHING_TOLD) -> str:
    """Keep a plan as it was seen; its id. Old plans that were never applied are cleared away."""
    plan_id = work.ids.new()
    await keep_found(work, draft, found)
    counts = draft.counts
    await _forget_old(work, draft.connection.id)
    await work.tx.run(
        "INSERT INTO sb_plan (id, connection_id, created, created_by, digest, state, creates, updates, retires,"
        " stops, agents, listed, notes, setup, reason, aim) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        plan_id,
        draft.connection.id,
        work.now,
        work.actor.name,
        draft.digest,
        HELD if draft.reason else READY,
        counts.creates,
        counts.updates,
        counts.retires,
        counts.stops,
        draft.agents,
        draft.listing.listed,
        orjson.dumps(draft.notes).decode(),
        orjson.dumps([[step.kind, step.name] for step in draft.setup]).decode(),
        draft.reason,
        await aim_of(work.tx, draft.connection),
    )
    await work.tx.many(
        "INSERT INTO sb_change (id, plan_id, seq, agent_id, slug, action, remote_id, before, after, wanted,"
        " reasons, notes, desired, state, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'planned', '')",
        [_packed(work.ids.new(), plan_id, seq, planned) for seq, planned in enumerate(draft.changes)],
    )
    for known in draft.recognised:
        await remember(
            work,
            draft.connection.id,
            known.agent_id,
            known.remote_id,
            known.attributes,
            retired=known.retired,
        )
    detail = {
        "digest": draft.digest,
        "creates": counts.creates,
        "updates": counts.updates,
        "retires": counts.retires,
        "held": draft.reason,
    }
    await record(work, "sync.planned", "plan", plan_id, detail, connection_id=draft.connection.id)
    return plan_id


def _packed(change_id: str, plan_id: str, seq: int, planned: Planned) -> tuple[object, ...]:
    change = planned.change
    dictionaries = (change.before, change.after, change.wanted, planned.reasons)
    return (
        change_id,
        plan_id,
        seq,
        change.agent_id,
        change.slug,
        change.action,
        change.remote_id,
        *(orjson.dumps(dict(part)).decode() for part in dictionaries),
        orjson.dumps(planned.notes).decode(),
        planned.desired,
    )


async def _forget_old(work: Work, connection_id: str) -> None:
    values = (connection_id, work.now - KEPT)
    old = "connection_id = ? AND state <> 'applied' AND created < ?"
    await work.tx.run(
        f"DELETE FROM sb_release WHERE plan_id IN (SELECT id FROM sb_plan WHERE {old})", *values
    )
    await work.tx.run(f"DELETE FROM sb_change WHERE plan_id IN (SELECT id FROM sb_plan WHERE {old})", *values)
    await work.tx.run(f"DELETE FROM sb_plan WHERE {old}", *values)


def plan_of(row: Any) -> Plan:
    """A row of sb_plan as a value."""
    return Plan(
        row["id"],
        row["connection_id"],
        row["created"],
        row["created_by"],
        row["digest"],
        row["state"],
        row["creates"],
        row["updates"],
        row["retires"],
        row["agents"],
        row["listed"],
        tuple(orjson.loads(row["notes"])),
        tuple((kind, name) for kind, name in orjson.loads(row["setup"])),
        row["reason"],
        row["stops"],
        row["aim"] or "",
    )


def change_of(row: Any) -> KeptChange:
    """A row of sb_change as a value."""
    change = ObjectChange(
        row["agent_id"],
        row["slug"],
        row["action"],
        row["remote_id"],
        orjson.loads(row["before"]),
        orjson.loads(row["after"]),
        orjson.loads(row["wanted"]),
    )
    return KeptChange(
        row["id"],
        row["plan_id"],
        change,
        orjson.loads(row["reasons"]),
        tuple(orjson.loads(row["notes"])),
        row["desired"],
        row["run_id"],
        row["state"],
        row["reason"],
    )


async def plan(reader: Reader, plan_id: str) -> Plan:
    """The plan with this id; NotFound otherwise."""
    row = await reader.one("SELECT * FROM sb_plan WHERE id = ?", plan_id)
    if row is None:
        raise NotFound("plan-unknown", f"There is no plan {plan_id!r}.", "Make one: scim-bridge sync plan.")
    return plan_of(row)


async def last_plan(reader: Reader, connection_id: str) -> Plan | None:
    """The newest plan of a connection."""
    row = await reader.one(
        "SELECT * FROM sb_plan WHERE connection_id = ? ORDER BY created DESC, id DESC LIMIT 1", connection_id
    )
    return None if row is None else plan_of(row)


async def changes_of(reader: Reader, plan_id: str, *, limit: int = 1_000_000) -> list[KeptChange]:
    """The changes of a plan in their order."""
    rows = await reader.all("SELECT * FROM sb_change WHERE plan_id = ? ORDER BY seq LIMIT ?", plan_id, limit)
    return [change_of(row) for row in rows]


async def change(reader: Reader, change_id: str) -> KeptChange | None:
    """One change by its id."""
    row = await reader.one("SELECT * FROM sb_change WHERE id = ?", change_id)
    return None if row is None else change_of(row)
