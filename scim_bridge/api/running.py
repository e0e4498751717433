"""How the installation runs: outward calls, doors for news, the audit log, its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge.api.access import instant
from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
    AT,
    FREE,
    INTEGER,
    NUMBER,
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
from scim_bridge.audit.model import detail_of, instant_of
from scim_bridge.audit.record import record
from scim_bridge.departures.status import status as leaving
from scim_bridge.kernel import counters
from scim_bridge.kernel.backlog import backlog
from scim_bridge.kernel.clock import SECOND, iso
from scim_bridge.kernel.effects import revive_within
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.signals.doors import Door, door, doors

EFFECTS, DOORS, AUDIT, STATUS = "Effects", "Doors", "Audit", "Status"
STATES = ("pending", "handed", "done", "dead", "dropped")
SCHEMAS: Mapping[str, Schema] = {
    "Effect": closed(
        {
            "id": TEXT,
            "kind": TEXT,
            "state": TEXT,
            "subject": maybe(TEXT),
            "case": maybe(TEXT),
            "attempts": INTEGER,
            "error": maybe(TEXT),
            "result": maybe(FREE),
            "created": AT,
            "next_try": maybe(AT),
        }
    ),
    "Door": closed(
        {
            "name": TEXT,
            "kind": TEXT,
            "heard": maybe(AT),
            "event": maybe(AT),
            "lag_seconds": maybe(NUMBER),
            "events": INTEGER,
            "gaps": many(closed({"at": TEXT, "why": TEXT})),
            "trouble": maybe(TEXT),
            "troubled": maybe(AT),
        }
    ),
    "AuditRow": closed(
        {
            "id": TEXT,
            "at": AT,
            "place": {**maybe(INTEGER), "description": "in the chain; null until it is sealed"},
            "actor": closed({"kind": TEXT, "id": TEXT, "name": TEXT}),
            "action": TEXT,
            "subject": closed({"kind": TEXT, "id": maybe(TEXT)}),
            "outcome": TEXT,
            "detail": FREE,
            "request_id": maybe(TEXT),
        }
    ),
    "Status": closed(
        {
            "ready": TRUTH,
            "components": many(closed({"component": TEXT, "state": TEXT, "detail": TEXT})),
            "agents": INTEGER,
            "people": INTEGER,
            "groups": INTEGER,
            "effects": {"type": "object", "additionalProperties": INTEGER},
            "departures": FREE,
        }
    ),
}
COLUMNS = "id, kind, state, subject_id, case_id, attempts, last_error, result, created, next_at"


def _effect(row: Any) -> dict[str, Any]:
    waits = row["state"] in ("pending", "handed")
    return {
        "id": row["id"],
        "kind": row["kind"],
        "state": row["state"],
        "subject": row["subject_id"],
        "case": row["case_id"],
        "attempts": row["attempts"],
        "error": row["last_error"] or None,
        "result": orjson.loads(row["result"]) if row["result"] else None,
        "created": iso(row["created"]),
        "next_try": iso(row["next_at"]) if waits else None,
    }


async def list_effects(asked: Asked) -> Page:
    """GET /effects."""
    where, values = ["1 = 1"], []
    if "state" in asked.query:
        where.append("state = ?")
        values.append(asked.query["state"])
    if asked.after:
        where.append("(created, id) < (?, ?)")
        values += asked.after
    rows = await asked.reader.all(
        f"SELECT {COLUMNS} FROM sb_effect WHERE {' AND '.join(where)} ORDER BY created DESC, id DESC LIMIT ?",
        *values,
        asked.reach,
    )
    kept, key = asked.cut(rows, lambda last: [last["created"], last["id"]])
    return Page([_effect(row) for row in kept], key)


async def show_effect(asked: Asked) -> dict[str, Any]:
    """GET /effects/{effect}."""
    row = await asked.reader.one(f"SELECT {COLUMNS} FROM sb_effect WHERE id = ?", asked.path["effect"])
    if row is None:
        raise NotFound("effect-unknown", "There is no such effect.", "See GET /api/v1/effects.")
    return _effect(row)


async def retry(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /effects/{effect}/retry."""
    effect = asked.path["effect"]
    await revive_within(work, effect)
    await record(work, "effect.retried", "effect", effect)
    return await show_effect(asked)


async def drop(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /effects/{effect}/drop."""
    effect = asked.path["effect"]
    found = await show_effect(asked)
    if not await work.tx.run(
        "UPDATE sb_effect SET state = 'dropped' WHERE id = ? AND state = 'dead'", effect
    ):
        raise Refused(
            "effect-not-dead", f"The effect is {found['state']}.", "Only dead effects can be dropped."
        )
    await record(work, "effect.dropped", "effect", effect, {"reason": asked.body["reason"]})
    return await show_effect(asked)


def _door(of: Door) -> dict[str, Any]:
    return {
        "name": of.name,
        "kind": of.kind,
        "heard": None if of.heard is None else iso(of.heard),
        "event": None if of.event is None else iso(of.event),
        "lag_seconds": None if of.lag is None else round(of.lag / SECOND, 3),
        "events": of.events,
        "gaps": [{"at": gap.at, "why": gap.why} for gap in of.gaps],
        "trouble": of.trouble or None,
        "troubled": None if of.troubled is None else iso(of.troubled),
    }


async def list_doors(asked: Asked) -> dict[str, Any]:
    """GET /doors."""
    return {"items": [_door(each) for each in await doors(asked.reader)]}


async def show_door(asked: Asked) -> dict[str, Any]:
    """GET /doors/{door}."""
    name = asked.path["door"]
    of = await door(asked.reader, name)
    if of is None:
        raise NotFound("door-unknown", f"There is no door {name[:100]!r}.", "See GET /api/v1/doors.")
    return _door(of)


async def search_audit(asked: Asked) -> Page:
    """GET /audit."""
    where, values = ["1 = 1"], []
    for name, column in (("action", "action"), ("subject", "subject_id"), ("actor", "actor_name")):
        if name in asked.query:
            where.append(f"{column} = ?")
            values.append(asked.query[name])
    for name, test in (("since", "at >= ?"), ("until", "at < ?")):
        bound = instant(asked, name)
        if bound is not None:
            where.append(test)
            values.append(bound)
    if asked.after:
        where.append("id < ?")
        values.append(asked.after[0])
    rows = await asked.reader.all(
        "SELECT id, at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, outcome, detail, seq,"
        f" request_id FROM sb_audit WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
        *values,
        asked.reach,
    )
    kept, key = asked.cut(rows, lambda last: [last["id"]])
    return Page([_row(row) for row in kept], key)


def _row(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "at": iso(instant_of(row)),
        "place": row["seq"],
        "actor": {"kind": row["actor_kind"], "id": row["actor_id"], "name": row["actor_name"]},
        "action": row["action"],
        "subject": {"kind": row["subject_kind"], "id": row["subject_id"]},
        "outcome": row["outcome"],
        "detail": detail_of(row),
        "request_id": row["request_id"],
    }


async def stand(asked: Asked) -> dict[str, Any]:
    """GET /status."""
    reads_ = asked.reader
    lines = await asked.house.components()
    return {
        "ready": all(each["state"] == "ok" for each in lines),
        "components": lines,
        "agents": await counters.total(reads_, "live:agent"),
        "people": await counters.total(reads_, "live:person"),
        "groups": await counters.total(reads_, "live:group"),
        "effects": await backlog(reads_),
        "departures": await leaving(reads_, asked.now),
    }


TIME = text(most=40)
OPERATIONS: tuple[Operation, ...] = (
    lists(
        *(EFFECTS, "listEffects", "/effects", "Outward calls, the newest first", list_effects),
        page_of("Effect"),
        Parameter("state", text(choices=STATES), "only in this state"),
    ),
    reads(
        EFFECTS, "showEffect", "/effects/{effect}", "One call, with its result", show_effect, ref("Effect")
    ),
    changes(
        *(EFFECTS, "retryEffect", "POST", "/effects/{effect}/retry", "Give a dead call a fresh round", retry),
        ref("Effect"),
    ),
    changes(
        *(EFFECTS, "dropEffect", "POST", "/effects/{effect}/drop", "Give up a dead call for good", drop),
        ref("Effect"),
        closed({"reason": text("audited and shown")}),
    ),
    reads(
        DOORS,
        "listDoors",
        "/doors",
        "Doors for news about people",
        list_doors,
        closed({"items": many(ref("Door"))}),
    ),
    reads(DOORS, "showDoor", "/doors/{door}", "One door", show_door, ref("Door")),
    lists(
        *(AUDIT, "searchAudit", "/audit", "Audit rows, the newest first", search_audit),
        page_of("AuditRow"),
        Parameter("action", text(most=100), "such as agent.held"),
        Parameter("subject", text(), "id of what it is about"),
        Parameter("actor", text(), "name of who did it"),
        Parameter("since", TIME, "RFC 3339"),
        Parameter("until", TIME, "RFC 3339"),
    ),
    reads(STATUS, "showStatus", "/status", "How the installation stands", stand, ref("Status"), beside=True),
)
