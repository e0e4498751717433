"""The values of a decision and the rules that need no policy: pure, time passed in.

The question's shape is OpenID AuthZEN Authorization API 1.0: subject, action, resource, context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.model import AGENT, Attestation, Hold, Owners
from scim_bridge.registry.throttles import Throttle

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
    """What one read knows of a subject at the moment it asks: of an agent, or (`kind`) of a person.

    A person has an id, a userName in `slug`, groups, and is `active` or not; nothing else here is theirs.
    """

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
    # As they are written down: `granted` leaves out those that have ended.
    groups: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    kind: str = AGENT
    active: bool = True
    # When a membership ends, by group, and what people are (active, leave, left), by id.
    ends: Mapping[str, int] = field(default_factory=dict)
    employment: Mapping[str, str] = field(default_factory=dict)
    last_activity: int | None = None
    # Questions in the last minute, where a budget counts them.
    rate: int | None = None
    # What slows it down, also when its end has come: `slowed` leaves those out.
    throttles: tuple[Throttle, ...] = ()

    def slowed(self, now: int) -> tuple[Throttle, ...]:
        """The throttles that count at this instant."""
        return tuple(one for one in self.throttles if one.until > now)

    def granted(self, now: int) -> tuple[str, ...]:
        """The groups the agent is in at this instant: a membership that has an end is none from then on."""
        if not self.ends:
            return self.groups
        return tuple(name for name in self.groups if self.ends.get(name, now + 1) > now)

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
            context[self.facts.kind] = {
                "id": self.facts.id,
                "slug": self.facts.slug,
                "active": not stops(self.facts, now),
            }
        return {"decision": self.allowed, "context": context}


def denied(reason_id: str, text: str, facts: Facts | None = None) -> Decision:
    """A no for one reason."""
    return Decision(False, (Reason(reason_id, text),), facts=facts)


def stops(facts: Facts, now: int) -> tuple[Reason, ...]:
    """What stops a subject from doing anything at all, whatever policies say.

    Of an agent its holds and its expiry, of a person that they are not active.
    """
    found = [
        Reason(
            f"hold:{hold.code}",
            f"{hold.reason.rstrip('.')}. Held since {iso(hold.placed)} by {hold.placed_by}."
            f" Released by {hold.release.rstrip('.')}.",
        )
        for hold in facts.holds
    ]
    if not facts.active:
        found.append(
            Reason("person-inactive", f"{facts.slug} is not active here: they left, or are switched off.")
        )
    if facts.expires_at is not None and facts.expires_at <= now:
        text = (
            f"The agent expired on {iso(facts.expires_at)}. A later date in the inventory lets it act again."
        )
        found.append(Reason("expired", text))
    return tuple(found)


def texts(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as policies see them: text as it is, true as "true", 5 as "5"; lists and objects as their JSON.

    Only null counts as not said: a list that was overlooked would let through what a text in its place stops.
    """
    found: dict[str, str] = {}
    for name, value in properties.items():
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, str):
            found[name] = value
        elif isinstance(value, int | float):
            found[name] = str(value)
        elif value is not None:
            found[name] = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return found
