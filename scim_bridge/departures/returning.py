"""Somebody is back: what their departure took from them is offered, and given back only when somebody says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import absent, find_case, outcomes_of
from scim_bridge.departures.facts import leaver_of
from scim_bridge.departures.model import Case
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import facts_of, find_agent
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.model import AGENT, CO_OWNER, OWNER, PERSON, SPONSOR, Hold, Owners, PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import load

LISTED = 100
GONE = frozenset({"revoked", "revoking"})


@dataclass(frozen=True, slots=True)
class GivenBack:
    """An agent that is somebody's again. `holds` still stop it; `renew` are revoked credentials by label."""

    slug: str
    person: PersonRef
    role: str
    holds: tuple[Hold, ...]
    renew: tuple[str, ...]


async def offers(reader: Reader, case_name: str) -> tuple[Case, list[dict[str, Any]]]:
    """A case, and what it took from its person: per agent the role they had, and how it stands now.

    Empty while some door still says that the person is gone.
    """
    case = await find_case(reader, case_name)
    if case.gone_by or case.undecided:
        return case, []
    rows = await outcomes_of(reader, case.id)
    facts = await facts_of(reader, [row["agent_id"] for row in rows])
    found = []
    for row in rows:
        agent = facts.get(row["agent_id"])
        if agent is None:
            continue
        revoked = [c for c in await credentials_of(reader, row["agent_id"]) if c["state"] in GONE]
        owner = agent.owners.owner
        found.append(
            {
                "agent": row["slug"],
                "was": row["role"],
                "became": row["fate"],
                "owner": owner.user_name if owner is not None else None,
                "state": "held" if agent.holds else "active",
                "credentials_to_renew": len(revoked),
                "given_back": None if row["returned"] is None else iso(row["returned"]),
            }
        )
    return case, found


async def offer(work: Work, case: Case, person: PersonRef) -> None:
    """Tell the person's manager what their departure took, and how it can be given back; nothing is done."""
    rows = await outcomes_of(work.tx, case.id)
    if not rows:
        return
    manager = (await leaver_of(work.tx, person, work.now)).manager
    data = {
        "case": case.id,
        "person": person.display_name,
        "user_name": person.user_name,
        "count": len(rows),
        "agents": [
            {"agent": row["slug"], "was": row["role"], "became": row["fate"], "owner": row["successor"]}
            for row in rows[:LISTED]
        ],
    }
    await outward.notify(work, "departure-returned", manager, data, subject_id=person.id)


async def give_back(work: Work, case_name: str, agent_name: str, to: str | None) -> GivenBack:
    """Give one agent of a case back to who left: the role they had, and the case's hold released.

    Whoever took over as owner stays as co-owner. Revoked credentials stay revoked: the agent needs new ones.
    NotFound for unknown names; Refused while the person counts as gone, or when it was done already.
    """
    case = await find_case(work.tx, case_name)
    person = await _returned(work, case, to)
    agent = await find_agent(work.tx, agent_name)
    row = None
    if agent is not None:
        await load(work, agent.resource.id, AGENT)
        row = await work.tx.one(
            "SELECT role, returned FROM sb_departure_agent WHERE case_id = ? AND agent_id = ?",
            case.id,
            agent.resource.id,
        )
    if agent is None or row is None:
        raise NotFound(
            "case-agent",
            f"{agent_name!r} is no agent of this departure.",
            f"See `scim-bridge departures return {case.id}`.",
        )
    if row["returned"] is not None:
        raise Refused("given-back", f"{agent.slug} was given back already.", "There is nothing to do.")
    reason = f"{person.display_name} is back"
    await restore(work, case, agent.resource.id, person, row["role"], reason)
    after = (await facts_of(work.tx, [agent.resource.id]))[agent.resource.id]
    renew = [c["label"] for c in await credentials_of(work.tx, agent.resource.id) if c["state"] in GONE]
    return GivenBack(agent.slug, person, row["role"], after.holds, tuple(renew))


async def restore(work: Work, case: Case, agent_id: str, person: PersonRef, role: str, reason: str) -> None:
    """Give a person their role for an agent again, and release what this case holds of it."""
    agent = (await facts_of(work.tx, [agent_id]))[agent_id]
    await set_owners(work, agent_id, _with(agent.owners, person, role))
    await release_hold(work, agent_id, case.hold_source, reason)
    await work.tx.run(
        "UPDATE sb_departure_agent SET returned = ?, accept_by = NULL, resolved = COALESCE(resolved, ?),"
        " resolved_to = COALESCE(resolved_to, ?) WHERE case_id = ? AND agent_id = ?",
        work.now,
        work.now,
        person.user_name,
        case.id,
        agent_id,
    )
    detail = {"case": case.id, "to": person.user_name, "role": role}
    await record(work, "departure.given_back", AGENT, agent_id, detail)
    if role == OWNER:
        await outward.tell_runtime(work, agent_id, agent.slug, "agent.owner_changed", reason)
    await outward.push_to_idps(work, agent_id, reason)


async def _returned(work: Work, case: Case, to: str | None) -> PersonRef:
    found = await find_person(work.tx, to if to is not None else case.person_id)
    if found is None:
        raise NotFound(
            "person-unknown",
            f"No person is known as {to or case.person!r}.",
            f"Somebody else takes over with: scim-bridge departures hand-over {case.id} AGENT --to PERSON",
        )
    await load(work, found.id, PERSON)
    person = await find_person(work.tx, found.id)
    if person is None or not person.active or person.id in (await absent(work.tx, [found.id])).gone:
        raise Refused(
            "still-gone",
            f"{found.display_name} still counts as gone.",
            f"If they are back: scim-bridge departures returned {found.user_name}",
        )
    # A rehire may be a new record of the same person; somebody else is a hand-over.
    if person.id != case.person_id and person.user_name.casefold() != case.person.casefold():
        raise Refused(
            "not-who-left",
            f"{person.user_name} is not who left ({case.person}).",
            f"Use scim-bridge departures hand-over {case.id} AGENT --to {person.user_name}",
        )
    return person


def _with(owners: Owners, person: PersonRef, role: str) -> Owners:
    others = _without(owners.co_owners, person), _without(owners.sponsors, person)
    if role == OWNER:
        heir = owners.owner
        kept = () if heir is None or not heir.active or heir.id == person.id else (heir,)
        return Owners(person, (*kept, *(p for p in others[0] if p not in kept)), others[1])
    if role == CO_OWNER:
        return Owners(owners.owner, (*others[0], person), others[1])
    return Owners(owners.owner, owners.co_owners, (*others[1], person)) if role == SPONSOR else owners


def _without(people: Iterable[PersonRef], person: PersonRef) -> tuple[PersonRef, ...]:
    return tuple(one for one in people if one.id != person.id)
