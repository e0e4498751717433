"""Carrying a departure out: holds, new owners, revocations and news, in the deciding transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.departures.absence import is_absence, let_go, overtaken
from scim_bridge.departures.canary import stand_ins
from scim_bridge.departures.cases import add_outcomes, outcomes_of, standing, store_state
from scim_bridge.departures.facts import concerned, leaver_in, lock_agents, outcomes_for
from scim_bridge.departures.link import Links
from scim_bridge.departures.model import (
    ABSENCE,
    HELD,
    Answerable,
    Case,
    Fate,
    Leaver,
    Outcome,
    State,
    minute,
)
from scim_bridge.departures.progress import advance
from scim_bridge.departures.rules import Rules
from scim_bridge.departures.succession import accept_text, release_text
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.credentials import revoke_all
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT, Owners, PersonRef
from scim_bridge.registry.people import set_employed, set_leave, set_on_leave

# A notice lists this many agents by name; the case has them all.
LISTED = 100


async def execute(
    work: Work, rules: Rules, case: Case, person: PersonRef, *, settled_by: Sequence[str] = ()
) -> Case:
    """Decide and carry out a case in this transaction; the case as it then stands.

    The person counts as gone from here on. Agents held from a source in `settled_by` are left as they are.
    """
    away = case.kind == ABSENCE
    absences = [] if away else [one for one in await standing(work, person.id) if is_absence(one)]
    for absence in absences:
        await overtaken(work, absence, person)
    if away:
        await set_on_leave(work, person.id, True)
    elif person.active:
        await set_employed(work, person.id, False)
    await set_leave(work, person.id, case.effective_at)
    agents = await lock_agents(work, await concerned(work.tx, person.id))
    leaver = await leaver_in(work.tx, case, replace(person, active=False))
    outcomes = await outcomes_for(work.tx, leaver, agents, settled_by=settled_by, policies=rules.policies)
    if case.drill:
        outward.hush(work)
        await stand_ins(work, case)
    await carry_out(work, rules, case, leaver, outcomes)
    for absence in absences:
        await let_go(work, absence, [outcome.agent.agent_id for outcome in outcomes])
    decided = replace(case, state=State.OPEN, decided_at=work.now)
    await store_state(work, decided)
    fates = {fate.value: sum(outcome.fate is fate for outcome in outcomes) for fate in Fate}
    detail = {"person": person.user_name, "effective": minute(case.effective_at), **fates}
    await record(work, "departure.decided", "departure", case.id, detail)
    return await advance(work, case.id) or decided


async def execute_deleted(work: Work, case: Case) -> Case:
    """Go on with a case whose person was deleted while the brake held it: the held agents' credentials go."""
    rows = await outcomes_of(work.tx, case.id)
    outcomes = []
    for row in rows:
        agent = Answerable(row["agent_id"], row["slug"], Owners())
        outcomes.append(Outcome(agent, row["role"], Fate.HELD, Owners(), row["reason"]))
        await revoke_all(work, row["agent_id"], row["slug"], row["reason"], case_id=case.id)
    decided = replace(case, state=State.OPEN, decided_at=work.now)
    await store_state(work, decided)
    gone = PersonRef(case.person_id, case.person, case.display_name, "", False)
    await _tell_people(work, case, Leaver(gone, case.effective_at), outcomes)
    detail = {"person": case.person, "effective": minute(case.effective_at), Fate.HELD.value: len(rows)}
    await record(work, "departure.decided", "departure", case.id, detail)
    return await advance(work, case.id) or decided


async def carry_out(
    work: Work, rules: Rules, case: Case, leaver: Leaver, outcomes: Sequence[Outcome]
) -> None:
    """Make every outcome true here, and write the effects that make it true outside."""
    await add_outcomes(work, case.id, outcomes)
    for outcome in outcomes:
        agent = outcome.agent
        await set_owners(work, agent.agent_id, outcome.owners)
        if outcome.fate is Fate.HELD:
            await _stop(work, case, outcome)
        elif outcome.fate is Fate.HANDED_OVER:
            await _hand_over(work, case, outcome)
        await outward.push_to_idps(work, agent.agent_id, outcome.reason, case_id=case.id)
        told = {"case": case.id, "role": outcome.role, "fate": outcome.fate.value, "reason": outcome.reason}
        await record(work, "departure.agent_decided", AGENT, agent.agent_id, told)
    await _tell_people(work, case, leaver, outcomes, rules.links)


async def _stop(work: Work, case: Case, outcome: Outcome) -> None:
    agent, release = outcome.agent, release_text(case.id, outcome)
    await place_hold(
        work, agent.agent_id, case.hold_source, "owner-left", outcome.reason, release, case_id=case.id
    )
    if outcome.revoke:
        await revoke_all(work, agent.agent_id, agent.slug, outcome.reason, case_id=case.id)


async def _hand_over(work: Work, case: Case, outcome: Outcome) -> None:
    agent = outcome.agent
    if outcome.accept_within is not None and outcome.meanwhile == HELD:
        await place_hold(
            work,
            agent.agent_id,
            case.hold_source,
            "not-accepted",
            outcome.reason,
            accept_text(case.id, outcome),
            case_id=case.id,
        )
    await outward.tell_runtime(
        work, agent.agent_id, agent.slug, "agent.owner_changed", outcome.reason, case_id=case.id
    )


async def _tell_people(
    work: Work, case: Case, leaver: Leaver, outcomes: Sequence[Outcome], links: Links | None = None
) -> None:
    """One notice each to manager, successors and the security contact; none when no agent is concerned."""
    if not outcomes or case.drill:
        return
    notices: list[tuple[str, PersonRef | None, Sequence[Outcome]]] = [("departure-security", None, outcomes)]
    if leaver.manager is not None:
        notices.append(("departure-manager", leaver.manager, outcomes))
    inherited: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.successor is not None:
            inherited.setdefault(outcome.successor.id, []).append(outcome)
    notices += [("departure-successor", theirs[0].successor, theirs) for theirs in inherited.values()]
    for template, to, told in notices:
        asked = any(outcome.accept_within is not None and outcome.successor == to for outcome in told)
        await outward.notify(
            work,
            template,
            to,
            notice(case, told),
            subject_id=leaver.person.id,
            case_id=case.id,
            private=links.sealed(case.id, to) if asked and links is not None and to is not None else None,
        )


def notice(case: Case, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What a notice about a case says: who left, since when, and what becomes of which agent."""
    agents = [
        {
            "agent": outcome.agent.slug,
            "fate": outcome.fate.value,
            "reason": outcome.reason,
            "accept_by": None if outcome.accept_within is None else iso(case.begun + outcome.accept_within),
        }
        for outcome in outcomes[:LISTED]
    ]
    return {
        "case": case.id,
        "person": case.display_name,
        "effective": minute(case.effective_at),
        "count": len(outcomes),
        "agents": agents,
    }
