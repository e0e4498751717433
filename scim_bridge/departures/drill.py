"""The drill: a canary agent with a canary owner goes the whole way, each hop measured; nobody real is touched.

What is written for the canary never leaves the house: in place of each outward call the worker makes a
harmless one to the same IdP (a read). Counts, brakes and receipts of real departures know nothing of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import COLUMNS, case_of, find_case
from scim_bridge.departures.model import BUDGET, Case, State
from scim_bridge.departures.receipt import sign_waiting, verify_case
from scim_bridge.departures.status import DRILL_FACT
from scim_bridge.kernel.clock import MINUTE, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import SYSTEM, Actor, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person, delete_person
from scim_bridge.registry.resources import find
from scim_bridge.registry.signal import DRILL, LEFT, Signal

# RFC 2606: nobody's domain.
DOMAIN = "drill.invalid"
RUNNING = "running"
PASSED, FAILED = "passed", "failed"

Accept = Callable[[Work, Signal], Awaitable[object]]


async def begin(work: Work, accept: Accept) -> str:
    """Hire the canary and let it leave; the case's id. Refused while another drill runs."""
    await work.tx.run(
        "INSERT INTO sb_fact (name, value, changed) VALUES (?, '{}', ?) ON CONFLICT (name) DO UPDATE SET"
        " changed = sb_fact.changed",
        DRILL_FACT,
        work.now,
    )
    if await _running(work) is not None:
        raise Refused("drill-running", "A drill is running.", "See `scim-bridge departures status`.")
    outward.hush(work)
    name = f"canary-{work.ids.new()[-12:]}"
    person = await create_person(
        work, {"userName": f"{name}@{DOMAIN}", "displayName": "Canary owner (drill)"}, origin=DRILL
    )
    said = {AGENT_URN: {"owner": {"value": person.id}}, "userName": f"{name}-agent@{DOMAIN}"}
    agent = await create_agent(work, said, origin=DRILL, slug=name)
    await accept(
        work,
        Signal(DRILL, name, LEFT, person.id, work.now, work.now, "a drill", immediate=True),
    )
    case = await _running(work)
    assert case is not None
    await _note(work, {"state": RUNNING, "at": iso(work.now), "case": case.id})
    await record(work, "drill.begun", "departure", case.id, {"agent": agent.id})
    return case.id


async def _running(work: Work) -> Case | None:
    row = await work.tx.one(
        f"SELECT {COLUMNS} FROM sb_departure WHERE drill = 1 AND state IN ('open', 'stuck', 'closed')"
        " AND gone_by <> '[]' ORDER BY id DESC LIMIT 1"
    )
    return None if row is None else case_of(row)


async def _note(work: Work, said: dict[str, Any]) -> None:
    await work.tx.run(
        "UPDATE sb_fact SET value = ?, changed = ? WHERE name = ?",
        orjson.dumps(said).decode(),
        work.now,
        DRILL_FACT,
    )


async def tick(ctx: Context, every: int, accept: Accept) -> None:
    """Begin a drill when one is due (`every` in microseconds, 0: never), and end the one that ran."""
    await finish(ctx)
    if not every:
        return
    row = await ctx.store.reads.one("SELECT changed FROM sb_fact WHERE name = ?", DRILL_FACT)
    if row is not None and row["changed"] + every > ctx.store.clock.now():
        return
    try:
        await ctx.store.transact(SYSTEM, partial(_begin_when_due, every=every, accept=accept))
    except Refused:
        # Another process was faster.
        return


async def _begin_when_due(work: Work, every: int, accept: Accept) -> None:
    row = await work.tx.one(f"SELECT changed FROM sb_fact WHERE name = ?{work.tx.for_update}", DRILL_FACT)
    if row is not None and row["changed"] + every > work.now:
        work.bookkeeping("another process began it")
        return
    await begin(work, accept)


async def finish(ctx: Context) -> dict[str, Any] | None:
    """The result of a drill that is done or took too long, kept and shown; the canary is removed. None: none."""
    rows = await ctx.store.reads.all(
        f"SELECT {COLUMNS} FROM sb_departure WHERE drill = 1 AND gone_by <> '[]' ORDER BY id"
    )
    said = None
    for case in map(case_of, rows):
        late = ctx.store.clock.now() - case.begun > BUDGET + MINUTE
        if case.state is State.CLOSED:
            await sign_waiting(ctx)
            verdict = await verify_case(ctx, await find_case(ctx.store.reads, case.id))
            findings = [*verdict.findings, *([] if verdict.within_budget else ["It took too long."])]
        elif late:
            findings = ["It is not done after five minutes: see `departures show`."]
        else:
            continue
        said = await _result(ctx, case, findings)
        await ctx.store.transact(SYSTEM, partial(_end, case=case, said=said))
    return said


async def _result(ctx: Context, case: Case, findings: list[str]) -> dict[str, Any]:
    reads = ctx.store.reads
    effects = await reads.all(
        "SELECT payload, state, created, settled, attempts, last_error FROM sb_effect WHERE case_id = ?"
        " ORDER BY id",
        case.id,
    )
    receipt = await reads.one("SELECT issued, signed FROM sb_receipt WHERE case_id = ?", case.id)
    hops: list[dict[str, Any]] = [_hop("denied here", case.heard_at, case.decided_at)]
    for row in effects:
        name = orjson.loads(row["payload"])["name"]
        hops.append({**_hop(f"told {name}", row["created"], row["settled"]), "error": row["last_error"]})
    if receipt is not None:
        hops.append(_hop("receipt signed", receipt["issued"], receipt["signed"]))
    ended = max([case.heard_at, *(row["settled"] or 0 for row in effects)])
    return {
        "state": FAILED if findings else PASSED,
        "at": iso(case.heard_at),
        "case": case.id,
        "seconds": (ended - case.heard_at) // 1000 / 1000,
        "hops": hops,
        "findings": findings,
    }


def _hop(name: str, since: int, until: int | None) -> dict[str, Any]:
    return {"hop": name, "seconds": None if until is None else (until - since) // 1000 / 1000}


async def _end(work: Work, case: Case, said: dict[str, Any]) -> None:
    ended = await work.tx.run(
        "UPDATE sb_departure SET gone_by = '[]', note = ? WHERE id = ? AND gone_by <> '[]'",
        f"Drill {said['state']}.",
        case.id,
    )
    work.bookkeeping("another process ended this drill")
    if not ended:
        return
    outward.hush(work)
    if case.state is not State.CLOSED:
        await work.tx.run(
            "UPDATE sb_effect SET state = 'dropped', settled = ? WHERE case_id = ? AND state <> 'done'",
            work.now,
            case.id,
        )
    for row in await work.tx.all("SELECT agent_id FROM sb_departure_agent WHERE case_id = ?", case.id):
        if await find(work.tx, row["agent_id"]) is not None:
            await delete_agent(work, row["agent_id"], "the drill is over")
    if await find(work.tx, case.person_id) is not None:
        await delete_person(work, case.person_id, "the drill is over")
    await _note(work, said)
    await record(work, f"drill.{said['state']}", "departure", case.id, {"seconds": said["seconds"]})
    if said["state"] == FAILED:
        key = f"drill-failed:{case.id}"
        await outward.notify(work, "drill-failed", None, {**said}, subject_id=case.id, key=key)


async def ordered(ctx: Context, actor: Actor, accept: Accept) -> str:
    """Begin a drill on somebody's order; the case's id. Refused while another one runs."""
    done = await ctx.store.transact(actor, lambda work: begin(work, accept))
    return str(done)
