"""What a person decides about an object that is nobody's: an agent here, left alone, or switched off there."""

from __future__ import annotations

from collections.abc import Mapping

from scim_bridge.kernel.errors import Conflict, Invalid, NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agent_names import agent_id_named
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.drift_rules import DISPLAY_NAME, FACTS
from scim_bridge.registry.fact_forms import fact_fault
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT_URN, Doc, Owners, PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.sync.facts import pushed_of, remember
from scim_bridge.sync.idp.port import ENABLED
from scim_bridge.sync.stranger_keeping import KeptStranger, decide, stranger
from scim_bridge.sync.strangers import ADOPTED, EMAIL, IGNORED, OPEN, RETIRING, USER_NAME, facts_there


async def adopt_as(
    work: Work,
    connection: Connection,
    remote_id: str,
    slug: str,
    owner: str,
    reason: str,
    meaning: Mapping[str, str],
) -> str:
    """Make an agent of what an object says of itself, and the object that agent's; the agent's id.

    Adopting changes nothing about whether it may act: what is on there has no hold here, what is off there is
    held here until an admin resumes it. Somebody known here answers for it: `owner`, else whom the IdP names;
    Refused when that is nobody.
    """
    row = await _adoptable(work, connection, remote_id)
    person = await _owner(work, row, owner)
    found = _kept_here(row, facts_there(row.attributes, meaning))
    doc: Doc = {
        # Its login, where the IdP knows it by one.
        "userName": found.get(USER_NAME) or slug,
        DISPLAY_NAME: found.get(DISPLAY_NAME) or row.name or slug,
        AGENT_URN: {name: value for name, value in found.items() if name in FACTS},
    }
    if EMAIL in found:
        doc["emails"] = [{"value": found[EMAIL], "type": "work", "primary": True}]
    made = await create_agent(
        work, doc, origin=f"adopted:{connection.name}", slug=slug, owners=Owners(person)
    )
    if row.attributes.get(ENABLED) is False:
        why = f"it was off at {connection.name} when it was adopted"
        await place_hold(work, made.id, "admin", "adopted", why, "an admin: agents resume")
    await _theirs(work, connection, row, made.id, reason)
    return made.id


async def adopt_into(work: Work, connection: Connection, remote_id: str, agent: str, reason: str) -> str:
    """Make an object that of an agent there is, which has none there yet; the agent's id.

    Conflict when the agent was written to another object that is not retired.
    """
    row = await _adoptable(work, connection, remote_id)
    agent_id = await agent_id_named(work.tx, agent)
    if agent_id is None:
        raise NotFound("agent-unknown", f"There is no agent {agent!r}.", "See `scim-bridge agents list`.")
    pushed = await pushed_of(work.tx, connection.id, agent_id)
    if pushed is not None and pushed.remote_id and pushed.remote_id != remote_id:
        raise Conflict(
            "adopt-has-object",
            f"{agent} is kept in step with {pushed.remote_id} at {connection.name} already.",
            "One agent has one object: retire or ignore the other.",
        )
    await _theirs(work, connection, row, agent_id, reason)
    return agent_id


async def ignore(work: Work, connection: Connection, remote_id: str, reason: str) -> KeptStranger:
    """Leave an object alone for good."""
    row = await _nobodys(work, connection, remote_id)
    await decide(work, row, IGNORED, reason)
    return row


async def retire(work: Work, connection: Connection, remote_id: str, reason: str) -> KeptStranger:
    """Have an object switched off: the next plan holds the change, and the brake looks at it as at any."""
    row = await _nobodys(work, connection, remote_id)
    await decide(work, row, RETIRING, reason)
    return row


async def _nobodys(work: Work, connection: Connection, remote_id: str) -> KeptStranger:
    row = await stranger(work, connection.id, remote_id)
    if row.state == ADOPTED:
        raise Refused(
            "stranger-adopted", f"{row.name} is an agent here.", "Hold or delete the agent instead."
        )
    return row


def _kept_here(row: KeptStranger, found: dict[str, str]) -> dict[str, str]:
    """What it says of itself; Invalid where an agent made by any other door could not say that."""
    for name, value in found.items():
        if fault := fact_fault(name, value):
            raise Invalid(
                "adopt-value",
                f"{name} of {row.name} as it is there is not kept here. {fault}",
                "Set it there to what is kept, or make it the object of an agent you describe yourself: --into.",
            )
    return found


async def _adoptable(work: Work, connection: Connection, remote_id: str) -> KeptStranger:
    row = await stranger(work, connection.id, remote_id)
    if row.state not in (OPEN, IGNORED):
        raise Conflict(
            "stranger-decided", f"{row.name} is {row.state}.", "See scim-bridge sync strangers --all."
        )
    if row.mark:
        raise Refused(
            "stranger-marked",
            f"{row.name} carries the mark of agent {row.mark}: it is another bridge's, or a copy of one of ours.",
            "Two bridges must not write one object. Ignore or retire it, or take the mark off there first.",
        )
    return row


async def _owner(work: Work, row: KeptStranger, name: str) -> PersonRef:
    person = await find_person(work.tx, name) if name else None
    if name and person is None:
        raise NotFound("owner-unknown", f"No person is known as {name!r}.", "Send the person first.")
    if not name and row.owner:
        person = await find_person(work.tx, row.owner)
        # Not by an address: who answers for it is who bears exactly that name.
        if person is not None and person.user_name.casefold() != row.owner.casefold():
            person = None
    if person is None or not person.active:
        there = f" (there it is {row.owner})" if row.owner else ""
        raise Refused(
            "adopt-owner",
            f"Nobody who is here would answer for {row.name}{there}.",
            "Name somebody: --owner USERNAME.",
        )
    return person


async def _theirs(work: Work, connection: Connection, row: KeptStranger, agent_id: str, reason: str) -> None:
    """The object is the agent's from now on: the next apply puts our mark on it."""
    await remember(work, connection.id, agent_id, row.remote_id, {})
    await decide(work, row, ADOPTED, reason, agent_id)
