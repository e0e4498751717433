"""What a change somebody made at the IdP means, by attribute: the setting `drift` of a connection. Pure.

`purpose:theirs; riskTier:ask; *:ours`. Names are ours, whatever the IdP calls them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from scim_bridge.kernel.errors import Invalid

OURS = "ours"
THEIRS = "theirs"
ASK = "ask"
RULES = (OURS, THEIRS, ASK)
EVERYTHING = "*"

ENABLED = "enabled"
OWNER = "owner"
CO_OWNERS = "coOwners"
SPONSORS = "sponsors"
DISPLAY_NAME = "displayName"
# What of an agent may be taken over from an IdP, in SCIM's names.
FACTS = ("purpose", "platform", "model", "version", "environment", "riskTier", "workloadId")
TAKEABLE = (DISPLAY_NAME, *FACTS, OWNER, CO_OWNERS, SPONSORS)


@dataclass(frozen=True, slots=True)
class DriftRules:
    """A rule by attribute, and the one for all others. `enabled` is never among the others."""

    named: Mapping[str, str] = field(default_factory=dict)
    others: str = OURS

    def of(self, name: str) -> str:
        """The rule for an attribute of ours; "" is one of the IdP's that is none of ours."""
        if name == ENABLED:
            return self.named.get(name, OURS)
        rule = self.named.get(name, self.others)
        return OURS if rule == THEIRS and name not in TAKEABLE else rule


def parse_drift(text: str) -> DriftRules:
    """The rules a setting says; Invalid for a name or rule there is not, or a name that comes twice."""
    named: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, colon, rule = (piece.strip() for piece in part.partition(":"))
        if not colon or rule not in RULES:
            raise _wrong(f"{part.strip()[:60]!r} is no rule.", "Write name:ours, name:theirs or name:ask.")
        if name not in (*TAKEABLE, ENABLED, EVERYTHING):
            close = difflib.get_close_matches(name, TAKEABLE, n=1)
            known = f"Did you mean {close[0]}?" if close else f"Use {', '.join(TAKEABLE)}, {ENABLED} or *."
            raise _wrong(f"{name[:60]!r} is no attribute a rule can name.", known)
        if name in named:
            raise _wrong(f"{name} has two rules.", "Write each once.")
        if name == ENABLED and rule == ASK:
            raise _wrong("enabled:ask would leave a stop unwritten.", "Use ours, or theirs: a stop is taken.")
        named[name] = rule
    return DriftRules({n: rule for n, rule in named.items() if n != EVERYTHING}, named.get(EVERYTHING, OURS))


def _wrong(message: str, fix: str) -> Invalid:
    return Invalid("drift-rules", f"drift: {message}", fix)
