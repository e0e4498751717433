"""Facts and question in Cedar's words: principal, action, resource, context, and the entities they need.

Only what this one question needs is handed over: a small slice costs little to check against the schema.
A schema of somebody's own may be older than some words here: what it does not declare is left out.
"""

from __future__ import annotations

import re
from typing import Any

from scim_bridge.access.model import Facts, Question
from scim_bridge.access.words import EVERY_WORD, Words
from scim_bridge.kernel.calendar import Calendar
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.registry import model as registry
from scim_bridge.registry.model import PersonRef

AGENT = "Agent"
PERSON = "Person"
GROUP = "Group"
QUESTION = "Question"
ACTION = "Action"
# Entity types that carry facts; every other one of a schema is a resource of the gateways.
FACT_TYPES = (AGENT, PERSON, GROUP, QUESTION)

# The entity type of a subject by what it is in the registry.
PRINCIPALS = {registry.AGENT: AGENT, registry.PERSON: PERSON}

Json = dict[str, Any]

UTC_OFFICE = Calendar()


def cedar_type(resource_type: str) -> str:
    """The entity type of a gateway's resource type: mcp_server is McpServer. "" when it cannot be one."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", resource_type) if part]
    name = "".join(part[0].upper() + part[1:] for part in parts)
    return "" if not name or name[0].isdigit() or name in FACT_TYPES else name


def uid(kind: str, identity: str) -> Json:
    """An entity's name in Cedar's JSON."""
    return {"type": kind, "id": identity}


def _link(kind: str, identity: str) -> Json:
    return {"__entity": uid(kind, identity)}


def _instant(instant: int) -> Json:
    return {"__extn": {"fn": "datetime", "arg": iso(instant)}}


def request_of(
    facts: Facts, question: Question, now: int, words: Words = EVERY_WORD, calendar: Calendar = UTC_OFFICE
) -> Json:
    """The Cedar request. Ids are given as values, never spliced into Cedar text."""
    context = {"now": _instant(now), "asked": _link(QUESTION, "asked")}
    if words.context:
        context |= _circumstances(facts, now, words, calendar)
    return {
        "principal": uid(PRINCIPALS[facts.kind], facts.id),
        "action": uid(ACTION, question.action),
        "resource": uid(cedar_type(question.resource_type), question.resource_id),
        "context": context,
    }


def _circumstances(facts: Facts, now: int, words: Words, calendar: Calendar) -> Json:
    moment = calendar.at(now)
    found: Json = {
        "date": moment.date,
        "weekday": moment.weekday,
        "hour": moment.hour,
        "minuteOfDay": moment.minute,
        "holiday": moment.holiday,
        "businessHours": moment.business_hours,
    }
    if facts.rate is not None:
        found["rate"] = facts.rate
    return {name: value for name, value in found.items() if name in words.context}


def entities_of(facts: Facts, question: Question, now: int, words: Words = EVERY_WORD) -> list[Json]:
    """The agent with its groups and people, the resource with its properties, and what was asked beside."""
    owners = facts.owners
    people: dict[str, PersonRef] = {}
    for person in (owners.owner, *owners.co_owners, *owners.sponsors):
        if person is not None:
            people[person.id] = person
    resource = uid(cedar_type(question.resource_type), question.resource_id)
    groups = facts.granted(now)
    return [
        _agent(facts, groups, now, words) if facts.kind == registry.AGENT else _human(facts, groups, words),
        *({"uid": uid(GROUP, name), "attrs": {}, "parents": []} for name in groups),
        *(_person(person, facts, words) for person in people.values()),
        {
            "uid": resource,
            "attrs": {"id": question.resource_id},
            "parents": [],
            "tags": dict(question.properties),
        },
        {"uid": uid(QUESTION, "asked"), "attrs": {}, "parents": [], "tags": dict(question.asked)},
    ]


def _agent(facts: Facts, groups: tuple[str, ...], now: int, words: Words) -> Json:
    owners = facts.owners
    attributes: Json = {
        "slug": facts.slug,
        "platform": facts.platform,
        "model": facts.model,
        "environment": facts.environment,
        "riskTier": facts.risk_tier,
        "attestation": facts.attestation.state,
        "attested": facts.attested(now),
        "answered": facts.answered,
        "coOwners": [_link(PERSON, person.id) for person in owners.co_owners],
        "sponsors": [_link(PERSON, person.id) for person in owners.sponsors],
        "tools": list(facts.tools),
        "resources": list(facts.resources),
    }
    if owners.owner is not None:
        attributes["owner"] = _link(PERSON, owners.owner.id)
    for name, since in (("attestationDays", facts.attestation.at), ("idleDays", facts.last_activity)):
        if since is not None and name in words.agent:
            attributes[name] = max(0, (now - since) // DAY)
    parents = [uid(GROUP, name) for name in groups]
    made = {"uid": uid(AGENT, facts.id), "attrs": attributes, "parents": parents}
    if words.ends and facts.ends:
        made["tags"] = {name: _instant(facts.ends[name]) for name in groups if name in facts.ends}
    return made


def _human(facts: Facts, groups: tuple[str, ...], words: Words) -> Json:
    """A person who asks for themselves; whether they may is a matter of the schema."""
    attributes: Json = {"userName": facts.slug, "active": facts.active}
    if "state" in words.person:
        attributes["state"] = facts.employment.get(facts.id, "active" if facts.active else "left")
    return {"uid": uid(PERSON, facts.id), "attrs": attributes, "parents": [uid(GROUP, g) for g in groups]}


def _person(person: PersonRef, facts: Facts, words: Words) -> Json:
    attributes: Json = {"userName": person.user_name, "active": person.active}
    if "state" in words.person:
        attributes["state"] = facts.employment.get(person.id, "active" if person.active else "left")
    return {"uid": uid(PERSON, person.id), "attrs": attributes, "parents": []}
