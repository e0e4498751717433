"""The attributes a mapping may set in Entra: the name, and the tenant's custom security attributes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.entra.attributes import DEFINITIONS, LONGEST, key
from scim_bridge.sync.idp.entra.defining import DEFINED
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.model import LONGEST_NAME, NAME, OWNERS, SPONSORS, TAG
from scim_bridge.sync.idp.port import Target

BELIEVED = 600.0
KINDS = {"String": "string", "Integer": "integer", "Boolean": "boolean"}
DEFAULTS = {
    "agentId": "id",
    "coOwners": "coOwners.userName",
    "owner": "owner.userName",
    "attestationState": "attestation.state",
    "attestedAt": "attestation.at",
    "attestedUntil": "attestation.until",
    "attestedBy": "attestation.by",
    "statementId": "attestation.id",
}
PEOPLE = "people are related by their accounts"
STATEMENT = "by it the bridge knows which statement Entra was told"
FIXED = {"statementId": STATEMENT, "attestationState": STATEMENT, "attestedAt": STATEMENT}


class Targets:
    """What the tenant defines, asked again after a while."""

    def __init__(self, graph: Graph, attribute_set: str) -> None:
        self._graph = graph
        self._set = attribute_set
        self._known: dict[str, Target] | None = None
        self._read = 0.0

    async def known(self) -> Mapping[str, Target]:
        """Every target by its name in a plan."""
        if self._known is None or time.monotonic() - self._read > BELIEVED:
            listed = await self._graph.every("list the attributes", DEFINED)
            self._known = {**own(self._set), **{t.name: t for one in listed if (t := self._target(one))}}
            self._read = time.monotonic()
        return self._known

    def _target(self, found: Mapping[str, Any]) -> Target | None:
        kind = KINDS.get(str(found.get("type")))
        place, name = str(found.get("attributeSet")), str(found.get("name"))
        ours = own(self._set).get(key(self._set, name)) if place.casefold() == self._set.casefold() else None
        if kind is None or ours is not None:
            return None
        closed = found.get("status") == "Deprecated"
        return Target(
            key(place, name),
            kind,
            bool(found.get("isCollection")),
            LONGEST if kind == "string" else 0,
            fixed="it is deactivated in Entra" if closed else "",
        )


def own(attribute_set: str) -> dict[str, Target]:
    """What every agent identity of ours carries."""
    found = {
        NAME: Target(NAME, longest=LONGEST_NAME, default="default(displayName, slug)", needed=True),
        TAG: Target(TAG, fixed="it is the mark by which the agent is found again"),
        OWNERS: Target(OWNERS, several=True, fixed=PEOPLE),
        SPONSORS: Target(SPONSORS, several=True, fixed=PEOPLE),
    }
    for one in DEFINITIONS:
        name = key(attribute_set, one.name)
        default = DEFAULTS.get(one.name, one.name)
        found[name] = Target(
            name, several=one.collection, longest=LONGEST, default=default, fixed=FIXED.get(one.name, "")
        )
    return found
