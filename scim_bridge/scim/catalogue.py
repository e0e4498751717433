"""The resource types and schemas of one installation: the standard's, ours, and what its settings declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.scim import schema
from scim_bridge.scim.schema import ResourceType
from scim_bridge.settings.attributes import AttributeSettings
from scim_bridge.settings.attributes import documents as declared


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Resource types by name, and every schema as /Schemas serves it, without meta; both to be read only."""

    types: Mapping[str, ResourceType]
    documents: Sequence[Mapping[str, Any]]


def catalogue(attributes: Sequence[AttributeSettings] = ()) -> Catalogue:
    """What there is when these attributes are declared."""
    if not attributes:
        return Catalogue(
            {name: schema.of(name) for name in (*schema.NAMES, *schema.FOREIGN)}, schema.documents()
        )
    users, agents, groups = (declared(attributes, target) for target in ("User", "Agent", "Group"))
    return Catalogue(schema.types(users, agents, groups), [*schema.documents(), *users, *agents, *groups])
