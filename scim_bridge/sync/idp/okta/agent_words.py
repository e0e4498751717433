"""Our words in those of Okta for AI Agents: a name, a description that carries our mark, status. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sync.idp.okta.vocabulary import RETIRED
from scim_bridge.sync.idp.port import ENABLED, GONE, DesiredAgent, Observed

NAME = "name"
DESCRIPTION = "description"
OWNERS = "owners"
ID_PREFIX = "wlp"

SHORTEST_NAME = 3
LONGEST_NAME = 255
LONGEST = 1000

# Nothing else of an AI agent can be set by an app and read back, so the last line of its description says
# which agent it is; without that a lost answer, or a lost database, would make a second one.
_MARK = re.compile(r"\s*\(scim-bridge ([0-9A-Za-z-]{1,64})\)\s*\Z")

ON = "ACTIVE"
STAGED = "STAGED"
OFF = "INACTIVE"


def name_of(agent: DesiredAgent) -> str:
    """A name no other agent of ours has: what people call it, with the slug where that says more."""
    label = " ".join(agent.display_name.replace("\0", "").split())[:180]
    told = re.sub(r"[^a-z0-9]+", "-", label.casefold()).strip("-")
    name = label if label and told == agent.slug else f"{label} ({agent.slug})" if label else agent.slug
    return name if len(name) >= SHORTEST_NAME else f"{name} (AI agent)"


def description_of(agent: DesiredAgent) -> str:
    """What it is for, then our mark."""
    mark = f"(scim-bridge {agent.agent_id})"
    purpose = agent.purpose.replace("\0", "").strip()[: LONGEST - len(mark) - 1].strip()
    return f"{purpose}\n{mark}" if purpose else mark


def wanted_agent(agent: DesiredAgent, owners: Sequence[str] | None, *, delete: bool) -> dict[str, Any]:
    """Everything an AI agent should say. `owners` are ids of users, None where owners cannot be set."""
    if agent.deleted:
        return {ENABLED: False, RETIRED: GONE if delete else True}
    said: dict[str, Any] = {NAME: name_of(agent), DESCRIPTION: description_of(agent)}
    if owners is not None:
        said[OWNERS] = sorted(owners) or None
    if not agent.enabled or owners is None or owners:
        said[ENABLED] = agent.enabled
    return said


def observed_agent(found: Mapping[str, Any], owners: Sequence[str] | None) -> Observed:
    """An AI agent as Okta gives it, in the same words. A deactivated one counts as retired as well."""
    profile = found.get("profile") or {}
    description = str(profile.get("description") or "")
    mark = _MARK.search(description)
    status = str(found.get("status") or "")
    attributes: dict[str, Any] = {
        NAME: profile.get("name"),
        DESCRIPTION: description or None,
        OWNERS: sorted(owners) if owners else None,
        ENABLED: None if status == STAGED else status == ON,
        RETIRED: None if status == ON else True,
    }
    return Observed(str(found["id"]), mark[1] if mark else "", str(profile.get("name") or ""), attributes)
