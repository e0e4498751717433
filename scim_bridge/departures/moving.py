"""A mover: still employed, elsewhere. They keep their agents; those who lead them are asked whether that is right."""

from __future__ import annotations

from scim_bridge.audit.record import record
from scim_bridge.departures.facts import leaver_of
from scim_bridge.departures.rules import Rules
from scim_bridge.departures.succession import IGNORE
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.model import PERSON, PersonRef
from scim_bridge.registry.people import agents_answered_for
from scim_bridge.registry.signal import Signal

LISTED = 100


async def moved_on(work: Work, rules: Rules, person: PersonRef, signal: Signal) -> None:
    """Tell the person's manager which agents they still answer for; nothing is taken from anybody.

    Nobody is told of somebody who answers for no agent, or where the policy says to ignore moves.
    """
    answered = dict(reversed(await agents_answered_for(work.tx, person.id)))
    told = bool(answered) and rules.policies.moved != IGNORE
    detail = {"source": signal.source, "agents": len(answered), "told": told, "reason": signal.reason}
    await record(work, "departure.moved", PERSON, person.id, detail)
    if not told:
        return
    facts = await facts_of(work.tx, list(answered)[:LISTED])
    agents = [
        {"agent": agent.slug, "role": answered[agent_id], "risk": agent.risk_tier}
        for agent_id, agent in sorted(facts.items(), key=lambda item: item[1].slug)
    ]
    manager = (await leaver_of(work.tx, person, work.now)).manager
    data = {"person": person.display_name, "why": signal.reason, "count": len(answered), "agents": agents}
    key = f"owner-moved:{signal.source}:{signal.key}"
    await outward.notify(work, "owner-moved", manager, data, subject_id=person.id, key=key)
