"""The registry's values and pure rules: state from holds, keys, the rendered document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.document_index import DocumentIndex

USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
# The words of an agent's environment and risk, at every door that is not SCIM, where other clients have their own.
ENVIRONMENTS = ("dev", "staging", "production")
RISK_TIERS = ("low", "medium", "high")
AGENT_URN = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:Agent"
GROUP_EXTENSION_URN = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:Group"
# Attributes an installation declares itself, one schema for each kind of resource that has them.
CUSTOM_USER_URN = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:CustomUser"
CUSTOM_AGENT_URN = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:CustomAgent"
CUSTOM_GROUP_URN = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:CustomGroup"
AGENT_CORE_URN = "urn:ietf:params:scim:schemas:core:2.0:Agent"
APPLICATION_URN = "urn:ietf:params:scim:schemas:core:2.0:AgenticApplication"
CUSTOM_URNS = (CUSTOM_USER_URN, CUSTOM_AGENT_URN, CUSTOM_GROUP_URN)

AGENT = "agent"
PERSON = "person"
GROUP = "group"
APPLICATION = "application"
USER_SPACE = "user"
GROUP_SPACE = "group"
APPLICATION_SPACE = "application"

# What a group is to those who govern access; it grants the same either way.
ROLE = "role"
ENTITLEMENT = "entitlement"
ROLE_ENTRY = ("group.kind", ROLE)

OWNER = "owner"
CO_OWNER = "co-owner"
SPONSOR = "sponsor"

Doc = dict[str, Any]


def fold(value: str) -> str:
    """The form in which names are compared: Unicode casefold (RFC 7643 caseExact false)."""
    return value.casefold()


@dataclass(frozen=True, slots=True)
class Hold:
    """One open reason why an agent may not act."""

    id: str
    source: str
    code: str
    reason: str
    release: str
    placed: int
    placed_by: str

    def told(self) -> dict[str, str]:
        """The hold as gateways and the API are told of it: who says so, why, since when, what would release it."""
        return {
            "source": self.source,
            "code": self.code,
            "reason": self.reason,
            "since": iso(self.placed),
            "placed_by": self.placed_by,
            "released_by": self.release,
        }


@dataclass(frozen=True, slots=True)
class PersonRef:
    """A person as other things point to them."""

    id: str
    user_name: str
    display_name: str
    email: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Owners:
    """Who answers for an agent, in order of succession."""

    owner: PersonRef | None = None
    co_owners: tuple[PersonRef, ...] = ()
    sponsors: tuple[PersonRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Attestation:
    """The state of the owner's statement: none, valid, refused or lapsed."""

    state: str = "none"
    id: str | None = None
    by: str | None = None
    at: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A stored agent, person or group."""

    id: str
    kind: str
    name: str
    active: bool
    version: int
    created: int
    modified: int
    doc: Doc

    @property
    def etag(self) -> str:
        """The weak entity tag of this version (RFC 7644 section 3.14)."""
        return f'W/"{self.version}"'


def pointer(person: PersonRef) -> Doc:
    """How a document points to a person."""
    return {"value": person.id, "$ref": f"../Users/{person.id}", "displayName": person.display_name}


@dataclass(frozen=True, slots=True)
class Pointers:
    """Who answers for an agent, as its document says it; the same as the rows of sb_owner."""

    owner: Doc | None = None
    co_owners: tuple[Doc, ...] = ()
    sponsors: tuple[Doc, ...] = ()

    @property
    def rows(self) -> tuple[tuple[str, str, int], ...]:
        """(role, person id, rank) of everybody."""
        owner = () if self.owner is None else ((OWNER, str(self.owner["value"]), 0),)
        co_owners = tuple((CO_OWNER, str(one["value"]), rank) for rank, one in enumerate(self.co_owners))
        sponsors = tuple((SPONSOR, str(one["value"]), rank) for rank, one in enumerate(self.sponsors))
        return (*owner, *co_owners, *sponsors)


def each_once(people: Iterable[Doc]) -> tuple[Doc, ...]:
    """References to people without repetitions, the first of each."""
    found: dict[str, Doc] = {}
    for person in people:
        found.setdefault(person["value"], person)
    return tuple(found.values())


def pointers(owners: Owners) -> Pointers:
    """How a document points to these people."""
    return Pointers(
        None if owners.owner is None else pointer(owners.owner),
        each_once(pointer(person) for person in owners.co_owners),
        each_once(pointer(person) for person in owners.sponsors),
    )


def pointed(doc: Mapping[str, Any]) -> Pointers:
    """Who a stored document of an agent points to."""
    extension = doc.get(AGENT_URN) or {}
    return Pointers(
        extension.get("owner"), tuple(extension.get("coOwners") or ()), tuple(extension.get("sponsors") or ())
    )


def agent_document(
    resource_id: str,
    doc: Doc,
    active: bool,
    owners: Owners,
    holds: Sequence[Hold],
    attestation: Attestation,
    oldest_credential: int | None,
    last_activity: int | None,
    now: int,
) -> tuple[Doc, bytes]:
    """The agent's document as written (owners in step with the rows) and as served."""
    written = written_agent(doc, pointers(owners))
    derived = Derived(tuple(holds), attestation, oldest_credential, last_activity)
    return written, served_agent(resource_id, written, active, derived, now)


def written_agent(doc: Mapping[str, Any], answerable: Pointers) -> Doc:
    """The document as it is kept: what a client wrote, with the people the rows name."""
    written = dict(doc)
    written["userType"] = "Agent"
    extension = dict(written.get(AGENT_URN) or {})
    for name in ("owner", "coOwners", "sponsors"):
        extension.pop(name, None)
    enterprise = dict(written.get(ENTERPRISE_URN) or {})
    enterprise.pop("manager", None)
    if answerable.owner is not None:
        extension["owner"] = enterprise["manager"] = answerable.owner
    if answerable.co_owners:
        extension["coOwners"] = list(answerable.co_owners)
    if answerable.sponsors:
        extension["sponsors"] = list(answerable.sponsors)
    _place(written, AGENT_URN, extension)
    _place(written, ENTERPRISE_URN, enterprise)
    return written


UNATTESTED = Attestation()


@dataclass(frozen=True, slots=True)
class Derived:
    """What a served agent shows beside what was written."""

    holds: tuple[Hold, ...] = ()
    attestation: Attestation = UNATTESTED
    oldest_credential: int | None = None
    last_activity: int | None = None


def served_agent(
    resource_id: str, written: Mapping[str, Any], active: bool, derived: Derived, now: int
) -> bytes:
    """The document as served: what was written, with why the agent is held and what is known of it."""
    served = dict(written.get(AGENT_URN) or {})
    if derived.holds:
        served["holds"] = [
            {"source": h.source, "reason": h.reason, "since": iso(h.placed), "releasedBy": h.release}
            for h in derived.holds
        ]
    statement: Doc = {"state": derived.attestation.state}
    if derived.attestation.until is not None:
        statement["until"] = iso(derived.attestation.until)
    if derived.attestation.id is not None:
        statement["statement"] = derived.attestation.id
    served["attestation"] = statement
    if derived.oldest_credential is not None:
        served["credentialAgeDays"] = max(0, (now - derived.oldest_credential) // DAY)
    if derived.last_activity is not None:
        served["lastActivity"] = iso(derived.last_activity)
    return rendered(resource_id, {**written, AGENT_URN: served}, active)


def _place(doc: Doc, urn: str, content: Doc) -> None:
    if content:
        doc[urn] = content
    else:
        doc.pop(urn, None)


def rendered(resource_id: str, doc: Mapping[str, Any], active: bool | None, core: str = "") -> bytes:
    """The document as served, without externalId, groups and meta, which depend on the caller."""
    core = core or (GROUP_URN if active is None else USER_URN)
    body: Doc = {"schemas": [core, *(name for name in doc if name.startswith("urn:"))], "id": resource_id}
    body.update(doc)
    if active is not None:
        body["active"] = active
    return orjson.dumps(body)


def indexed(doc: Mapping[str, Any], indexes: Sequence[DocumentIndex] = ()) -> set[tuple[str, str]]:
    """The (name, key) pairs of a document that equality filters look up."""
    found = set()
    for email in doc.get("emails") or ():
        value = email.get("value") if isinstance(email, dict) else None
        if isinstance(value, str) and value:
            found.add(("emails.value", fold(value)))
    extension = doc.get(GROUP_EXTENSION_URN)
    if extension is not None and extension.get("kind") == ROLE:
        found.add(ROLE_ENTRY)
    for index in indexes:
        found.update(index.entries(doc))
    return found


def primary_email(doc: Mapping[str, Any]) -> str:
    """The primary e-mail address, else the first, else empty."""
    emails = [e for e in doc.get("emails") or () if isinstance(e, dict) and e.get("value")]
    chosen = next((e for e in emails if e.get("primary")), emails[0] if emails else None)
    return str(chosen["value"]) if chosen else ""


def display_name(doc: Mapping[str, Any]) -> str:
    """What people call this user: displayName, else the formatted or joined name, else userName."""
    name = doc.get("name") or {}
    joined = " ".join(part for part in (name.get("givenName"), name.get("familyName")) if part)
    return str(doc.get("displayName") or name.get("formatted") or joined or doc.get("userName") or "")
