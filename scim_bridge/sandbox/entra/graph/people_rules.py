"""Who may answer for an agent: sponsors and owners, kinds and numbers. Pure.

Source: Graph "Add agentIdentity sponsors"; Entra "owners, sponsors and managers" of agent identities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.entra.graph.errors import bad, duplicate_reference
from scim_bridge.sandbox.entra.graph.links import Target
from scim_bridge.sandbox.entra.tenant import GROUP, PRINCIPAL, USER

MAX_SPONSORS = 100
MAX_SPONSOR_GROUPS = 5
NO_SPONSOR = "No sponsor specified. Please provide at least one sponsor."
AGENT_USER = "#microsoft.graph.agentUser"


def check_sponsors(targets: Sequence[Target], *, needed: bool) -> None:
    """GraphError 400 unless these may together be the sponsors of one object."""
    if needed and not targets:
        raise bad(NO_SPONSOR)
    _distinct(targets, "sponsors")
    for kind, value in targets:
        _check_sponsor(kind, value)
    if len(targets) > MAX_SPONSORS:
        raise bad(f"The number of sponsors exceeds the maximum of {MAX_SPONSORS}.")
    if sum(kind == GROUP for kind, _ in targets) > MAX_SPONSOR_GROUPS:
        raise bad(f"The number of groups among the sponsors exceeds the maximum of {MAX_SPONSOR_GROUPS}.")


def check_owners(targets: Sequence[Target]) -> None:
    """GraphError 400 unless each of these may own an application or service principal."""
    _distinct(targets, "owners")
    for kind, value in targets:
        if kind not in (USER, PRINCIPAL):
            raise bad(
                f"The reference '{value['id']}' is not valid: an owner is a user or a service principal."
            )


def _check_sponsor(kind: str, value: Mapping[str, Any]) -> None:
    name = value["id"]
    if kind == USER and value.get("@odata.type") == AGENT_USER:
        raise bad(f"The reference '{name}' is not valid: an agent user cannot be a sponsor.")
    if kind not in (USER, GROUP):
        raise bad(f"The reference '{name}' is not valid: a sponsor is a user or a group.")
    if kind == GROUP:
        types = value.get("groupTypes") or []
        if value.get("isAssignableToRole"):
            raise bad(f"The group '{name}' is role-assignable and cannot be a sponsor.")
        if "Unified" not in types and "DynamicMembership" not in types:
            raise bad(
                f"The group '{name}' is neither dynamic nor a Microsoft 365 group and cannot be a sponsor."
            )


def _distinct(targets: Sequence[Target], name: str) -> None:
    ids = [value["id"] for _, value in targets]
    if len(ids) != len(set(ids)):
        raise duplicate_reference(name)
