"""Agent identities as they are: every one page by page, or one of them now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from scim_bridge.sync.idp.entra.graph import Get, Graph, Reply, literal
from scim_bridge.sync.idp.entra.model import (
    OWNERS,
    SELECT,
    SPONSORS,
    marked,
    name_of,
    observed_of,
    tag_of,
)
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.preparing import Blueprint
from scim_bridge.sync.idp.entra.refusals import SETTLING
from scim_bridge.sync.idp.port import DesiredAgent, IdpError, Observed, Page

IDENTITIES = "/servicePrincipals/microsoft.graph.agentIdentity"
LIST = "list agent identities"
READ = "read the agent identity"


def identity(remote_id: str) -> str:
    """The address of one agent identity."""
    return f"/servicePrincipals/{remote_id}/microsoft.graph.agentIdentity"


class Reading:
    """Reads the agent identities of a tenant."""

    def __init__(self, graph: Graph, options: Options) -> None:
        self._graph = graph
        self._options = options

    async def listing(self, blueprint: Blueprint | None) -> AsyncIterator[Page]:
        """Ours, and what may become ours: marked by us, or under our blueprint without a mark.

        Graph serves no filter by blueprint for agent identities that could be relied on: all are read.
        """
        async for objects, last in self._graph.pages(LIST, IDENTITIES, {"$select": SELECT, "$top": "100"}):
            concerning = [one for one in objects if self._concerns(one, blueprint)]
            yield Page(tuple(await self._with_people(concerning, patient=True)), last)

    def _concerns(self, found: Mapping[str, Any], blueprint: Blueprint | None) -> bool:
        if marked(found.get("tags") or ()):
            return True
        return (
            blueprint is not None
            and str(found.get("agentIdentityBlueprintId")).casefold() == blueprint.app_id.casefold()
        )

    async def _with_people(
        self, objects: Sequence[Mapping[str, Any]], *, patient: bool = False
    ) -> list[Observed]:
        reads = [Get(f"{identity(str(one['id']))}/{kind}") for one in objects for kind in (SPONSORS, OWNERS)]
        replies = await self._graph.reads("list sponsors and owners", reads, patient=patient)
        found = []
        for number, one in enumerate(objects):
            sponsors, owners = replies[2 * number], replies[2 * number + 1]
            if sponsors.ok and owners.ok:
                found.append(await self._observed(one, sponsors, owners))
        return found

    async def _observed(self, found: Mapping[str, Any], sponsors: Reply, owners: Reply) -> Observed:
        return observed_of(
            found,
            await self._graph.collected(READ, sponsors),
            await self._graph.collected(READ, owners),
            self._options.attribute_set,
        )

    async def by_id(self, remote_id: str) -> tuple[Observed, Mapping[str, Any]] | None:
        """One agent identity and the object it was read from; None when it is not there."""
        place = identity(remote_id)
        reads = [Get(place, {"$select": SELECT}), Get(f"{place}/{SPONSORS}"), Get(f"{place}/{OWNERS}")]
        itself, sponsors, owners = await self._graph.reads(READ, reads)
        if not itself.ok:
            return None
        if not (sponsors.ok and owners.ok):
            raise IdpError(
                "entra-settling",
                "Entra does not see all of the agent identity yet.",
                transient=True,
                retry_after=SETTLING,
            )
        return await self._observed(itself.body, sponsors, owners), itself.body

    async def found(self, agent_id: str, name: str, blueprint: Blueprint | None) -> Mapping[str, Any] | None:
        """The agent's object by our mark, else the one unmarked object of that name under our blueprint."""
        condition = f"tags/any(t:t eq {literal(tag_of(agent_id))})"
        if name:
            condition += f" or displayName eq {literal(name)}"
        query = {"$filter": condition, "$select": SELECT}
        objects = await self._graph.every("look for the agent identity", IDENTITIES, query)
        ours = sorted(
            (one for one in objects if marked(one.get("tags") or ()) == agent_id),
            key=lambda one: str(one["id"]),
        )
        if ours:
            return ours[0]
        named = [
            one
            for one in objects
            if not marked(one.get("tags") or ())
            and self._concerns(one, blueprint)
            and one.get("displayName") == name
        ]
        return named[0] if len(named) == 1 else None

    async def observe(
        self, agent: DesiredAgent, remote_id: str | None, blueprint: Blueprint | None
    ) -> Observed | None:
        """One agent as it is now: where it was written, else by mark, else by name."""
        if remote_id is not None:
            there = await self.by_id(remote_id)
            if there is not None and there[0].agent_id in ("", agent.agent_id):
                return there[0]
        name = "" if agent.deleted else name_of(agent)
        found = await self.found(agent.agent_id, name, blueprint)
        if found is None:
            return None
        observed = await self._with_people([found])
        if not observed:
            raise IdpError(
                "entra-settling",
                "Entra lists the agent identity and does not find it yet.",
                transient=True,
                retry_after=SETTLING,
            )
        return observed[0]
