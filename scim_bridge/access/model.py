"""The values of a decision and the rules that need no policy: pure, time passed in.

The question's shape is OpenID AuthZEN Authorization API 1.0: subject, action, resource, context.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.model import Attestation, Hold, Owners

LONGEST = 512
SUBJECT_TYPE = "agent"


@dataclass(frozen=True, slots=True)
class Question:
    """May this subject do this to that? `properties` and `asked` are what the gateway adds, as text."""

    subject_type: str
    subject_id: str
    action: str
    resource_type: str
    resource_id: str
    properties: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in plain words; `id` is stable: a policy's @id, hold:<code>, or a word of this file."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What one read knows of an agent at the moment it asks."""

    id: str
    slug: str
    platform: str
    environment: str
    risk_tier: str
    model: str = "unknown"
    tools: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    expires_at: int | None = None
    attestation: Attestation = field(default_factory=Attestation)
    owners: Owners = field(default_factory=Owners)
    groups: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()

    @property
    def answered(self) -> bool:
        """True when an active owner or co-owner answers for the agent."""
        people = ((self.owners.owner,) if self.owners.owner is not None else ()) + self.owners.co_owners
        return any(person.active for person in people)

    def attested(self, now: int) -> bool:
        """True when the owner's statement is valid at this instant."""
        until = self.attestation.until
        return self.attestation.state == "valid" and (until is None or until > now)


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer: allowed or not, why, and which policies determined it. No facts: nobody was found.

    `retry_after`: a no that may be a yes in so many whole seconds, as when a budget is used up.
    """

    allowed: bool
    reasons: tuple[Reason, ...]
    policies: tuple[str, ...] = ()
    facts: Facts | None = None
    retry_after: int | None = None

    def answer(self, decision_id: str, now: int) -> dict[str, Any]:
        """The body of an AuthZEN answer; everything but `decision` is context for people and logs."""
        context: dict[str, Any] = {
            "id": decision_id,
            "evaluated_at": iso(now),
            "reasons": [{"id": reason.id, "text": reason.text} for reason in self.reasons],
            "policies": list(self.policies),
        }
        if self.retry_after is not None:
            context["retry_after"] = self.retry_after
        if self.facts is not None:
            context["agent"] = {
                "id": self.facts.id,
                "slug": self.facts.slug,
                "active": not stops(self.facts, now),
            }
        return {"decision": self.allowed, "context": context}


def denied(reason_id: str, text: str, facts: Facts | None = None) -> Decision:
    """A no for one reason."""
    return Decision(False, (Reason(reason_id, text),), facts=facts)


def stops(facts: Facts, now: int) -> tuple[Reason, ...]:
    """What stops an agent from doing anything at all, whatever policies say: its holds and its expiry."""
    found = [
        Reason(
            f"hold:{hold.code}",
            f"{hold.reason.rstrip('.')}. Held since {iso(hold.placed)} by {hold.placed_by}."
            f" Released by {hold.release.rstrip('.')}.",
        )
        for hold in facts.holds
    ]
    if facts.expires_at is not None and facts.expires_at <= now:
        text = (
            f"The agent expired on {iso(facts.expires_at)}. A later date in the inventory lets it act again."
        )
        found.append(Reason("expired", text))
    return tuple(found)


def read_question(body: Mapping[str, Any]) -> Question:
    """The question in a request's body; Invalid names the member that is missing or wrong.

    Members the standard does not know are ignored. Properties of the subject are ignored too: what
    is true of an agent is what the registry says.
    """
    subject, action, resource = (_entity(body, name) for name in ("subject", "action", "resource"))
    asked = texts(_properties(body, "context", "context"))
    for name, value in texts(_properties(action, "properties", "action.properties")).items():
        asked[f"action.{name}"] = value
    _properties(subject, "properties", "subject.properties")
    return Question(
        _text(subject, "type", "subject.type"),
        _text(subject, "id", "subject.id"),
        _text(action, "name", "action.name"),
        _text(resource, "type", "resource.type"),
        _text(resource, "id", "resource.id"),
        texts(_properties(resource, "properties", "resource.properties")),
        asked,
    )


def _entity(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if not isinstance(found, dict):
        what = "is missing" if found is None else "is not an object"
        raise Invalid("question-invalid", f"{name} {what}.", "Send subject, action and resource as objects.")
    return found


def _properties(holder: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Invalid("question-invalid", f"{path} is not an object.", "Leave it out, or send an object.")
    return found


def _text(holder: Mapping[str, Any], name: str, path: str) -> str:
    found = holder.get(name)
    if not isinstance(found, str) or not found:
        what = "is missing" if found is None else "is not a text, or empty"
        raise Invalid("question-invalid", f"{path} {what}.", "Send a text that is not empty.")
    if len(found) > LONGEST:
        raise Invalid("question-invalid", f"{path} is longer than {LONGEST} characters.", "Shorten it.")
    if any(unicodedata.category(character) == "Cc" for character in found):
        raise Invalid("question-invalid", f"{path} holds a control character.", "Send printable text.")
    return found


def texts(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as policies see them: text as it is, true as "true", 5 as "5"; lists and objects are left out."""
    found: dict[str, str] = {}
    for name, value in properties.items():
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, str):
            found[name] = value
        elif isinstance(value, int | float):
            found[name] = str(value)
    return found
