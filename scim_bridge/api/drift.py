"""Drift and strangers: what somebody changed or made at the IdP, and settling it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists
from scim_bridge.api.shapes import ANYTHING, AT, FREE, TEXT, TRUTH, Schema, closed, maybe, page_of, ref, text
from scim_bridge.api.sync import HERE, REASON, TAG, there_of
from scim_bridge.api.sync_shown import when
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Work
from scim_bridge.sync import adopting
from scim_bridge.sync.drift_keeping import KeptDrift, drifts_of
from scim_bridge.sync.settling import settle
from scim_bridge.sync.stranger_keeping import KeptStranger, strangers_of

SCHEMAS: Mapping[str, Schema] = {
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
}


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
        "changed_at": when(of.changed_at),
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


async def drift(asked: Asked) -> Page:
    """GET /connections/{connection}/drift."""
    there, every = await there_of(asked), bool(asked.query.get("all", False))
    after = str(asked.after[0]) if asked.after else None
    found = await drifts_of(asked.reader, there.id, every=every, after=after, limit=asked.reach)
    kept, key = asked.cut(found, lambda last: [last.id])
    return Page([_drift(each) for each in kept], key)


async def strangers(asked: Asked) -> Page:
    """GET /connections/{connection}/strangers."""
    there, every = await there_of(asked), bool(asked.query.get("all", False))
    after = (str(asked.after[0]), str(asked.after[1])) if asked.after else None
    found = await strangers_of(asked.reader, there.id, every=every, after=after, limit=asked.reach)
    kept, key = asked.cut(found, lambda last: [last.name, last.remote_id])
    return Page([_stranger(each) for each in kept], key)


async def decide_drift(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections/{connection}/drift/settle."""
    said = asked.body
    row = await settle(
        work, await there_of(asked), said["agent"], said["attribute"], said["take"], said["reason"]
    )
    return {**_drift(row), "state": "taken" if said["take"] == "theirs" else "overridden"}


async def decide_stranger(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections/{connection}/strangers/settle."""
    said, there = asked.body, await there_of(asked)
    if said["as"] == "adopted":
        if "into" not in said:
            raise Refused("adopt-how", "An object is adopted into an agent.", "Name the agent in `into`.")
        await adopting.adopt_into(work, there, said["remote"], said["into"], said["reason"])
    elif said["as"] == "ignored":
        await adopting.ignore(work, there, said["remote"], said["reason"])
    else:
        await adopting.retire(work, there, said["remote"], said["reason"])
    return {"remote": said["remote"], "state": said["as"]}


EVERY = Parameter("all", TRUTH, "those that are settled, too")
OPERATIONS: tuple[Operation, ...] = (
    lists(
        *(TAG, "listDrift", f"{HERE}/drift", "What somebody changed at the IdP", drift),
        page_of("Drift"),
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
    lists(
        *(TAG, "listStrangers", f"{HERE}/strangers", "Objects at the IdP that are nobody's here", strangers),
        page_of("Stranger"),
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
