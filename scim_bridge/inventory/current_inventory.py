"""What is registered of all that a manifest speaks of: in its own values, and where to change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, PersonEntry
from scim_bridge.registry.model import Doc


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


@dataclass(slots=True)
class Registered:
    """The registered part of an import: values for the diff, and ids and documents to change.

    People and groups are keyed by folded name, agents by slug; `names` are userNames and e-mails
    that lead to exactly one person.
    """

    inventory: CurrentInventory = field(default_factory=CurrentInventory)
    people: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    documents: dict[str, Doc] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
