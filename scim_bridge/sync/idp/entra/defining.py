"""The attribute set and its definitions: what is missing of them in a tenant, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.entra.attributes import DEFINITIONS, Definition, key
from scim_bridge.sync.idp.entra.calls import absent, literal, made_before
from scim_bridge.sync.idp.entra.featuring import Features
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.needs import ATTRIBUTES, DEFINE
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.port import IdpError, SetupStep

SETS = "/directory/attributeSets"
DEFINED = "/directory/customSecurityAttributeDefinitions"
SET_DESCRIPTION = "Facts about AI agents, written by scim-bridge."

Undefined = list[tuple[Definition, Mapping[str, Any] | None]]


class Defining:
    """Looks for the attribute set of a connection, and makes it where the app may."""

    def __init__(self, graph: Graph, options: Options, features: Features) -> None:
        self._graph = graph
        self._set = options.attribute_set
        self._features = features

    async def missing(self) -> list[SetupStep]:
        """The set and attributes that can be made; none where the app may not, which is said as a feature."""
        if not await self._features.usable(ATTRIBUTES):
            return []
        present, undefined = await self._looked()
        steps = [] if present else [SetupStep("attribute set", self._set)]
        steps += [SetupStep("attribute", key(self._set, one.name)) for one, _ in undefined]
        if not steps or await self._features.may(DEFINE):
            return steps
        await self._features.without(
            ATTRIBUTES,
            f"The attribute set {self._set} is not complete ({len(steps)} missing), and the app may not complete it:"
            f" facts about agents are not written. Grant {DEFINE}, or define them in the admin center.",
        )
        return []

    async def make_ready(self) -> None:
        """Make what is missing; twice changes nothing."""
        if not await self.missing():
            return
        present, undefined = await self._looked()
        if not present:
            body = {"id": self._set, "description": SET_DESCRIPTION}
            await self._graph.call("make the attribute set", "POST", SETS, body, expect=made_before)
        for one, known in undefined:
            await self._define(one, known)

    async def _looked(self) -> tuple[bool, Undefined]:
        """Is the set there, and which definitions are missing (None) or deactivated.

        IdpError when one is of another type, which cannot be changed.
        """
        reply = await self._graph.call(
            "look for the attribute set", "GET", f"{SETS}/{self._set}", expect=absent
        )
        query = {"$filter": f"attributeSet eq {literal(self._set)}"}
        listed = await self._graph.every("look for the attributes", DEFINED, query)
        by_name = {str(one.get("name")).casefold(): one for one in listed}
        found: Undefined = []
        for one in DEFINITIONS:
            known = by_name.get(one.name.casefold())
            if known is None or known.get("status") == "Deprecated":
                found.append((one, known))
            elif known.get("type") != "String" or bool(known.get("isCollection")) != one.collection:
                raise IdpError(
                    "entra-attribute",
                    f"The attribute {key(self._set, one.name)} exists and is of another type.",
                    "Set `attribute_set` to another name; a type cannot be changed.",
                    transient=False,
                )
        return reply.ok, found

    async def _define(self, one: Definition, known: Mapping[str, Any] | None) -> None:
        if known is None:
            body = one.body(self._set)
            await self._graph.call("define an attribute", "POST", DEFINED, body, expect=made_before)
            return
        path = f"{DEFINED}/{known['id']}"
        await self._graph.call("activate an attribute", "PATCH", path, {"status": "Available"})
