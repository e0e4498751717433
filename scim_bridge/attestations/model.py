"""What an owner attests, as pure rules: the facts, their digest, what differs, who may answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import CO_OWNER, OWNER, SPONSOR, Owners, PersonRef

FACTS_SCHEMA = "scim-bridge-attested-facts/1"
STATEMENT_TYPE = "scim-bridge-attestation+jwt"
CONFIRM = "confirm"
REDUCE = "reduce"
RETIRE = "retire"
REFUSE = "refuse"
VERDICTS = (CONFIRM, REDUCE, RETIRE, REFUSE)
# What a person may do with the question instead of answering it.
DELEGATE = "delegate"
TRANSFER = "transfer"
PASSED_ON = (DELEGATE, TRANSFER)
DELEGATED = "delegate"
SUCCESSOR = "successor"
LINK = "link"
OIDC = "oidc"
MAX_COMMENT = 2000
DESCRIBED = ("purpose", "platform", "model", "version", "environment", "riskTier", "workloadId", "expiresAt")

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Granted:
    """A group the agent is in, and in the admin's words what it grants."""

    id: str
    name: str
    grants: str


@dataclass(frozen=True, slots=True)
class Key:
    """A credential the agent uses: where it is and since when, never its value."""

    id: str
    label: str
    kind: str
    system: str
    reference: str
    state: str
    created: int
    expires: int | None


def attested_facts(agent: AgentFacts, groups: Sequence[Granted], keys: Sequence[Key]) -> Facts:
    """Everything an owner is asked to stand for, as JSON values.

    Ages are stated as the instants they count from, and what changes by itself (last activity) is
    left out: the same agent has the same digest until somebody changes it.
    """
    extension = agent.extension
    facts: Facts = {"schema": FACTS_SCHEMA}
    facts["agent"] = {
        "id": agent.resource.id,
        "slug": agent.slug,
        "userName": agent.resource.name,
        "displayName": str(agent.resource.doc.get("displayName") or agent.slug),
    }
    facts["description"] = {name: str(extension[name]) for name in DESCRIBED if extension.get(name)}
    facts["owner"] = None if agent.owners.owner is None else _person(agent.owners.owner)
    facts["coOwners"] = [_person(person) for person in agent.owners.co_owners]
    facts["sponsors"] = [_person(person) for person in agent.owners.sponsors]
    facts["groups"] = [{"id": group.id, "name": group.name, "grants": group.grants} for group in groups]
    facts["tools"] = _texts(extension.get("tools"))
    facts["resources"] = _texts(extension.get("resources"))
    facts["credentials"] = [_key(key) for key in keys]
    facts["holds"] = [
        {"source": hold.source, "code": hold.code, "reason": hold.reason, "since": iso(hold.placed)}
        for hold in agent.holds
    ]
    return facts


def _person(person: PersonRef) -> dict[str, Any]:
    return {
        "id": person.id,
        "userName": person.user_name,
        "displayName": person.display_name,
        "active": person.active,
    }


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "label": key.label,
        "kind": key.kind,
        "system": key.system,
        "reference": key.reference,
        "state": key.state,
        "since": iso(key.created),
        "expires": None if key.expires is None else iso(key.expires),
    }


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def canonical(facts: Mapping[str, Any]) -> bytes:
    """The one byte form of these facts: sorted keys, no blanks, UTF-8 (RFC 8785 for text and integers)."""
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)


def digest_of(facts: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(canonical(facts)).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of the facts that is not what it was."""

    part: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The parts (description by its members) that differ between two sets of facts, in order of the page."""
    found = []
    for part in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(part), after.get(part)
        if part == "description" and isinstance(old, dict) and isinstance(new, dict):
            names = dict.fromkeys([*old, *new])
            found += [Difference(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)]
        elif old != new:
            found.append(Difference(part, old, new))
    return found


def role_of(owners: Owners, person_id: str) -> str | None:
    """How a person answers for an agent: owner, co-owner or sponsor; None when not at all, or gone."""
    named = [(OWNER, owners.owner), *((CO_OWNER, p) for p in owners.co_owners)]
    named += [(SPONSOR, person) for person in owners.sponsors]
    for role, person in named:
        if person is not None and person.id == person_id and person.active:
            return role
    return None


def first_answerable(owners: Owners) -> PersonRef | None:
    """Who is asked when nobody is named: the first active of owner, co-owners and sponsors."""
    everybody = (owners.owner, *owners.co_owners, *owners.sponsors)
    return next((person for person in everybody if person is not None and person.active), None)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person stated about an agent: everything that is signed. Instants in microseconds."""

    id: str
    request_id: str
    agent_id: str
    slug: str
    person: PersonRef
    role: str
    verdict: str
    comment: str
    digest: str
    at: int
    until: int | None
    # What the answer changed: groups taken away, a new owner. `shown` is the digest of the facts before.
    changes: Mapping[str, Any] = field(default_factory=dict)
    shown: str = ""
    # How the person was known, and the review at an IdP where that was the question.
    authentication: str = LINK
    certification: Mapping[str, Any] = field(default_factory=dict)
    # What an IdP said of how it knew the person: issuer, subject, acr, amr, auth_time.
    proof: Mapping[str, Any] = field(default_factory=dict)

    @property
    def affirmed(self) -> bool:
        """True when the person stands for the facts, as they were or as the answer left them."""
        return self.verdict in (CONFIRM, REDUCE)

    def payload(self, issuer: str) -> dict[str, Any]:
        """The signed content; iat and exp are seconds (RFC 7519 section 4.1)."""
        content: dict[str, Any] = {
            "iss": issuer,
            "jti": self.id,
            "iat": self.at // 1_000_000,
            "sub": self.agent_id,
            "agent": {"id": self.agent_id, "slug": self.slug},
            "by": {
                "id": self.person.id,
                "userName": self.person.user_name,
                "displayName": self.person.display_name,
                "role": self.role,
            },
            "authentication": self.authentication,
            "request": self.request_id,
            "verdict": self.verdict,
            "comment": self.comment,
            "facts_digest": self.digest,
            "at": iso(self.at),
        }
        if self.changes:
            content |= {"changes": dict(self.changes), "shown_facts_digest": self.shown}
        if self.proof:
            content["authentication_proof"] = dict(self.proof)
        if self.certification:
            content["certification"] = dict(self.certification)
        if self.until is not None:
            content |= {"exp": self.until // 1_000_000, "until": iso(self.until)}
        return content
