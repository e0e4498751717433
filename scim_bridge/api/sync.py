"""Sync: how each connection stands, plans, runs, drift and strangers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
    ANYTHING,
    AT,
    FREE,
    INTEGER,
    TEXT,
    TRUTH,
    Schema,
    closed,
    many,
    maybe,
    page_of,
    ref,
    text,
)
from scim_bridge.departures.approver import approver_of
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection, connection, connections
from scim_bridge.registry.findings import findings_at
from scim_bridge.sync import adopting
from scim_bridge.sync.asked import ask_for_plan, ask_to_apply
from scim_bridge.sync.drift_keeping import KeptDrift, drifts_of
from scim_bridge.sync.plan import APPLIED, KeptChange, Plan, change_of
from scim_bridge.sync.plan import plan as kept_plan
from scim_bridge.sync.run import RUNNING, Run, cancel_run
from scim_bridge.sync.run import run as kept_run
from scim_bridge.sync.service import Trouble, status, troubles_of
from scim_bridge.sync.settling import settle
from scim_bridge.sync.stranger_keeping import KeptStranger, strangers_of

TAG = "Sync"
SCHEMAS: Mapping[str, Schema] = {
    "Plan": closed(
        {
            "id": TEXT,
            "connection": TEXT,
            "state": TEXT,
            "created": AT,
            "by": TEXT,
            "digest": TEXT,
            "creates": INTEGER,
            "updates": INTEGER,
            "retires": INTEGER,
            "stops": INTEGER,
            "agents": INTEGER,
            "listed": INTEGER,
            "notes": many(TEXT),
            "setup": many(TEXT),
            "held": maybe(TEXT),
        }
    ),
    "PlannedChange": closed(
        {
            "id": TEXT,
            "agent": TEXT,
            "action": TEXT,
            "remote": maybe(TEXT),
            "attributes": many(closed({"name": TEXT, "old": ANYTHING, "new": ANYTHING, "why": TEXT})),
            "notes": many(TEXT),
            "state": TEXT,
            "reason": TEXT,
        }
    ),
    "Trouble": closed(
        {
            "agent": TEXT,
            "action": TEXT,
            "state": TEXT,
            "why": TEXT,
            "attempts": INTEGER,
            "next_try": maybe(AT),
            "effect": TEXT,
        }
    ),
    "Run": closed(
        {
            "id": TEXT,
            "plan": maybe(TEXT),
            "state": TEXT,
            "stage": TEXT,
            "started": AT,
            "by": TEXT,
            "finished": maybe(AT),
            "total": INTEGER,
            "done": INTEGER,
            "failed": INTEGER,
            "moved": INTEGER,
            "cancelled": INTEGER,
            "reason": TEXT,
            "parked": many(ref("Trouble")),
        }
    ),
    "SyncStatus": closed(
        {
            "connection": TEXT,
            "push": TRUTH,
            "written": INTEGER,
            "retired": INTEGER,
            "drifts": INTEGER,
            "strangers": INTEGER,
            "next_try": maybe(AT),
            "plan": maybe(ref("Plan")),
            "runs": many(ref("Run")),
            "findings": many(closed({"agent": TEXT, "code": TEXT, "message": TEXT, "since": AT})),
        }
    ),
    "Drift": closed(
        {
            "id": TEXT,
            "agent": TEXT,
            "attribute": TEXT,
            "field": TEXT,
            "ours": ANYTHING,
            "theirs": ANYTHING,
            "rule": TEXT,
            "changed_by": TEXT,
            "changed_at": maybe(AT),
            "unknown": TEXT,
            "first_seen": AT,
            "last_seen": AT,
            "state": TEXT,
            "reason": TEXT,
        }
    ),
    "Stranger": closed(
        {
            "remote": TEXT,
            "name": TEXT,
            "owner": TEXT,
            "origin": TEXT,
            "unknown": TEXT,
            "attributes": FREE,
            "first_seen": AT,
            "last_seen": AT,
            "state": TEXT,
            "reason": TEXT,
        }
    ),
    "Accepted": closed(
        {"effect": {**TEXT, "description": "the worker does it: see GET /api/v1/effects/{effect}"}}
    ),
}


def _when(instant: int | None) -> str | None:
    return None if instant is None else iso(instant)


def _plan(of: Plan, name: str) -> dict[str, Any]:
    return {
        "id": of.id,
        "connection": name,
        "state": of.state,
        "created": iso(of.created),
        "by": of.created_by,
        "digest": of.digest,
        "creates": of.creates,
        "updates": of.updates,
        "retires": of.retires,
        "stops": of.stops,
        "agents": of.agents,
        "listed": of.listed,
        "notes": list(of.notes),
        "setup": [f"{kind} {what}" for kind, what in of.setup],
        "held": of.reason or None,
    }


def _change(of: KeptChange) -> dict[str, Any]:
    change = of.change
    return {
        "id": of.id,
        "agent": change.slug,
        "action": change.action,
        "remote": change.remote_id,
        "attributes": [
            {"name": name, "old": change.before.get(name), "new": value, "why": of.reasons.get(name, "")}
            for name, value in change.after.items()
        ],
        "notes": list(of.notes),
        "state": of.state,
        "reason": of.reason or "",
    }


def _trouble(of: Trouble) -> dict[str, Any]:
    return {
        "agent": of.change.change.slug,
        "action": of.change.change.action,
        "state": of.change.state,
        "why": of.reason or "",
        "attempts": of.attempts,
        "next_try": _when(of.next_try),
        "effect": of.effect_id,
    }


def _run(of: Run, troubles: tuple[Trouble, ...] | list[Trouble]) -> dict[str, Any]:
    return {
        "id": of.id,
        "plan": of.plan_id,
        "state": of.state,
        "stage": of.stage,
        "started": iso(of.started),
        "by": of.started_by,
        "finished": _when(of.finished),
        "total": of.total,
        "done": of.done,
        "failed": of.failed,
        "moved": of.moved,
        "cancelled": of.cancelled,
        "reason": of.reason,
        "parked": [_trouble(each) for each in troubles],
    }


async def _status(asked: Asked, there: Connection) -> dict[str, Any]:
    of = await status(asked.reader, there)
    return {
        "connection": there.name,
        "push": there.has_secrets,
        "written": of.written,
        "retired": of.retired,
        "drifts": of.drifts,
        "strangers": of.strangers,
        "next_try": _when(of.next_try),
        "plan": None if of.plan is None else _plan(of.plan, there.name),
        "runs": [_run(each, of.troubles if n == 0 else ()) for n, each in enumerate(of.runs)],
        "findings": [
            {
                "agent": kept.slug,
                "code": kept.finding.code,
                "message": kept.finding.message,
                "since": iso(kept.since),
            }
            for kept in await findings_at(asked.reader, there.id)
        ],
    }


async def all_(asked: Asked) -> dict[str, Any]:
    """GET /sync."""
    return {"items": [await _status(asked, each) for each in await connections(asked.reader)]}


async def _there(asked: Asked) -> Connection:
    return await connection(asked.reader, asked.path["connection"])


async def one(asked: Asked) -> dict[str, Any]:
    """GET /connections/{connection}/sync."""
    return await _status(asked, await _there(asked))


async def make(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections/{connection}/plans."""
    there = await _there(asked)
    if not there.has_secrets:
        raise Refused(
            "sync-secrets",
            f"{there.name} has no credentials to push with.",
            "Give them: PATCH the connection with `secrets`.",
        )
    return {"effect": await ask_for_plan(work, there)}


async def show_plan(asked: Asked) -> dict[str, Any]:
    """GET /plans/{plan}."""
    of = await kept_plan(asked.reader, asked.path["plan"])
    return _plan(of, (await connection(asked.reader, of.connection_id)).name)


async def plan_changes(asked: Asked) -> Page:
    """GET /plans/{plan}/changes."""
    of = await kept_plan(asked.reader, asked.path["plan"])
    rows: Any = await asked.reader.all(
        "SELECT * FROM sb_change WHERE plan_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        of.id,
        int(asked.after[0]) if asked.after else -1,
        asked.limit,
    )
    items = [_change(change_of(row)) for row in rows]
    return Page(items, [rows[-1]["seq"]] if len(rows) == asked.limit else None)


async def apply(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /plans/{plan}/apply."""
    of = await kept_plan(asked.reader, asked.path["plan"])
    if of.state == APPLIED:
        raise Refused("plan-applied", "This plan was applied before.", "Make a new one.")
    release = str(asked.body.get("release", ""))
    if release:
        # A word that counts is somebody's: a token without a label has no name to give it.
        approver_of(asked.label, asked.actor.id)
    return {"effect": await ask_to_apply(work, of, release)}


async def show_run(asked: Asked) -> dict[str, Any]:
    """GET /runs/{run}."""
    of = await kept_run(asked.reader, asked.path["run"])
    return _run(of, await troubles_of(asked.reader, of))


async def cancel(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /runs/{run}/cancel."""
    of = await kept_run(asked.reader, asked.path["run"])
    if of.state != RUNNING:
        raise Refused("run-over", f"This run is {of.state} already.", "Nothing is left to give up.")
    await cancel_run(work, of.id, asked.body["reason"])
    return await show_run(asked)


def _drift(of: KeptDrift) -> dict[str, Any]:
    return {
        "id": of.id,
        "agent": of.slug,
        "attribute": of.attribute,
        "field": of.field or "",
        "ours": of.ours,
        "theirs": of.theirs,
        "rule": of.rule,
        "changed_by": of.changed_by or "",
        "changed_at": _when(of.changed_at),
        "unknown": of.unknown or "",
        "first_seen": iso(of.first_seen),
        "last_seen": iso(of.last_seen),
        "state": of.state,
        "reason": of.reason or "",
    }


def _stranger(of: KeptStranger) -> dict[str, Any]:
    return {
        "remote": of.remote_id,
        "name": of.name,
        "owner": of.owner or "",
        "origin": of.origin or "",
        "unknown": of.unknown or "",
        "attributes": dict(of.attributes),
        "first_seen": iso(of.first_seen),
        "last_seen": iso(of.last_seen),
        "state": of.state,
        "reason": of.reason or "",
    }


async def drift(asked: Asked) -> dict[str, Any]:
    """GET /connections/{connection}/drift."""
    there, every = await _there(asked), bool(asked.query.get("all", False))
    return {"items": [_drift(each) for each in await drifts_of(asked.reader, there.id, every=every)]}


async def strangers(asked: Asked) -> dict[str, Any]:
    """GET /connections/{connection}/strangers."""
    there, every = await _there(asked), bool(asked.query.get("all", False))
    return {"items": [_stranger(each) for each in await strangers_of(asked.reader, there.id, every=every)]}


async def decide_drift(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections/{connection}/drift/settle."""
    said = asked.body
    row = await settle(
        work, await _there(asked), said["agent"], said["attribute"], said["take"], said["reason"]
    )
    return {**_drift(row), "state": "taken" if said["take"] == "theirs" else "overridden"}


async def decide_stranger(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections/{connection}/strangers/settle."""
    said, there = asked.body, await _there(asked)
    if said["as"] == "adopted":
        if "into" not in said:
            raise Refused("adopt-how", "An object is adopted into an agent.", "Name the agent in `into`.")
        await adopting.adopt_into(work, there, said["remote"], said["into"], said["reason"])
    elif said["as"] == "ignored":
        await adopting.ignore(work, there, said["remote"], said["reason"])
    else:
        await adopting.retire(work, there, said["remote"], said["reason"])
    return {"remote": said["remote"], "state": said["as"]}


HERE = "/connections/{connection}"
EVERY = Parameter("all", TRUTH, "those that are settled, too")
REASON = text("audited and shown")
OPERATIONS: tuple[Operation, ...] = (
    reads(
        TAG,
        "listSync",
        "/sync",
        "Every connection at a glance",
        all_,
        closed({"items": many(ref("SyncStatus"))}),
    ),
    reads(
        TAG,
        "showSync",
        f"{HERE}/sync",
        "One connection: runs, the last plan, what is parked",
        one,
        ref("SyncStatus"),
    ),
    changes(
        *(
            TAG,
            "makePlan",
            "POST",
            f"{HERE}/plans",
            "Have the IdP read and a plan made; writes nothing there",
            make,
        ),
        ref("Accepted"),
        status=202,
        about="The worker reads the IdP. The result of the effect names the plan.",
    ),
    reads(TAG, "showPlan", "/plans/{plan}", "One plan", show_plan, ref("Plan")),
    lists(
        TAG,
        "listChanges",
        "/plans/{plan}/changes",
        "Its changes: old, new, why",
        plan_changes,
        page_of("PlannedChange"),
    ),
    changes(
        *(TAG, "applyPlan", "POST", "/plans/{plan}/apply", "Write exactly this plan to the IdP", apply),
        ref("Accepted"),
        closed(
            {"release": text("why a plan that the brake holds is meant; counts for the token's person")}, ()
        ),
        status=202,
        about="The worker does it. The result of the effect names the run.",
    ),
    reads(TAG, "showRun", "/runs/{run}", "One run: how far, what is parked and why", show_run, ref("Run")),
    changes(
        *(TAG, "cancelRun", "POST", "/runs/{run}/cancel", "Give up the rest of a run", cancel),
        ref("Run"),
        closed({"reason": REASON}),
    ),
    reads(
        *(TAG, "listDrift", f"{HERE}/drift", "What somebody changed at the IdP", drift),
        closed({"items": many(ref("Drift"))}),
        EVERY,
    ),
    changes(
        *(
            TAG,
            "settleDrift",
            "POST",
            f"{HERE}/drift/settle",
            "Take theirs, or write ours back",
            decide_drift,
        ),
        ref("Drift"),
        closed(
            {"agent": text(), "attribute": text(), "take": text(choices=("theirs", "ours")), "reason": REASON}
        ),
    ),
    reads(
        *(TAG, "listStrangers", f"{HERE}/strangers", "Objects at the IdP that are nobody's here", strangers),
        closed({"items": many(ref("Stranger"))}),
        EVERY,
    ),
    changes(
        *(
            TAG,
            "settleStranger",
            "POST",
            f"{HERE}/strangers/settle",
            "Adopt, ignore or retire one",
            decide_stranger,
        ),
        closed({"remote": TEXT, "state": TEXT}),
        closed(
            {
                "remote": text("its id at the IdP"),
                "as": text(choices=("adopted", "ignored", "retiring")),
                "into": text("to adopt: the agent it is"),
                "reason": REASON,
            },
            ("remote", "as", "reason"),
        ),
    ),
)
