"""Reading what a departure is decided on: whose agents, who else answers for them, who cannot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from scim_bridge.departures.cases import absent
from scim_bridge.departures.model import ABSENCE, VOLUNTARY, Answerable, Case, Leaver, Outcome
from scim_bridge.departures.succession import POLICIES, Policies, decide
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.model import AGENT, OWNER, PersonRef
from scim_bridge.registry.people import agents_answered_for, manager_of
from scim_bridge.registry.people_refs import find_person, people
from scim_bridge.registry.resources import find

CHUNK = 500


async def leaver_in(reader: Reader, case: Case, person: PersonRef) -> Leaver:
    """The person of a case as the one who leaves, in the way the case says."""
    did = "is on leave" if case.leave == ABSENCE else "left"
    return replace(
        await leaver_of(reader, person, case.effective_at), leave=case.leave, door=case.source, did=did
    )


async def leaver_of(
    reader: Reader, person: PersonRef, effective_at: int, *, leave: str = VOLUNTARY, door: str = ""
) -> Leaver:
    """A person as the one who leaves, with the manager who is there."""
    manager_id = await manager_of(reader, person.id)
    found = await people(reader, [manager_id]) if manager_id is not None else {}
    manager = found.get(manager_id) if manager_id is not None else None
    return Leaver(person, effective_at, manager, leave, door)


async def concerned(reader: Reader, person_id: str) -> list[str]:
    """The ids of every live agent a person answers for, each once, in id order."""
    return sorted({agent_id for agent_id, _ in await agents_answered_for(reader, person_id)})


async def owned_by(reader: Reader, person_id: str) -> list[str]:
    """The ids of every live agent a person owns, in id order."""
    return [agent for agent, role in await agents_answered_for(reader, person_id) if role == OWNER]


async def lock_agents(work: Work, agent_ids: Sequence[str]) -> list[str]:
    """Lock agents in id order, so that two departures over the same agents queue; those still alive.

    Whoever comes second reads what the first decided: owner and last co-owner may leave at once.
    """
    alive = []
    for agent_id in sorted(agent_ids):
        agent = await find(work.tx, agent_id, lock=work.tx.for_update)
        if agent is not None and agent.kind == AGENT:
            alive.append(agent_id)
    return alive


async def outcomes_for(
    reader: Reader,
    leaver: Leaver,
    agent_ids: Sequence[str],
    *,
    settled_by: Collection[str] = (),
    policies: Policies = POLICIES,
) -> list[Outcome]:
    """What becomes of each agent, in id order. Agents held from a source in `settled_by` are left out."""
    outcomes: list[Outcome] = []
    named = await named_in(reader, policies) if agent_ids else {}
    for start in range(0, len(agent_ids), CHUNK):
        facts = await facts_of(reader, agent_ids[start : start + CHUNK])
        possible = {*_people_of(facts.values(), leaver), *(person.id for person in named.values())}
        away = await absent(reader, possible)
        for agent_id in sorted(facts):
            found = facts[agent_id]
            if any(hold.source in settled_by for hold in found.holds):
                continue
            outcome = decide(answerable(found), leaver, away, policies, named)
            if outcome is not None:
                outcomes.append(outcome)
    return outcomes


async def named_in(reader: Reader, policies: Policies) -> Mapping[str, PersonRef]:
    """The people policies name, by that name; who is not known is left out."""
    found = {name: await find_person(reader, name) for name in sorted(policies.named)}
    return {name: person for name, person in found.items() if person is not None}


def answerable(agent: AgentFacts) -> Answerable:
    """An agent as the rules look at it."""
    return Answerable(
        agent.resource.id,
        agent.slug,
        agent.owners,
        agent.environment,
        agent.risk_tier,
        agent.platform,
        agent.origin,
    )


def _people_of(facts: Collection[AgentFacts], leaver: Leaver) -> set[str]:
    named = {leaver.manager.id} if leaver.manager is not None else set()
    for found in facts:
        owners = found.owners
        everybody = (*((owners.owner,) if owners.owner else ()), *owners.co_owners, *owners.sponsors)
        named |= {person.id for person in everybody}
    return named
