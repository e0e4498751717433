"""Sync: how each connection stands, plans and runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.model import Asked, Operation, Page, changes, lists, reads
from scim_bridge.api.shapes import (
    ANYTHING,
    AT,
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
from scim_bridge.api.sync_shown import change_shown, plan_shown, run_shown, status_shown
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection, connection, connections
from scim_bridge.sync.asked import ask_for_plan, ask_to_apply
from scim_bridge.sync.plan import APPLIED, change_of
from scim_bridge.sync.plan import plan as kept_plan
from scim_bridge.sync.run import RUNNING, cancel_run
from scim_bridge.sync.run import run as kept_run
from scim_bridge.sync.service import troubles_of

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
    "Accepted": closed(
        {"effect": {**TEXT, "description": "the worker does it: see GET /api/v1/effects/{effect}"}}
    ),
}


async def all_(asked: Asked) -> dict[str, Any]:
    """GET /sync."""
    return {"items": [await status_shown(asked, each) for each in await connections(asked.reader)]}


async def there_of(asked: Asked) -> Connection:
    """The connection of the path; NotFound when there is none."""
    return await connection(asked.reader, asked.path["connection"])


async def one(asked: Asked) -> dict[str, Any]:
    """GET /connections/{connection}/sync."""
    return await status_shown(asked, await there_of(asked))


async def make(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections/{connection}/plans."""
    there = await there_of(asked)
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
    return plan_shown(of, (await connection(asked.reader, of.connection_id)).name)


async def plan_changes(asked: Asked) -> Page:
    """GET /plans/{plan}/changes."""
    of = await kept_plan(asked.reader, asked.path["plan"])
    rows: Any = await asked.reader.all(
        "SELECT * FROM sb_change WHERE plan_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        of.id,
        int(asked.after[0]) if asked.after else -1,
        asked.reach,
    )
    kept, key = asked.cut(rows, lambda last: [last["seq"]])
    return Page([change_shown(change_of(row)) for row in kept], key)


async def apply(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /plans/{plan}/apply."""
    of = await kept_plan(asked.reader, asked.path["plan"])
    if of.state == APPLIED:
        raise Refused("plan-applied", "This plan was applied before.", "Make a new one.")
    release = str(asked.body.get("release", ""))
    if release:
        asked.caller.need("sync.release")
        # A word that counts is somebody's: a token without a label has no name to give it.
        asked.caller.approver()
    return {"effect": await ask_to_apply(work, of, release)}


async def show_run(asked: Asked) -> dict[str, Any]:
    """GET /runs/{run}."""
    of = await kept_run(asked.reader, asked.path["run"])
    return run_shown(of, await troubles_of(asked.reader, of))


async def cancel(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /runs/{run}/cancel."""
    of = await kept_run(asked.reader, asked.path["run"])
    if of.state != RUNNING:
        raise Refused("run-over", f"This run is {of.state} already.", "Nothing is left to give up.")
    await cancel_run(work, of.id, asked.body["reason"])
    return await show_run(asked)


HERE = "/connections/{connection}"
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
)
