"""Facts and question in Cedar's words: principal, action, resource, context, and the entities they need.

Only what this one question needs is handed over: a small slice costs little to check against the schema.
"""

from __future__ import annotations

import re
from typing import Any

from scim_bridge.access.model import Facts, Question
from scim_bridge.kernel.clock import iso
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


def request_of(facts: Facts, question: Question, now: int) -> Json:
    """The Cedar request. Ids are given as values, never spliced into Cedar text."""
    return {
        "principal": uid(PRINCIPALS[facts.kind], facts.id),
        "action": uid(ACTION, question.action),
        "resource": uid(cedar_type(question.resource_type), question.resource_id),
        "context": {"now": _instant(now), "asked": _link(QUESTION, "asked")},
    }


def entities_of(facts: Facts, question: Question, now: int) -> list[Json]:
    """The agent with its groups and people, the resource with its properties, and what was asked beside."""
    owners = facts.owners
    people: dict[str, PersonRef] = {}
    for person in (owners.owner, *owners.co_owners, *owners.sponsors):
        if person is not None:
            people[person.id] = person
    resource = uid(cedar_type(question.resource_type), question.resource_id)
    return [
        _agent(facts, now) if facts.kind == registry.AGENT else _human(facts),
        *({"uid": uid(GROUP, name), "attrs": {}, "parents": []} for name in facts.groups),
        *(_person(person) for person in people.values()),
        {
            "uid": resource,
            "attrs": {"id": question.resource_id},
            "parents": [],
            "tags": dict(question.properties),
        },
        {"uid": uid(QUESTION, "asked"), "attrs": {}, "parents": [], "tags": dict(question.asked)},
    ]


def _agent(facts: Facts, now: int) -> Json:
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
    parents = [uid(GROUP, name) for name in facts.groups]
    return {"uid": uid(AGENT, facts.id), "attrs": attributes, "parents": parents}


def _human(facts: Facts) -> Json:
    """A person who asks for themselves; whether they may is a matter of the schema."""
    parents = [uid(GROUP, name) for name in facts.groups]
    attributes = {"userName": facts.slug, "active": facts.active}
    return {"uid": uid(PERSON, facts.id), "attrs": attributes, "parents": parents}


def _person(person: PersonRef) -> Json:
    attributes = {"userName": person.user_name, "active": person.active}
    return {"uid": uid(PERSON, person.id), "attrs": attributes, "parents": []}
