"""Opening, planning and repeating a case, inside the transaction that heard of it."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import add_case, count, standing, store_heard, store_state
from scim_bridge.departures.execute import execute, notice
from scim_bridge.departures.facts import concerned, leaver_in, lock_agents, outcomes_for
from scim_bridge.departures.model import ABSENCE, Case, State, minute
from scim_bridge.departures.parking import guard, judge, lift_when_empty, park
from scim_bridge.departures.rules import Rules
from scim_bridge.departures.strays import seen
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.people import set_disputed, set_leave
from scim_bridge.registry.signal import AWAY, DELETED, DRILL, Signal


def by_now(signal: Signal, now: int) -> Signal:
    """A signal that is acted on now was never effective later than now."""
    return replace(signal, effective_at=min(signal.effective_at, now))


def kind_of(signal: Signal) -> str | None:
    """The kind of a case a signal opens; None for a leaver."""
    return ABSENCE if signal.kind == AWAY else None


def heard(case: Case, signal: Signal, *, effective_at: int) -> Case:
    """The case with this door among those that say the person is gone."""
    doors = (*case.gone_by, *(() if signal.source in case.gone_by else (signal.source,)))
    return replace(
        case,
        gone_by=doors,
        immediate=case.immediate or signal.immediate,
        signal_at=max(case.signal_at, signal.at),
        effective_at=effective_at,
    )


async def gone(work: Work, rules: Rules, person: PersonRef, signal: Signal) -> None:
    """News of a leaver nobody told of before, in effect now: carried out, or parked by the brake."""
    signal = by_now(signal, work.now)
    if signal.source == DRILL:
        await opened(work, rules, person, signal)
        return
    counted = await judge(work, rules.brake, person, signal)
    if not counted.why:
        case = await opened(work, rules, person, signal)
        await count(work, case.id, signal.source, counted.answers, counted.urgent)
        return
    case = await add_case(work, person, signal, State.HELD, kind=kind_of(signal))
    await count(work, case.id, signal.source, counted.answers, False)
    await park(work, rules.brake, case, person, signal, counted.why)


async def opened(work: Work, rules: Rules, person: PersonRef, signal: Signal, *settled_by: str) -> Case:
    """Open a case and carry it out. Agents held from a source in `settled_by` are left as they are."""
    drill = 1 if signal.source == DRILL else None
    case = await add_case(work, person, signal, State.OPEN, kind=kind_of(signal), drill=drill)
    detail = {"person": person.user_name, "source": signal.source, "immediate": signal.immediate}
    await record(work, "departure.opened", "departure", case.id, detail)
    return await execute(work, rules, case, person, settled_by=settled_by)


async def will_go(work: Work, rules: Rules, person: PersonRef, signal: Signal) -> None:
    """News of a leave date ahead: planned, or parked by the brake."""
    counted = await judge(work, rules.brake, person, signal)
    state = State.HELD if counted.why else State.PLANNED
    case = await add_case(work, person, signal, state, kind=kind_of(signal))
    await count(work, case.id, signal.source, counted.answers, counted.urgent)
    if counted.why:
        await park(work, rules.brake, case, person, signal, counted.why)
    else:
        await plan(work, rules, case, person)


async def moved(work: Work, rules: Rules, case: Case, person: PersonRef, signal: Signal) -> None:
    """Another leave date. An earlier one is news the brake counts; a later one harms nobody."""
    again = heard(case, signal, effective_at=signal.effective_at)
    if signal.effective_at < case.effective_at:
        counted = await judge(work, rules.brake, person, signal)
        await count(work, case.id, signal.source, counted.answers, counted.urgent)
        if counted.why:
            await park(work, rules.brake, again, person, signal, counted.why)
            return
    await plan(work, rules, again, person)


async def sooner(work: Work, rules: Rules, case: Case, person: PersonRef, signal: Signal) -> None:
    """A planned (or parked) leave is in effect now: carried out, unless the brake parks it.

    A leave whose date was near and known is what everybody expected: the brake counted it before.
    """
    signal = by_now(signal, work.now)
    again = replace(
        heard(case, signal, effective_at=min(case.effective_at, signal.effective_at)), heard_at=work.now
    )
    expected = case.state is State.PLANNED and case.effective_at - work.now <= rules.brake.announced
    if not expected:
        counted = await judge(work, rules.brake, person, signal)
        await count(work, case.id, signal.source, counted.answers, counted.urgent)
        if counted.why:
            await park(work, rules.brake, again, person, signal, counted.why)
            return
    await store_heard(work, replace(again, note=""))
    await execute(work, rules, again, person)
    await lift_when_empty(work, case.brake_id)


async def plan(work: Work, rules: Rules, case: Case, person: PersonRef) -> None:
    """Keep the leave date, and tell the manager in time what will happen then."""
    await store_heard(work, case)
    await set_leave(work, person.id, case.effective_at)
    if not person.active:
        # Switched off at the IdP already, and given time here: their agents run on until then.
        await set_disputed(work, person.id, work.now)
    detail = {"person": person.user_name, "source": case.source, "effective": minute(case.effective_at)}
    await record(work, "departure.planned", "departure", case.id, detail)
    leaver = await leaver_in(work.tx, case, person)
    agents = await concerned(work.tx, person.id)
    outcomes = await outcomes_for(work.tx, leaver, agents, policies=rules.policies)
    if outcomes and leaver.manager is not None:
        data = notice(case, outcomes)
        await outward.notify(work, "departure-planned", leaver.manager, data, subject_id=person.id)


async def repeat(work: Work, rules: Rules, case: Case, person: PersonRef, signal: Signal) -> None:
    """The same leave told again: nothing twice, but agents that came to the leaver since are not missed."""
    signal = by_now(signal, work.now)
    again = heard(case, signal, effective_at=case.effective_at)
    await store_heard(work, again)
    detail = {"person": person.user_name, "source": signal.source, "state": case.state.value}
    await record(work, "departure.heard_again", "departure", case.id, detail)
    if case.state is State.HELD and signal.kind == DELETED:
        await guard(work, again, person)
    if not case.undecided:
        await _decide_on_more(work, rules, person, signal, await standing(work, person.id))


async def decided(work: Work, rules: Rules, person: PersonRef) -> None:
    """Decide on agents that came to somebody who had left: part of that leave, whatever the brake says now."""
    cases = await standing(work, person.id)
    if cases and not cases[-1].undecided:
        await _decide_on_more(work, rules, person, seen(cases[-1], work.now), cases)


async def _decide_on_more(
    work: Work, rules: Rules, person: PersonRef, signal: Signal, cases: list[Case]
) -> None:
    agents = await lock_agents(work, await concerned(work.tx, person.id))
    sources = [known.hold_source for known in cases]
    leaver = await leaver_in(work.tx, cases[-1], person)
    if await outcomes_for(work.tx, leaver, agents, settled_by=sources, policies=rules.policies):
        await opened(work, rules, person, signal, *sources)


async def cancelled(work: Work, case: Case) -> None:
    """Take back a case that was not carried out; the brake has one less to hold."""
    await store_state(work, replace(case, state=State.CANCELLED))
    await lift_when_empty(work, case.brake_id)
