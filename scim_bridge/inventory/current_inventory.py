"""What is registered, in the same values as a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, PersonEntry


@dataclass(frozen=True, slots=True)
class CurrentInventory:
    """What is registered: people by userName, groups by name, agents by slug, in the same values.

    `memberships` are (group name, slug) pairs; those an IdP `assigned` are never taken away here.
    """

    people: Mapping[str, PersonEntry] = field(default_factory=dict)
    groups: Mapping[str, GroupEntry] = field(default_factory=dict)
    agents: Mapping[str, AgentEntry] = field(default_factory=dict)
    memberships: frozenset[tuple[str, str]] = frozenset()
    assigned: frozenset[tuple[str, str]] = frozenset()
    # Further e-mail addresses, folded, and the userName of the one person each belongs to.
    aliases: Mapping[str, str] = field(default_factory=dict)
