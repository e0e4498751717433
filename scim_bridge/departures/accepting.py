"""A successor's word: accepted, declined, or not given in time, and who is asked next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import absent, find_case
from scim_bridge.departures.facts import answerable, leaver_of, named_in
from scim_bridge.departures.model import HELD, Case, Fate, Leaver, Outcome, minute
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.succession import (
    HOLD,
    MANAGER,
    Policies,
    Succession,
    accept_text,
    decide,
    release_text,
)
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, NotFound, Refused
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts, facts_of, find_agent
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.credentials import revoke_all
from scim_bridge.registry.holds import place_hold, release_hold, restate_hold
from scim_bridge.registry.model import AGENT, CO_OWNER, PERSON, SPONSOR, PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import load

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an agent after a successor's word."""

    agent: str
    state: str
    owner: str | None
    reason: str


async def accept(work: Work, case_name: str, agent_name: str, by: str) -> Answer:
    """The successor takes the agent for good; what only waited for that is released.

    NotFound for unknown names; Refused when nothing is asked; Forbidden for anybody but the successor.
    """
    case, agent, row, heir = await _asked(work, case_name, agent_name, by)
    reason = f"{heir.display_name} accepted the hand-over from {case.display_name}"
    await _settle(work, row)
    await release_hold(work, agent.resource.id, case.hold_source, reason)
    detail = {"case": case.id, "by": heir.user_name}
    await record(work, "departure.accepted", AGENT, agent.resource.id, detail)
    after = (await facts_of(work.tx, [agent.resource.id]))[agent.resource.id]
    return Answer(agent.slug, "held" if after.holds else "active", heir.user_name, reason)


async def decline(work: Work, rules: Rules, case_name: str, agent_name: str, by: str) -> Answer:
    """The successor does not want the agent: the policy says whether the next is asked or it is held."""
    case, agent, row, heir = await _asked(work, case_name, agent_name, by)
    return await _next(work, rules, case, agent, row, heir, "declined")


async def _asked(
    work: Work, case_name: str, agent_name: str, by: str
) -> tuple[Case, AgentFacts, Any, PersonRef]:
    case = await find_case(work.tx, case_name)
    heir = await _heir(work, by)
    found = await find_agent(work.tx, agent_name)
    if found is not None:
        await load(work, found.resource.id, AGENT)
    row = None if found is None else await _row(work, case.id, found.resource.id)
    if found is None or row is None:
        raise NotFound(
            "case-agent",
            f"{agent_name!r} is no agent of this departure.",
            f"See `scim-bridge departures show {case.id}`.",
        )
    if row["accept_by"] is None:
        raise Refused("nothing-to-accept", f"Nobody need accept {found.slug}.", "It is decided already.")
    if not is_asked(row, heir):
        raise Forbidden(
            "not-the-successor",
            f"{row['successor']} is asked, not {heir.user_name}.",
            f"To give it to somebody else: scim-bridge departures hand-over {case.id} {found.slug} --to PERSON",
        )
    owner = (await facts_of(work.tx, [found.resource.id]))[found.resource.id].owners.owner
    if owner is None or owner.id != heir.id:
        raise Refused(
            "nothing-to-accept", f"{found.slug} was given to somebody else.", "It is decided already."
        )
    return case, found, row, heir


def is_asked(row: Any, person: PersonRef) -> bool:
    """True when this person is the successor of a row, whatever they were called when they were asked."""
    if row["successor_id"] is not None:
        return bool(row["successor_id"] == person.id)
    return bool(row["successor"] == person.user_name)


async def _heir(work: Work, name: str) -> PersonRef:
    """Who answers, locked: somebody who leaves at this moment takes nothing over."""
    found = await find_person(work.tx, name)
    if found is None:
        raise NotFound("person-unknown", f"No person is known as {name!r}.", "Give a userName or e-mail.")
    await load(work, found.id, PERSON)
    person = await find_person(work.tx, found.id)
    if person is None or not person.active or person.id in (await absent(work.tx, [found.id])).gone:
        raise Refused(
            "successor-gone", f"{found.display_name} left and takes nothing over.", "Somebody else is asked."
        )
    return person


async def _row(work: Work, case_id: str, agent_id: str) -> Any:
    return await work.tx.one(
        "SELECT case_id, agent_id, successor, successor_id, accept_by FROM sb_departure_agent"
        f" WHERE case_id = ? AND agent_id = ?{work.tx.for_update}",
        case_id,
        agent_id,
    )


async def _settle(work: Work, row: Any) -> None:
    await work.tx.run(
        "UPDATE sb_departure_agent SET accepted = ?, accept_by = NULL WHERE case_id = ? AND agent_id = ?",
        work.now,
        row["case_id"],
        row["agent_id"],
    )


async def lapse(ctx: Context, rules: Rules = RULES) -> int:
    """Go on with agents whose successor did not accept in time; how many."""
    done = 0
    rows = await ctx.store.reads.all(
        "SELECT case_id, agent_id FROM sb_departure_agent WHERE accept_by <= ? ORDER BY accept_by LIMIT ?",
        ctx.store.clock.now(),
        AT_ONCE,
    )
    for row in rows:
        body = partial(_lapsed, rules=rules, case_id=row["case_id"], agent_id=row["agent_id"])
        done += await ctx.store.transact(SYSTEM, body)
    return done


async def _lapsed(work: Work, rules: Rules, case_id: str, agent_id: str) -> int:
    work.bookkeeping("another process went on with it, or nobody need accept any more")
    facts = await facts_of(work.tx, [agent_id])
    if agent_id in facts:
        await load(work, agent_id, AGENT)
    row = await _row(work, case_id, agent_id)
    if row is None or row["accept_by"] is None or row["accept_by"] > work.now:
        return 0
    asked = row["successor_id"] or row["successor"]
    heir = await find_person(work.tx, asked) if asked else None
    facts = await facts_of(work.tx, [agent_id])
    owner = facts[agent_id].owners.owner if agent_id in facts else None
    if heir is None or owner is None or owner.id != heir.id:
        # It was given to somebody else, or is gone: there is nothing to accept.
        await work.tx.run(
            "UPDATE sb_departure_agent SET accept_by = NULL WHERE case_id = ? AND agent_id = ?",
            case_id,
            agent_id,
        )
        return 0
    case = await find_case(work.tx, case_id)
    await _next(work, rules, case, facts[agent_id], row, heir, "did not accept in time")
    return 1


async def _next(
    work: Work, rules: Rules, case: Case, agent: AgentFacts, row: Any, heir: PersonRef, did: str
) -> Answer:
    """Decide once more, without the one who was asked."""
    manager = (await leaver_of(work.tx, _gone(case), case.effective_at)).manager
    leaver = Leaver(heir, work.now, manager, case.leave, case.source, did)
    chosen, why = rules.policies.choose(answerable(agent), leaver)
    narrowed = Policies(default=_after(chosen, agent, heir, manager))
    named = await named_in(work.tx, rules.policies)
    possible = {p.id for p in (*agent.owners.co_owners, *agent.owners.sponsors, *named.values())}
    away = await absent(work.tx, possible | ({manager.id} if manager is not None else set()))
    outcome = decide(answerable(agent), leaver, away, narrowed, named)
    assert outcome is not None
    await _make_true(work, rules, case, agent, replace(outcome, because=why), row)
    state = "held" if outcome.fate is Fate.HELD or outcome.meanwhile == HELD else "active"
    owner = outcome.successor.user_name if outcome.successor is not None else None
    return Answer(agent.slug, state, owner, outcome.reason)


def _gone(case: Case) -> PersonRef:
    return PersonRef(case.person_id, case.person, case.display_name, "", False)


def _after(chosen: Succession, agent: AgentFacts, heir: PersonRef, manager: PersonRef | None) -> Succession:
    """The rule with those who come after the one who was asked; nobody where the rule says to hold."""
    if chosen.otherwise == HOLD:
        return replace(chosen, inherit=())
    sponsors = {person.id for person in agent.owners.sponsors}
    for place, word in enumerate(chosen.inherit):
        asked = (
            (word == SPONSOR and heir.id in sponsors)
            or (word == MANAGER and manager is not None and heir.id == manager.id)
            or word.casefold() == heir.user_name.casefold()
        )
        if asked:
            return replace(chosen, inherit=chosen.inherit[place + (word != SPONSOR) :])
    first = chosen.inherit.index(CO_OWNER) if CO_OWNER in chosen.inherit else 0
    return replace(chosen, inherit=chosen.inherit[first:])


async def _make_true(
    work: Work, rules: Rules, case: Case, agent: AgentFacts, outcome: Outcome, row: Any
) -> None:
    agent_id, held = agent.resource.id, outcome.fate is Fate.HELD
    accept_by = None if outcome.accept_within is None else work.now + outcome.accept_within
    await set_owners(work, agent_id, outcome.owners)
    if held or (accept_by is not None and outcome.meanwhile == HELD):
        code = "owner-left" if held else "not-accepted"
        words = release_text(case.id, outcome) if held else accept_text(case.id, outcome)
        if not await restate_hold(work, agent_id, case.hold_source, code, outcome.reason, words):
            await place_hold(work, agent_id, case.hold_source, code, outcome.reason, words)
    if held and outcome.revoke:
        await revoke_all(work, agent_id, agent.slug, outcome.reason)
    await work.tx.run(
        "UPDATE sb_departure_agent SET fate = ?, reason = ?, successor = ?, successor_id = ?, proposed = ?,"
        " accept_by = ?, meanwhile = ? WHERE case_id = ? AND agent_id = ?",
        outcome.fate.value,
        outcome.reason,
        outcome.successor.user_name if outcome.successor is not None else None,
        outcome.successor.id if outcome.successor is not None else None,
        outcome.proposed.user_name if outcome.proposed is not None else None,
        accept_by,
        outcome.meanwhile,
        row["case_id"],
        agent_id,
    )
    detail = {"case": case.id, "fate": outcome.fate.value, "reason": outcome.reason}
    await record(work, "departure.not_accepted", AGENT, agent_id, detail)
    await outward.push_to_idps(work, agent_id, outcome.reason)
    await _tell(work, rules, case, outcome, accept_by)


async def _tell(work: Work, rules: Rules, case: Case, outcome: Outcome, accept_by: int | None) -> None:
    """The next in line, or security when there is none."""
    told = {
        "agent": outcome.agent.slug,
        "fate": outcome.fate.value,
        "reason": outcome.reason,
        "accept_by": None if accept_by is None else iso(accept_by),
    }
    data = {
        "case": case.id,
        "person": case.display_name,
        "effective": minute(case.effective_at),
        "count": 1,
        "agents": [told],
    }
    to = outcome.successor
    template = "departure-security" if to is None else "departure-successor"
    private = None
    if to is not None and accept_by is not None and rules.links is not None:
        private = rules.links.sealed(case.id, to)
    await outward.notify(work, template, to, data, subject_id=outcome.agent.agent_id, private=private)
