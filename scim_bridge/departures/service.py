"""What a departure is moved by: a signal, the end of an effect, the clock."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.audit.record import record
from scim_bridge.departures.absence import end as end_absence
from scim_bridge.departures.absence import is_absence
from scim_bridge.departures.cases import newest, standing, store_heard
from scim_bridge.departures.model import ABSENCE, Case, Move, State, move, still_gone
from scim_bridge.departures.moving import moved_on
from scim_bridge.departures.opening import cancelled, decided, gone, moved, repeat, sooner, will_go
from scim_bridge.departures.progress import settled
from scim_bridge.departures.returning import offer
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.timely import due
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import PERSON, PersonRef
from scim_bridge.registry.people import set_employed, set_leave
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.resources import load
from scim_bridge.registry.signal import AWAY, DELETED, LEFT, MOVED, NAMED, RETURNED, React, Signal

__all__ = ["due", "react", "reactor", "settled"]

DECIDED = (LEFT, RETURNED, DELETED, NAMED, MOVED, AWAY)


async def react(work: Work, signal: Signal, rules: Rules = RULES) -> None:
    """Do what a signal about a person asks for, in the transaction that accepted it.

    A leaver becomes one case however many doors tell of them. Gone now: decided and carried out here, or
    parked by the brake. Gone later: planned. Back: a plan is cancelled once no door says otherwise; what
    was carried out stays. Made an owner after they left: decided here, as part of that leave. On leave of
    absence: delegated for the time, and given back when they return. Moved: those who lead them are told.
    Other kinds of news change nothing.
    """
    if signal.kind not in DECIDED:
        return
    # The lock comes first: two doors that tell of one person at once become one case.
    await load(work, signal.person_id, PERSON)
    person = (await people(work.tx, [signal.person_id]))[signal.person_id]
    if signal.kind == NAMED:
        await decided(work, rules, person)
        return
    if signal.kind == MOVED:
        await moved_on(work, rules, person, signal)
        return
    signal = _with_grace(signal, rules)
    case = await newest(work.tx, person.id)
    if case is not None and is_absence(case) and signal.kind in (LEFT, DELETED):
        # A case of its own; the absence lasts until that is carried out.
        case = None
    step = move(case, signal, work.now)
    if step is Move.OPEN:
        await gone(work, rules, person, signal)
    elif step is Move.PLAN:
        await will_go(work, rules, person, signal)
    elif case is None or step is Move.NOTHING:
        return
    elif step is Move.REPLAN:
        await moved(work, rules, case, person, signal)
    elif step is Move.EXECUTE:
        await sooner(work, rules, case, person, signal)
    elif step is Move.REPEAT:
        await repeat(work, rules, case, person, signal)
    else:
        await _back(work, case, person, signal, step)


def _with_grace(signal: Signal, rules: Rules) -> Signal:
    """A leave that is not involuntary, as the policies give it time."""
    if signal.kind != LEFT or signal.immediate:
        return signal
    return replace(signal, effective_at=signal.effective_at + rules.policies.grace)


def reactor(rules: Rules) -> React:
    """`react` by an installation's own rules, for the doors."""

    async def by_these_rules(work: Work, signal: Signal) -> None:
        await react(work, signal, rules)

    return by_these_rules


async def _back(work: Work, case: Case, person: PersonRef, signal: Signal, step: Move) -> None:
    """Somebody says the person is (still or again) here. Nothing that was stopped starts by itself."""
    detail = {"person": person.user_name, "source": signal.source, "state": case.state.value}
    cases = await standing(work, person.id)
    away = [one for one in cases if _decided_absence(one)]
    if away and case.state is State.HELD:
        # What the brake holds is taken back; the leave of absence is not what it was about.
        cases = [case]
    elif away and case.state is State.PLANNED:
        # Back from leave is no word against the leave date ahead: whoever stays after all says so again.
        cases, step = away, Move.RETURN
        case = away[-1]
        if still_gone(case, signal.source):
            step = Move.STILL_GONE
    for known in cases:
        doors = still_gone(known, signal.source)
        await store_heard(work, replace(known, gone_by=doors, note=_back_note(known, signal, doors)))
    if step is Move.STILL_GONE:
        await record(work, "departure.still_gone", "departure", case.id, detail)
        return
    if step is Move.CANCEL:
        await cancelled(work, case)
    for known in cases:
        if step is Move.RETURN and known.kind == ABSENCE:
            await end_absence(work, known, person)
        elif step is Move.RETURN:
            await offer(work, known, person)
    if not any(known.state is State.PLANNED for known in await standing(work, person.id)):
        await set_leave(work, person.id, None)
    if not person.active:
        await set_employed(work, person.id, True)
    action = "departure.cancelled" if step is Move.CANCEL else "departure.returned"
    await record(work, action, "departure", case.id, detail)


def _decided_absence(case: Case) -> bool:
    return is_absence(case) and not case.undecided


def _back_note(case: Case, signal: Signal, doors: tuple[str, ...]) -> str:
    if doors:
        return (
            f"{signal.source} says {case.display_name} is here, {', '.join(doors)} says gone: gone counts."
            f" If that is wrong: scim-bridge departures returned {case.person}"
        )
    if case.undecided:
        return f"Cancelled: {signal.source} says {case.display_name} stays."
    return (
        f"{signal.source} says {case.display_name} is back. Nothing was restored; to give an agent back:"
        f" scim-bridge departures return {case.id} --agent AGENT --to {case.person}"
    )
