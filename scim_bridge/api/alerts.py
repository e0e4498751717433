"""Alerts: what agents did that is odd; ending and muting them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scim_bridge.api.agents import found
from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
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
    whole,
)
from scim_bridge.kernel.clock import HOUR, iso
from scim_bridge.kernel.work import Work
from scim_bridge.watch.alert_model import Alert
from scim_bridge.watch.alerts import alert, alerts, resolve
from scim_bridge.watch.baseline_model import KINDS
from scim_bridge.watch.muting import mute, mutes, unmute
from scim_bridge.watch.telling import RESOLVED, tell, told

TAG = "Alerts"
ALERT: Mapping[str, Schema] = {
    "id": TEXT,
    "agent": closed({"id": TEXT, "slug": TEXT}),
    "kind": TEXT,
    "subject": TEXT,
    "severity": TEXT,
    "state": TEXT,
    "why": TEXT,
    "figures": FREE,
    "evidence": many(TEXT),
    "first": AT,
    "last": AT,
    "hours": INTEGER,
    "muted": TRUTH,
    "response": many(TEXT),
    "resolved": maybe(AT),
    "resolved_by": maybe(TEXT),
    "resolution": maybe(TEXT),
}
TOLD = closed(
    {
        "route": TEXT,
        "event": TEXT,
        "effect": TEXT,
        "state": TEXT,
        "attempts": INTEGER,
        "error": maybe(TEXT),
        "settled": maybe(AT),
        "next_try": maybe(AT),
    }
)
SCHEMAS: Mapping[str, Schema] = {
    "Alert": closed(ALERT),
    "AlertTold": closed({**ALERT, "told": many(TOLD)}),
    "Mute": closed(
        {
            "id": TEXT,
            "agent": maybe(TEXT),
            "kind": maybe(TEXT),
            "reason": TEXT,
            "muted_by": TEXT,
            "created": AT,
            "until": AT,
        }
    ),
}


def _shown(of: Alert) -> dict[str, Any]:
    told = {name: value for name, value in of.shown().items() if name != "resolvedBy"}
    return {
        **told,
        "resolved": None if of.resolved is None else iso(of.resolved),
        "resolved_by": of.resolved_by,
        "resolution": of.resolution,
    }


async def _agent_id(asked: Asked, name: str | None) -> str | None:
    if name is None:
        return None
    return (await found(replace(asked, path={"agent": name}))).resource.id


async def list_(asked: Asked) -> Page:
    """GET /alerts."""
    query = asked.query
    rows = await alerts(
        asked.reader,
        state="" if query.get("all", False) else "open",
        agent_id=await _agent_id(asked, query.get("agent")) or "",
        kind=str(query.get("kind", "")),
        limit=asked.reach,
        before=None if not asked.after else (int(asked.after[0]), str(asked.after[1])),
    )
    kept, key = asked.cut(rows, lambda last: [last.last, last.id])
    return Page([_shown(each) for each in kept], key)


async def show(asked: Asked) -> dict[str, Any]:
    """GET /alerts/{alert}."""
    found = await alert(asked.reader, asked.path["alert"])
    return {**_shown(found), "told": await told(asked.reader, asked.house.settings.alerts, found)}


async def end(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /alerts/{alert}/resolve."""
    done = await resolve(work, asked.path["alert"], asked.body["reason"])
    await tell(work, asked.house.settings.alerts, done, RESOLVED)
    return _shown(await alert(work.tx, done.id))


async def muted(asked: Asked) -> Page:
    """GET /alert-mutes."""
    after = (int(asked.after[0]), str(asked.after[1])) if asked.after else None
    rows = await mutes(asked.reader, asked.now, limit=asked.reach, after=after)
    kept, key = asked.cut(rows, lambda last: [last["until"], last["id"]])
    return Page([{**row, "created": iso(row["created"]), "until": iso(row["until"])} for row in kept], key)


async def silence(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /alert-mutes."""
    body = asked.body
    agent = await _agent_id(asked, body.get("agent"))
    until = work.now + int(body["hours"]) * HOUR
    made = await mute(work, agent, body.get("kind"), body["reason"], until)
    return {"id": made, "until": iso(until)}


async def speak(work: Work, asked: Asked) -> None:
    """DELETE /alert-mutes/{mute}."""
    await unmute(work, asked.path["mute"])


KIND = text(choices=KINDS)
OPERATIONS: tuple[Operation, ...] = (
    lists(
        *(TAG, "listAlerts", "/alerts", "Alerts that are open, those seen last first", list_),
        page_of("Alert"),
        Parameter("agent", text(), "of one agent, by any of its names"),
        Parameter("kind", KIND, "only of this kind"),
        Parameter("all", TRUTH, "those that are resolved, too"),
    ),
    reads(
        *(TAG, "showAlert", "/alerts/{alert}", "One alert: why, the events behind it, who was told", show),
        ref("AlertTold"),
        about="`told` has a line for each route of the settings that hears of it, with the last reason why it was not.",
    ),
    changes(
        *(
            TAG,
            "resolveAlert",
            "POST",
            "/alerts/{alert}/resolve",
            "End an alert, and the hold it placed",
            end,
        ),
        ref("Alert"),
        closed({"reason": text("audited and shown")}),
    ),
    lists(
        *(TAG, "listMutes", "/alert-mutes", "What is muted, by whom, why and until when", muted),
        page_of("Mute"),
    ),
    changes(
        *(
            TAG,
            "muteAlerts",
            "POST",
            "/alert-mutes",
            "Tell nobody of an agent's alerts, or of a kind",
            silence,
        ),
        closed({"id": TEXT, "until": AT}),
        closed(
            {"agent": text(), "kind": KIND, "reason": text(), "hours": whole(least=1, most=24 * 365)},
            ("reason", "hours"),
        ),
        status=201,
        about="They are kept and shown all the same.",
    ),
    changes(TAG, "unmuteAlerts", "DELETE", "/alert-mutes/{mute}", "End a mute now", speak, None, status=204),
)
