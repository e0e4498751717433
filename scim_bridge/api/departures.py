"""Departures: cases, receipts, and the brake; reporting one, handing an agent over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

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
    wrong,
)
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.hand_over import hand_over
from scim_bridge.departures.model import ADMIN_SOURCE, State
from scim_bridge.departures.receipt import export
from scim_bridge.departures.releasing import brakes, held_people, reject, release
from scim_bridge.departures.service import reactor
from scim_bridge.departures.view import listed, shown
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.signal import LEFT, RETURNED, Signal
from scim_bridge.signals.hr import end_of_day, zone_of
from scim_bridge.signals.service import accept

TAG = "Departures"
_HEAD: Mapping[str, Schema] = {
    "id": TEXT,
    "person": TEXT,
    "state": TEXT,
    "source": TEXT,
    "effective": AT,
    "heard": AT,
    "closed": maybe(AT),
    "why": maybe(TEXT),
}
_OUTCOME = closed(
    {
        "agent": TEXT,
        "role": TEXT,
        "outcome": TEXT,
        "successor": maybe(TEXT),
        "next_in_line": maybe(TEXT),
        "reason": TEXT,
        "rule": maybe(TEXT),
        "accept_by": maybe(AT),
        "accepted_at": maybe(AT),
        "handed_over_to": maybe(TEXT),
        "handed_over_at": maybe(AT),
    }
)
_STEP = closed(
    {
        "id": TEXT,
        "kind": TEXT,
        "about": TEXT,
        "agent": maybe(TEXT),
        "state": TEXT,
        "attempts": INTEGER,
        "done": maybe(AT),
        "next": maybe(AT),
        "error": maybe(TEXT),
    }
)
SCHEMAS: Mapping[str, Schema] = {
    "DepartureLine": {
        "type": "object",
        "description": "a case, and how many agents met which fate",
        "properties": dict(_HEAD),
        "required": list(_HEAD),
        "additionalProperties": INTEGER,
    },
    "Departure": closed(
        {
            **_HEAD,
            "display_name": TEXT,
            "immediate": TRUTH,
            "gone_by": many(TEXT),
            "brake": maybe(TEXT),
            "released": maybe(AT),
            "decided": maybe(AT),
            "seconds": maybe(NUMBER),
            "steps": INTEGER,
            "within_budget": maybe(TRUTH),
            "waiting": INTEGER,
            "dead": INTEGER,
            "receipt": TEXT,
            "note": maybe(TEXT),
            "agents": many(_OUTCOME),
            "effects": many(_STEP),
        }
    ),
    "Brake": closed(
        {
            "id": TEXT,
            "source": TEXT,
            "state": TEXT,
            "held": INTEGER,
            "reason": TEXT,
            "since": AT,
            "ended": maybe(AT),
            "approvals": many(TEXT),
            "needed": INTEGER,
        }
    ),
    "HeldCase": closed({"case": TEXT, "person": TEXT, "name": TEXT, "owns": INTEGER, "effective": AT}),
    "Verdict": closed({"state": TEXT, "cases": INTEGER, "still_needed": INTEGER}),
    "Reported": closed({"person": TEXT, "case": maybe(TEXT), "state": TEXT}),
    "HandedOver": closed({"agent": TEXT, "owner": TEXT, "active": TRUTH, "holds": many(TEXT)}),
}


async def cases(asked: Asked) -> Page:
    """GET /departures."""
    before = str(asked.after[0]) if asked.after else None
    rows = await listed(asked.reader, state=asked.query.get("state"), before=before, limit=asked.reach)
    return Page(*asked.cut(rows, lambda last: [last["id"]]))


async def case(asked: Asked) -> dict[str, Any]:
    """GET /departures/{id}."""
    return await shown(asked.reader, asked.path["id"], asked.now)


async def receipt(asked: Asked) -> dict[str, Any]:
    """GET /departures/{id}/receipt."""
    ctx = asked.house.ctx
    return dict(await export(ctx, await find_case(ctx.store.reads, asked.path["id"])))


async def inbox(asked: Asked) -> dict[str, Any]:
    """GET /departure-brakes."""
    every = bool(asked.query.get("all", False))
    found = await brakes(asked.reader, asked.house.rules.brake, every=every)
    return {"brakes": [{**each, "since": iso(each["since"])} for each in found]}


async def held(asked: Asked) -> dict[str, Any]:
    """GET /departure-brakes/{id}."""
    return {"cases": await held_people(asked.reader, asked.path["id"])}


async def let_go(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /departure-brakes/{id}/release."""
    who = asked.caller.approver()
    done = await release(work, asked.house.rules.brake, asked.path["id"], who, asked.body["reason"])
    return {"state": done.state, "cases": done.cases, "still_needed": done.missing}


async def turn_down(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /departure-brakes/{id}/reject."""
    who = asked.caller.approver()
    done = await reject(work, asked.path["id"], who, asked.body["reason"])
    return {"state": done.state, "cases": done.cases, "still_needed": done.missing}


async def report(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /departures: what an admin says, told as any door does."""
    name, body = asked.body["person"], asked.body
    person = await find_person(work.tx, name)
    if person is None:
        raise NotFound(
            "person-unknown", f"No person is known as {name[:100]!r}.", "Give a userName or e-mail."
        )
    back, immediate = bool(body.get("returned", False)), bool(body.get("involuntary", False))
    at = work.now
    if "last_day" in body and not back and not immediate:
        row = await work.tx.one("SELECT time_zone FROM sb_person WHERE id = ?", person.id)
        at = end_of_day(_day(body["last_day"]), zone_of([row["time_zone"]] if row is not None else []))
    kind = RETURNED if back else LEFT
    signal = Signal(ADMIN_SOURCE, work.ids.new(), kind, person.id, work.now, at, body["reason"], immediate)
    await accept(work, signal, reactor(asked.house.rules))
    rows = await listed(work.tx, person_id=person.id, limit=1)
    newest = rows[0] if rows else {"id": None, "state": "no departure"}
    return {"person": person.user_name, "case": newest["id"], "state": newest["state"]}


def _day(said: str) -> date:
    try:
        day = date.fromisoformat(said)
    except ValueError:
        day = None
    if day is None or day.year not in range(1970, 2200):
        raise wrong("body.last_day", "is no date between 1970 and 2199", "Write for example 2026-11-27.")
    return day


async def give(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /departures/{id}/hand-over."""
    done = await hand_over(work, asked.path["id"], asked.body["agent"], asked.body["to"])
    return {
        "agent": done.slug,
        "owner": done.owner.user_name,
        "active": not done.holds,
        "holds": [hold.reason for hold in done.holds],
    }


REASON = closed({"reason": text("audited and shown")})
REPORT = closed(
    {
        "person": text("userName, e-mail or id"),
        "reason": text("audited and shown"),
        "last_day": text(
            "such as 2026-11-27: ends at midnight where they work; without, they leave now", most=10
        ),
        "involuntary": {**TRUTH, "description": "at once, without grace"},
        "returned": {**TRUTH, "description": "the contrary: they stay, or are back"},
    },
    ("person", "reason"),
)
BRAKES, ID = "/departure-brakes", "/departure-brakes/{id}"
OPERATIONS: tuple[Operation, ...] = (
    reads(
        TAG,
        "listBrakes",
        BRAKES,
        "Brakes that are on, with what they hold",
        inbox,
        closed({"brakes": many(ref("Brake"))}),
        Parameter("all", TRUTH, "those that ended, too"),
    ),
    reads(TAG, "showBrake", ID, "Whose cases a brake holds", held, closed({"cases": many(ref("HeldCase"))})),
    changes(
        *(TAG, "releaseBrake", "POST", f"{ID}/release", "They really left", let_go),
        ref("Verdict"),
        REASON,
        about="Counts for the person the token is labelled with; several may be needed.",
    ),
    changes(
        TAG, "rejectBrake", "POST", f"{ID}/reject", "The news was wrong", turn_down, ref("Verdict"), REASON
    ),
    lists(
        *(TAG, "listDepartures", "/departures", "Cases, the newest first", cases),
        page_of("DepartureLine"),
        Parameter("state", text(choices=[each.value for each in State]), "only in this state"),
    ),
    changes(
        *(TAG, "reportDeparture", "POST", "/departures", "Report that somebody leaves, or is back", report),
        ref("Reported"),
        REPORT,
        status=201,
    ),
    reads(
        TAG, "showDeparture", "/departures/{id}", "One case: every agent, every step", case, ref("Departure")
    ),
    reads(
        *(
            TAG,
            "exportReceipt",
            "/departures/{id}/receipt",
            "The signed receipt with its public key",
            receipt,
        ),
        FREE,
        beside=True,
    ),
    changes(
        *(
            TAG,
            "handOver",
            "POST",
            "/departures/{id}/hand-over",
            "Make somebody the owner of an agent of a case",
            give,
        ),
        ref("HandedOver"),
        closed({"agent": text(), "to": text("the new owner: userName, e-mail or id")}),
    ),
)
