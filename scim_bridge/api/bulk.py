"""Many agents at once: a preview, then, once it is approved, done by the worker agent by agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.agents import TAG
from scim_bridge.api.model import Asked, Operation, changes, reads
from scim_bridge.api.shapes import AT, FREE, INTEGER, TEXT, Schema, closed, many, maybe, ref, text
from scim_bridge.attestations.service import asking_of
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry import bulk as together
from scim_bridge.registry.bulk_model import ACTIONS, ASKS_FOR, MOST

ITEM = closed({"agent": TEXT, "what": TEXT, "state": TEXT, "told": maybe(TEXT)})
SCHEMAS: Mapping[str, Schema] = {
    "Bulk": closed(
        {
            "id": TEXT,
            "action": TEXT,
            "target": maybe(TEXT),
            "search": maybe(TEXT),
            "state": TEXT,
            "reason": TEXT,
            "by": TEXT,
            "created": AT,
            "ended": maybe(AT),
            "needed": INTEGER,
            "approved_by": many(TEXT),
            "reach": FREE,
            "agents": many(ITEM),
        }
    ),
}


def _shown(of: together.Bulk) -> dict[str, Any]:
    return {
        "id": of.id,
        "action": of.action,
        "target": of.target.name or None,
        "search": of.query or None,
        "state": of.state,
        "reason": of.reason,
        "by": of.by,
        "created": iso(of.created),
        "ended": None if of.ended is None else iso(of.ended),
        "needed": of.needed,
        "approved_by": [one["name"] for one in of.approvals],
        "reach": dict(of.reach),
        "agents": [
            {"agent": one.slug, "what": one.says, "state": one.state, "told": one.told or None}
            for one in of.items
        ],
    }


async def show(asked: Asked) -> dict[str, Any]:
    """GET /bulk/{bulk}."""
    return _shown(await together.bulk(asked.reader, asked.path["bulk"]))


async def plan(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /bulk."""
    body = asked.body
    target = await together.target_of(asked.reader, body["action"], str(body.get("to", "")))
    ids, more = await asked.house.find(asked.reader, body["search"], "", MOST)
    if more is not None:
        raise Invalid("bulk-many", f"{MOST} agents or more fit this search.", "Narrow it.")
    asking = asking_of(asked.house.ctx, asked.house.settings.attestations)
    made = await together.plan(work, body["action"], ids, target, asking, body["search"])
    return _shown(await together.bulk(work.tx, made))


async def approve(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /bulk/{bulk}/approve."""
    body = asked.body
    asked.caller.need(ASKS_FOR[body["action"]])
    await together.approve(work, asked.path["bulk"], body["action"], body["reason"])
    return _shown(await together.bulk(work.tx, asked.path["bulk"]))


async def cancel(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /bulk/{bulk}/cancel."""
    await together.cancel(work, asked.path["bulk"])
    return _shown(await together.bulk(work.tx, asked.path["bulk"]))


ACTION = text(choices=tuple(ACTIONS))
OPERATIONS: tuple[Operation, ...] = (
    changes(
        *(TAG, "planBulk", "POST", "/bulk", "Preview a change of many agents", plan),
        ref("Bulk"),
        closed(
            {
                "action": ACTION,
                "search": text("words and key:value filters as in the console", most=400),
                "to": text("the new owner, or the group"),
            },
            ("action", "search"),
        ),
        status=201,
        about="Nothing happens to an agent before it is approved; a preview is good for a day.",
    ),
    reads(TAG, "showBulk", "/bulk/{bulk}", "A change of many agents, agent by agent", show, ref("Bulk")),
    changes(
        *(TAG, "approveBulk", "POST", "/bulk/{bulk}/approve", "Let it be done", approve),
        ref("Bulk"),
        closed({"action": ACTION, "reason": text("audited and shown")}),
        about="The worker does it within seconds once `needed` different people said so. `action` is what was seen.",
    ),
    changes(
        *(TAG, "cancelBulk", "POST", "/bulk/{bulk}/cancel", "Give it up, or what is left of it", cancel),
        ref("Bulk"),
    ),
)
