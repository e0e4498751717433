"""Taking over from an IdP what somebody changed of an agent there: which attributes, and how. One transaction.

Only facts and people that the registry holds itself are taken. A stop may be taken, as an admin's hold; nothing
that switches an agent on ever is.
"""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.errors import Invalid, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import described, set_owners
from scim_bridge.registry.drift_rules import (
    CO_OWNERS,
    DISPLAY_NAME,
    ENABLED,
    FACTS,
    OWNER,
    SPONSORS,
    TAKEABLE,
)
from scim_bridge.registry.fact_forms import fact_fault
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT, AGENT_URN, Owners, PersonRef
from scim_bridge.registry.people_refs import find_person, owners_of
from scim_bridge.registry.standing import save, standing
from scim_bridge.sync.sameness import absent


async def take(work: Work, agent_id: str, name: str, value: Any, where: str, reason: str) -> None:
    """Make an attribute of an agent (by our name) what it is at an IdP; `where` names that in words.

    Refused, with what to do instead, where it is not ours to take; Invalid for a value that cannot be kept.
    """
    if name == ENABLED:
        await _stop(work, agent_id, value, where, reason)
    elif name in (OWNER, CO_OWNERS, SPONSORS):
        await _people(work, agent_id, name, value)
    elif name in TAKEABLE:
        await _fact(work, agent_id, name, value)
    else:
        raise Refused(
            "drift-not-takeable",
            "What this attribute says follows from others here, or is the bridge's own.",
            f"Settle it as ours. What can be taken over: {', '.join(TAKEABLE)}.",
        )
    await outward.push_to_idps(work, agent_id, f"{name} taken over from {where}")


async def _stop(work: Work, agent_id: str, value: Any, where: str, reason: str) -> None:
    if value is not False:
        raise Refused(
            "drift-start",
            f"Being switched on at {where} starts no agent.",
            "Release what holds it (agents show says what), or settle it as ours: it is switched off there again.",
        )
    why = f"switched off at {where}" + (f": {reason}" if reason else "")
    await place_hold(work, agent_id, "admin", "drift", why, "an admin: agents resume")


async def _fact(work: Work, agent_id: str, name: str, value: Any) -> None:
    fault = "" if absent(value) else fact_fault(name, value)
    if fault:
        raise Invalid(
            "drift-value",
            f"{name} as it is there is not kept here. {fault}",
            "Settle it as ours, or set it there to what is kept.",
        )
    before = await standing(work, agent_id, AGENT)
    doc = dict(before.resource.doc)
    if name == DISPLAY_NAME:
        if absent(value):
            raise Refused("drift-empty", "An agent keeps its display name.", "Settle it as ours.")
        doc[DISPLAY_NAME] = value
    else:
        assert name in FACTS
        extension = {k: v for k, v in (doc.get(AGENT_URN) or {}).items() if k != name}
        doc[AGENT_URN] = extension if absent(value) else {**extension, name: value}
    after = await described(work, before, doc, why="agent.updated")
    if after is not before:
        save(work, before, after)


async def _people(work: Work, agent_id: str, name: str, value: Any) -> None:
    there = (await owners_of(work.tx, [agent_id]))[agent_id]
    named = [value] if isinstance(value, str) else list(value or ())
    found = [await _person(work, name, each) for each in named if not absent(each)]
    if name == OWNER:
        if len(found) != 1:
            raise Refused(
                "drift-owner",
                "Somebody answers for every agent: an owner that was taken away there is not taken away here.",
                "Settle it as ours, or give the agent another owner.",
            )
        others = tuple(person for person in there.co_owners if person.id != found[0].id)
        made = Owners(found[0], others, there.sponsors)
    elif name == CO_OWNERS:
        made = Owners(there.owner, tuple(found), there.sponsors)
    else:
        made = Owners(there.owner, there.co_owners, tuple(found))
    if not await set_owners(work, agent_id, made):
        work.bookkeeping("the same people answer for the agent already")


async def _person(work: Work, name: str, user_name: Any) -> PersonRef:
    """Somebody known here by exactly this userName, and still here; never by an address."""
    person = await find_person(work.tx, str(user_name))
    if person is None or person.user_name.casefold() != str(user_name).casefold():
        raise Refused(
            "drift-person",
            f"{name}: nobody is known here by the userName {str(user_name)[:80]!r}.",
            "Send the person first (SCIM, or agents import), or settle it as ours.",
        )
    if not person.active:
        raise Refused("drift-person", f"{name}: {person.user_name} is not active here.", "Settle it as ours.")
    return person
