"""A2A 1.x agent cards: what an agent says of itself, as facts and as the draft of an entry.

Source: A2A 1.0 `AgentCard` (a2a.proto, field_behavior REQUIRED). A card has no owner, no lifecycle
and no risk: those are ours to ask for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from scim_bridge.inventory import forms
from scim_bridge.inventory.a2a_members import CARD, AgentCard, known
from scim_bridge.inventory.json_source import read_json
from scim_bridge.inventory.manifest import AgentEntry, default_user_name
from scim_bridge.inventory.problems import ManifestProblems, Problem, shown
from scim_bridge.inventory.shape import Reading
from scim_bridge.inventory.source import Mapping, Unreadable, decoded

WELL_KNOWN = "/.well-known/agent-card.json"
# What 1.0 took away from the top level of a card, and where it went.
_MOVED = {
    "url": "supportedInterfaces[0].url",
    "preferredTransport": "supportedInterfaces[0].protocolBinding",
    "additionalInterfaces": "supportedInterfaces",
    "protocolVersion": "supportedInterfaces[].protocolVersion",
    "supportsAuthenticatedExtendedCard": "capabilities.extendedAgentCard",
}


@dataclass(frozen=True, slots=True)
class CardDraft:
    """An entry as far as the card can tell it; `missing` names the manifest keys people must give."""

    entry: AgentEntry
    missing: tuple[str, ...]

    def completed(
        self, *, owner: str, environment: str, risk_tier: str, platform: str, **more: Any
    ) -> AgentEntry:
        """The entry with what the card could not say; `more` are further attributes of AgentEntry."""
        told = {
            "owner": owner,
            "environment": environment,
            "risk_tier": risk_tier,
            "platform": platform,
            **more,
        }
        return replace(self.entry, **told, given=self.entry.given | frozenset(told))


def card_url(base: str) -> str:
    """Where the card of an agent at `base` is (RFC 8615): a URL that names a .json file is the card's.

    ValueError when `base` is not a URL to call.
    """
    fault = forms.url_fault(base)
    if fault:
        raise ValueError(fault)
    parts = urlsplit(base)
    if parts.path.endswith(".json"):
        return base
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + WELL_KNOWN, parts.query, ""))


def read_card(data: bytes, source: str) -> AgentCard:
    """The card in `data`; `source` (a URL or file name) stands in messages.

    ManifestProblems with everything that A2A 1.0 requires and the card has not. A card of the 0.2
    or 0.3 shape is refused with what to move where; members 1.0 does not know are ignored, as
    protocol buffers do.
    """
    try:
        root, problems = read_json(decoded(data))
    except Unreadable as unreadable:
        raise ManifestProblems(source, [unreadable.problem]) from None
    if not isinstance(root, Mapping):
        empty = Problem(1, None, "", "An agent card is a JSON object.", "Check the URL.")
        raise ManifestProblems(source, [*problems, empty])
    old = tuple(key.text for key, _ in root.items if key.text in _MOVED)
    if old and not any(key.text == "supportedInterfaces" for key, _ in root.items):
        raise ManifestProblems(source, _old_shape(root))
    reading = Reading()
    values: dict[str, Any] = reading.attributes(known(root, CARD), "", CARD)
    problems = [*problems, *reading.problems]
    if problems:
        raise ManifestProblems(source, problems)
    values.pop("given")
    values |= values.pop("capabilities") | values.pop("provider", {})
    return AgentCard(**values, old_members=old)


def draft(card: AgentCard, slug: str = "") -> CardDraft:
    """An entry from a card's facts; without `slug` it is made from the name."""
    slug = slug or slug_of(card.name)
    entry = AgentEntry(
        slug=slug,
        name=card.name,
        purpose=card.description,
        platform="",
        environment="",
        risk_tier="",
        owner="",
        version=card.version,
        tools=tuple(dict.fromkeys(skill.id for skill in card.skills)),
        resources=tuple(dict.fromkeys(interface.url for interface in card.interfaces)),
        user_name=default_user_name(slug) if slug else "",
        given=frozenset({"slug", "name", "purpose", "version", "tools", "resources"}),
    )
    missing = ("owner", "environment", "riskTier", "platform")
    return CardDraft(entry, missing if slug else ("slug", *missing))


def slug_of(name: str) -> str:
    """A slug from a name: `Support triage (EU)` becomes `support-triage-eu`; may be empty."""
    words = re.findall(r"[a-z0-9]+", name.casefold())
    return "-".join(words)[: forms.MAX_SLUG].strip("-")


def _old_shape(root: Mapping) -> list[Problem]:
    return [
        Problem(
            key.line,
            key.column,
            key.text,
            f"{shown(key.text)} at the top level is the shape of A2A 0.3 and before.",
            f"A2A 1.0 has it in '{_MOVED[key.text]}'; publish a 1.0 card.",
        )
        for key, _ in root.items
        if key.text in _MOVED
    ]
