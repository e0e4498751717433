"""What an IdP's attributes mean here: by the adapter's own words, and by the connection's mapping over them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.registry.drift_rules import CO_OWNERS, DISPLAY_NAME, ENABLED, FACTS, OWNER, SPONSORS
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.sync.idp.explaining import Means, adapter
from scim_bridge.sync.idp.port import DesiredAgent, Idp

# A SCIM server speaks of our extension by its own names.
SCIM: Mapping[str, str] = {
    "userName": "userName",
    "emails.value": "email",
    DISPLAY_NAME: DISPLAY_NAME,
    **{f"{AGENT_URN}:{name}": name for name in FACTS},
}
# Sources of a mapping that say exactly one thing of ours.
SOURCES: Mapping[str, str] = {
    **{name: name for name in (DISPLAY_NAME, *FACTS)},
    "owner.userName": OWNER,
    "coOwners.userName": CO_OWNERS,
    "sponsors.userName": SPONSORS,
}
INWARD = "in"
_KEPT = {
    DISPLAY_NAME: "display_name",
    "purpose": "purpose",
    "platform": "platform",
    "model": "model",
    "environment": "environment",
    "riskTier": "risk_tier",
    "workloadId": "workload_id",
}


def meaning_of(idp: Idp) -> dict[str, str]:
    """Our name for each attribute that can be read back as ours; at least `enabled` always can.

    What a mapping makes of something else than one attribute of ours means none of them.
    """
    inner = adapter(idp)
    found = dict(inner.meaning()) if isinstance(inner, Means) else {}
    if not found and inner.kind == "generic":
        found = dict(SCIM)
    said: dict[str, set[str]] = {}
    for rule in getattr(idp, "rules", ()):
        if rule.row.direction != INWARD:
            said.setdefault(rule.row.target, set()).add(SOURCES.get(rule.row.source, ""))
    for target, names in said.items():
        found[target] = names.pop() if len(names) == 1 else ""
    return {**{target: name for target, name in found.items() if name}, ENABLED: ENABLED}


def inward_of(idp: Idp) -> dict[str, str]:
    """Attributes whose value at the IdP counts, by the connection's mapping, and what of ours they are."""
    rules = getattr(idp, "rules", ())
    return {rule.row.target: rule.row.source for rule in rules if rule.row.direction == INWARD}


def ours_of(agent: DesiredAgent, name: str) -> Any:
    """What the registry says of an attribute, by our name."""
    if name in _KEPT:
        return getattr(agent, _KEPT[name])
    return getattr(agent, "more", {}).get(name)
