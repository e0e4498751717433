"""Handing an agent of a departure to somebody: the way out of a departure's hold."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import absent, find_case
from scim_bridge.departures.model import Case, Fate, minute
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import facts_of, find_agent
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.model import AGENT, PERSON, Hold, Owners, PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import load

DEPARTURE = "departure:"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An agent with its new owner. `holds` are those of other sources: while there are any it stays stopped."""

    slug: str
    owner: PersonRef
    holds: tuple[Hold, ...]


async def hand_over(work: Work, case_name: str, agent_name: str, to: str) -> HandedOver:
    """Make somebody the owner of an agent of this case and release its departure holds.

    NotFound for an unknown case, agent or person; Refused when the person is not there to own anything.
    Credentials that were revoked stay revoked.
    """
    case = await find_case(work.tx, case_name)
    owner = await _successor(work, to)
    agent = await find_agent(work.tx, agent_name)
    if agent is None or not await _of_case(work, case.id, agent.resource.id):
        raise NotFound(
            "case-agent",
            f"{agent_name!r} is no agent of this departure.",
            f"See `scim-bridge departures show {case.id}`.",
        )
    agent_id = agent.resource.id
    await load(work, agent_id, AGENT)
    before = (await facts_of(work.tx, [agent_id]))[agent_id]
    reason = f"{owner.display_name} took over from {case.display_name}"
    await set_owners(work, agent_id, _with_owner(before.owners, owner, case.person_id))
    for hold in before.holds:
        if hold.source.startswith(DEPARTURE):
            await release_hold(work, agent_id, hold.source, reason)
    await work.tx.run(
        "UPDATE sb_departure_agent SET resolved = ?, resolved_to = ?, accept_by = NULL"
        " WHERE agent_id = ? AND resolved IS NULL",
        work.now,
        owner.user_name,
        agent_id,
    )
    detail = {"case": case.id, "to": owner.user_name}
    await record(work, "departure.handed_over", AGENT, agent_id, detail)
    await outward.tell_runtime(work, agent_id, before.slug, "agent.owner_changed", reason)
    await outward.push_to_idps(work, agent_id, reason)
    await _tell(work, case, before.slug, owner, reason)
    after = (await facts_of(work.tx, [agent_id]))[agent_id]
    return HandedOver(before.slug, owner, after.holds)


async def _successor(work: Work, name: str) -> PersonRef:
    """The person meant, locked: somebody who leaves at this moment must not inherit."""
    found = await find_person(work.tx, name)
    if found is None:
        raise NotFound("person-unknown", f"No person is known as {name!r}.", "Give a userName or e-mail.")
    await load(work, found.id, PERSON)
    person = await find_person(work.tx, found.id)
    gone = (await absent(work.tx, [found.id])).gone
    if person is None or not person.active or person.id in gone:
        raise Refused(
            "successor-gone",
            f"{found.display_name} left and cannot own an agent.",
            "Name somebody who is there; if they came back: scim-bridge departures returned PERSON.",
        )
    return person


async def _of_case(work: Work, case_id: str, agent_id: str) -> bool:
    row = await work.tx.one(
        "SELECT 1 AS x FROM sb_departure_agent WHERE case_id = ? AND agent_id = ?", case_id, agent_id
    )
    return row is not None


def _with_owner(owners: Owners, owner: PersonRef, leaver_id: str) -> Owners:
    gone = {leaver_id} - {owner.id}
    return Owners(
        owner,
        tuple(p for p in owners.co_owners if p.id not in {owner.id, *gone}),
        tuple(p for p in owners.sponsors if p.id not in gone),
    )


async def _tell(work: Work, case: Case, slug: str, owner: PersonRef, reason: str) -> None:
    told = {"agent": slug, "fate": Fate.HANDED_OVER.value, "reason": reason}
    data = {
        "case": case.id,
        "person": case.display_name,
        "effective": minute(case.effective_at),
        "count": 1,
        "agents": [told],
    }
    await outward.notify(work, "departure-successor", owner, data, subject_id=owner.id)
