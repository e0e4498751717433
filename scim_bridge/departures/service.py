"""What a departure is moved by: a signal, the end of an effect, the clock."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import structlog

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import (
    add_case,
    due_cases,
    locked,
    newest,
    standing,
    store_heard,
    store_state,
)
from scim_bridge.departures.execute import execute, notice
from scim_bridge.departures.facts import concerned, leaver_of, lock_agents, outcomes_for
from scim_bridge.departures.model import Case, Move, State, minute, move, still_gone
from scim_bridge.departures.progress import advance, settled
from scim_bridge.departures.receipt import sign_waiting
from scim_bridge.departures.strays import owners_gone, seen
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward
from scim_bridge.registry.model import PERSON, PersonRef
from scim_bridge.registry.people import set_employed, set_leave
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.resources import find, load
from scim_bridge.registry.signal import DELETED, LEFT, NAMED, RETURNED, Signal

__all__ = ["due", "react", "settled"]

log = structlog.get_logger("scim_bridge.departures")

DECIDED = (LEFT, RETURNED, DELETED, NAMED)


async def react(work: Work, signal: Signal) -> None:
    """Do what a signal about a person asks for, in the transaction that accepted it.

    A leaver becomes one case however many doors tell of them. Gone now: decided and carried out here.
    Gone later: planned. Back: a plan is cancelled once no door says otherwise; what was carried out stays.
    Made an owner after they left: decided here, as part of that leave. Other kinds of news change nothing.
    """
    if signal.kind not in DECIDED:
        return
    # The lock comes first: two doors that tell of one person at once become one case.
    await load(work, signal.person_id, PERSON)
    person = (await people(work.tx, [signal.person_id]))[signal.person_id]
    if signal.kind == NAMED:
        await _decided(work, person)
        return
    case = await newest(work.tx, person.id)
    step = move(case, signal, work.now)
    if step is Move.OPEN:
        await _opened(work, person, _by_now(signal, work.now))
    elif step is Move.PLAN:
        await _plan(work, await add_case(work, person, signal, State.PLANNED), person)
    elif case is None or step is Move.NOTHING:
        return
    elif step is Move.REPLAN:
        await _plan(work, _heard(case, signal, effective_at=signal.effective_at), person)
    elif step is Move.EXECUTE:
        known = min(case.effective_at, _by_now(signal, work.now).effective_at)
        heard = replace(_heard(case, signal, effective_at=known), heard_at=work.now)
        await store_heard(work, heard)
        await execute(work, heard, person)
    elif step is Move.REPEAT:
        await _repeat(work, case, person, _by_now(signal, work.now))
    else:
        await _back(work, case, person, signal, step)


def _by_now(signal: Signal, now: int) -> Signal:
    """A signal that is acted on now was never effective later than now."""
    return replace(signal, effective_at=min(signal.effective_at, now))


def _heard(case: Case, signal: Signal, *, effective_at: int) -> Case:
    doors = (*case.gone_by, *(() if signal.source in case.gone_by else (signal.source,)))
    return replace(
        case,
        gone_by=doors,
        immediate=case.immediate or signal.immediate,
        signal_at=max(case.signal_at, signal.at),
        effective_at=effective_at,
    )


async def _opened(work: Work, person: PersonRef, signal: Signal, *settled_by: str) -> None:
    case = await add_case(work, person, signal, State.OPEN)
    detail = {"person": person.user_name, "source": signal.source, "immediate": signal.immediate}
    await record(work, "departure.opened", "departure", case.id, detail)
    await execute(work, case, person, settled_by=settled_by)


async def _plan(work: Work, case: Case, person: PersonRef) -> None:
    """Keep the leave date, and tell the manager in time what will happen then."""
    await store_heard(work, case)
    await set_leave(work, person.id, case.effective_at)
    detail = {"person": person.user_name, "source": case.source, "effective": minute(case.effective_at)}
    await record(work, "departure.planned", "departure", case.id, detail)
    leaver = await leaver_of(work.tx, person, case.effective_at)
    outcomes = await outcomes_for(work.tx, leaver, await concerned(work.tx, person.id))
    if outcomes and leaver.manager is not None:
        data = notice(case, outcomes)
        await outward.notify(work, "departure-planned", leaver.manager, data, subject_id=person.id)


async def _repeat(work: Work, case: Case, person: PersonRef, signal: Signal) -> None:
    """The same leave told again: nothing twice, but agents that came to the leaver since are not missed."""
    heard = _heard(case, signal, effective_at=case.effective_at)
    await store_heard(work, heard)
    detail = {"person": person.user_name, "source": signal.source, "state": case.state.value}
    await record(work, "departure.heard_again", "departure", case.id, detail)
    if case.state is State.PLANNED:
        return
    agents = await lock_agents(work, await concerned(work.tx, person.id))
    sources = [known.hold_source for known in await standing(work, person.id)]
    leaver = await leaver_of(work.tx, person, case.effective_at)
    if await outcomes_for(work.tx, leaver, agents, settled_by=sources):
        await _opened(work, person, signal, *sources)


async def _back(work: Work, case: Case, person: PersonRef, signal: Signal, step: Move) -> None:
    """Somebody says the person is (still or again) here. Nothing that was stopped starts by itself."""
    detail = {"person": person.user_name, "source": signal.source, "state": case.state.value}
    for known in await standing(work, person.id):
        doors = still_gone(known, signal.source)
        await store_heard(work, replace(known, gone_by=doors, note=_back_note(known, signal, doors)))
    if step is Move.STILL_GONE:
        await record(work, "departure.still_gone", "departure", case.id, detail)
        return
    if step is Move.CANCEL:
        await store_state(work, replace(case, state=State.CANCELLED))
    await set_leave(work, person.id, None)
    if not person.active:
        await set_employed(work, person.id, True)
    action = "departure.cancelled" if step is Move.CANCEL else "departure.returned"
    await record(work, action, "departure", case.id, detail)


def _back_note(case: Case, signal: Signal, doors: tuple[str, ...]) -> str:
    if doors:
        return (
            f"{signal.source} says {case.display_name} is here, {', '.join(doors)} says gone: gone counts."
            f" If that is wrong: scim-bridge departures returned {case.person}"
        )
    if case.state is State.PLANNED:
        return f"Cancelled: {signal.source} says {case.display_name} stays."
    return (
        f"{signal.source} says {case.display_name} is back. Nothing was restored; to give an agent back:"
        f" scim-bridge departures hand-over {case.id} AGENT --to {case.person}"
    )


async def due(ctx: Context) -> int:
    """Carry out planned cases whose leave date came; how many.

    Also decides on agents that came to a leaver since, closes cases whose last effects ended without a
    word (dropped), and signs receipts that wait.
    """
    done = 0
    for case in await due_cases(ctx.store.reads, ctx.store.clock.now()):
        try:
            done += await ctx.store.transact(SYSTEM, partial(_due, planned=case))
        except StoreUnavailable:
            raise
        except Exception:
            # One case that cannot be carried out must not keep the others waiting.
            log.exception("departure.failed", action="departure.failed", case=case.id)
    for person_id in await owners_gone(ctx.store.reads):
        await ctx.store.transact(SYSTEM, partial(_stray, person_id=person_id))
    await _close_quiet(ctx)
    await sign_waiting(ctx)
    return done


async def _stray(work: Work, person_id: str) -> None:
    """A leaver who owns an agent that may act: a case of its own for what came since."""
    work.bookkeeping("another process decided on it, or the person is back")
    found = await find(work.tx, person_id, lock=work.tx.for_update)
    if found is not None:
        await _decided(work, (await people(work.tx, [person_id]))[person_id])


async def _decided(work: Work, person: PersonRef) -> None:
    cases = await standing(work, person.id)
    if not cases or cases[-1].state is State.PLANNED:
        return
    agents = await lock_agents(work, await concerned(work.tx, person.id))
    sources = [known.hold_source for known in cases]
    leaver = await leaver_of(work.tx, person, cases[-1].effective_at)
    if await outcomes_for(work.tx, leaver, agents, settled_by=sources):
        await _opened(work, person, seen(cases[-1], work.now), *sources)


async def _due(work: Work, planned: Case) -> int:
    found = await find(work.tx, planned.person_id, lock=work.tx.for_update)
    case = await locked(work, planned.id)
    if case is None or case.state is not State.PLANNED or case.effective_at > work.now:
        work.bookkeeping("another process carried this departure out")
        return 0
    if found is None:
        note = "The person was deleted before the leave date."
        await store_heard(work, replace(case, gone_by=(), note=note))
        await store_state(work, replace(case, state=State.CANCELLED))
        await record(
            work, "departure.cancelled", "departure", case.id, {"person": case.person, "reason": note}
        )
        return 0
    await execute(work, case, (await people(work.tx, [found.id]))[found.id])
    return 1


async def _close_quiet(ctx: Context) -> None:
    """Close cases whose last effect was dropped: no worker reports that."""
    rows = await ctx.store.reads.all(
        "SELECT d.id FROM sb_departure d WHERE d.state IN ('open', 'stuck') AND NOT EXISTS"
        " (SELECT 1 FROM sb_effect e WHERE e.case_id = d.id AND e.state IN ('pending', 'handed', 'dead'))"
    )
    for row in rows:
        await ctx.store.transact(SYSTEM, partial(_quiet, case_id=row["id"]))


async def _quiet(work: Work, case_id: str) -> None:
    work.bookkeeping("another process closed this case")
    await advance(work, case_id)
