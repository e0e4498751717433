"""What an IdP's attributes mean here: by the adapter's own words, and by the connection's mapping over them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.registry.drift_rules import CO_OWNERS, DISPLAY_NAME, ENABLED, FACTS, OWNER, SPONSORS
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.sync.idp.explaining import Means
from scim_bridge.sync.idp.port import DesiredAgent, Idp
from scim_bridge.sync.mapping import IN, Rule

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
_KEPT = {
    DISPLAY_NAME: "display_name",
    "purpose": "purpose",
    "platform": "platform",
    "model": "model",
    "environment": "environment",
    "riskTier": "risk_tier",
    "workloadId": "workload_id",
}


def meaning_of(idp: Idp, mapping: Sequence[Rule] = ()) -> dict[str, str]:
    """Our name for each attribute that can be read back as ours; at least `enabled` always can.

    What a mapping makes of something else than one attribute of ours means none of them.
    """
    found = dict(idp.meaning()) if isinstance(idp, Means) else {}
    if not found and idp.kind == "generic":
        found = dict(SCIM)
    said: dict[str, set[str]] = {}
    for rule in mapping:
        if rule.row.direction != IN:
            said.setdefault(rule.row.target, set()).add(SOURCES.get(rule.row.source, ""))
    for target, names in said.items():
        found[target] = names.pop() if len(names) == 1 else ""
    return {**{target: name for target, name in found.items() if name}, ENABLED: ENABLED}


def ours_of(agent: DesiredAgent, name: str) -> Any:
    """What the registry says of an attribute, by our name."""
    if name in _KEPT:
        return getattr(agent, _KEPT[name])
    return agent.more.get(name)
