"""Agent identities as they are: every one page by page, or one of them now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from typing import Any

from scim_bridge.sync.idp.entra.calls import Get, Reply, held, literal
from scim_bridge.sync.idp.entra.compliance import Compliance
from scim_bridge.sync.idp.entra.featuring import Features
from scim_bridge.sync.idp.entra.graph import Graph, patiently
from scim_bridge.sync.idp.entra.model import (
    OWNERS,
    SELECT,
    SPONSORS,
    WITH_ATTRIBUTES,
    marked,
    name_of,
    observed_of,
    tag_of,
)
from scim_bridge.sync.idp.entra.needs import ATTRIBUTES
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.part import Of
from scim_bridge.sync.idp.entra.parts import Parts
from scim_bridge.sync.idp.entra.preparing import Blueprint
from scim_bridge.sync.idp.entra.refusals import SETTLING
from scim_bridge.sync.idp.port import DesiredAgent, IdpError, Observed, Page

IDENTITIES = "/servicePrincipals/microsoft.graph.agentIdentity"
LIST = "list agent identities"
TOP = "100"
READ = "read the agent identity"


def identity(remote_id: str) -> str:
    """The address of one agent identity."""
    return f"/servicePrincipals/{remote_id}/microsoft.graph.agentIdentity"


class Reading:
    """Reads the agent identities of a tenant."""

    def __init__(
        self, graph: Graph, options: Options, features: Features, parts: Parts, compliance: Compliance
    ) -> None:
        self._graph = graph
        self._options = options
        self._features = features
        self._parts = parts
        self._compliance = compliance

    async def _select(self) -> str:
        return WITH_ATTRIBUTES if await self._features.usable(ATTRIBUTES) else SELECT

    async def listing(self, family: Sequence[Blueprint]) -> AsyncIterator[Page]:
        """Ours, and what may become ours: marked by us, or under a blueprint of ours without a mark. And all others,
        without their people.

        Graph serves no filter by blueprint for agent identities that could be relied on: all are read. Nor
        a delta query of their own; that of service principals tells nothing of sponsors, groups and app
        roles, so a listing that went by it would hide what others changed. One without an id is passed over:
        where it is ours it is missing from the listing, and read itself.
        """
        of = await patiently(self._parts.everywhere)
        await self._compliance.begin()
        query = {"$select": await self._select(), "$top": TOP}
        under = {one.app_id.casefold() for one in family}
        async for objects, last in self._graph.pages(LIST, IDENTITIES, query, skips=True):
            concerning = [one for one in objects if _concerns(one, under)]
            found = tuple(await self._with_people(concerning, of, patient=True))
            await self._compliance.page(found)
            if last:
                await self._compliance.end()
            others = [
                observed_of(one, (), (), self._options.attribute_set)
                for one in objects
                if not _concerns(one, under)
            ]
            yield Page(found, last, tuple(others))

    async def _with_people(
        self, objects: Sequence[Mapping[str, Any]], of: Of, *, patient: bool = False
    ) -> list[Observed]:
        reads: list[Get] = []
        for one in objects:
            remote_id = str(one["id"])
            reads += [Get(f"{identity(remote_id)}/{kind}") for kind in (SPONSORS, OWNERS)]
            reads += await self._parts.gets(remote_id, listing=True)
        replies = await self._graph.reads("list sponsors and owners", reads, patient=patient)
        width = len(reads) // len(objects) if objects else 0
        found = []
        for number, one in enumerate(objects):
            told = replies[number * width : (number + 1) * width]
            if all(reply.ok for reply in told):
                remote_id = str(one["id"])
                more = {**of(remote_id), **await self._parts.one(remote_id, told[2:], listing=True)}
                found.append(await self._observed(one, told[0], told[1], more))
        return found

    async def _observed(
        self, found: Mapping[str, Any], sponsors: Reply, owners: Reply, more: Mapping[str, Any]
    ) -> Observed:
        return observed_of(
            found,
            await self._graph.collected(READ, sponsors),
            await self._graph.collected(READ, owners),
            self._options.attribute_set,
            more,
        )

    async def by_id(self, remote_id: str) -> tuple[Observed, Mapping[str, Any]] | None:
        """One agent identity and the object it was read from; None when it is not there."""
        place, parts = identity(remote_id), await self._parts.gets(remote_id)
        reads = [
            Get(place, {"$select": await self._select()}),
            Get(f"{place}/{SPONSORS}"),
            Get(f"{place}/{OWNERS}"),
        ]
        replies = await self._graph.reads(READ, [*reads, *parts])
        itself, sponsors, owners = replies[:3]
        if not itself.ok:
            return None
        found = held(READ, itself, "id")
        if not all(reply.ok for reply in replies):
            raise IdpError(
                "entra-settling",
                "Entra does not see all of the agent identity yet.",
                transient=True,
                retry_after=SETTLING,
            )
        more = await self._parts.one(remote_id, replies[3:])
        return await self._observed(found, sponsors, owners, more), found

    async def found(self, agent_id: str) -> Mapping[str, Any] | None:
        """The agent's object by our mark. Not by its name: that may be anybody's."""
        query = {"$filter": f"tags/any(t:t eq {literal(tag_of(agent_id))})", "$select": SELECT}
        objects = await self._graph.every("look for the agent identity", IDENTITIES, query)
        ours = sorted(
            (one for one in objects if marked(one.get("tags") or ()) == agent_id),
            key=lambda one: str(one["id"]),
        )
        return ours[0] if ours else None

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """One agent as it is now: where it was written, whatever mark it carries by now, else by mark.

        Of a deleted agent also what its identity left behind when it went.
        """
        if remote_id is not None:
            there = await self.by_id(remote_id)
            if there is not None:
                return there[0]
        found = await self.found(agent.agent_id)
        if found is None:
            return await self._remains(agent, remote_id)
        observed = await self.by_id(str(found["id"]))
        if observed is None:
            raise IdpError(
                "entra-settling",
                "Entra lists the agent identity and does not find it yet.",
                transient=True,
                retry_after=SETTLING,
            )
        return observed[0]

    async def _remains(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        if not agent.deleted or remote_id is None:
            return None
        left = await self._parts.left_behind(agent, remote_id)
        return None if left is None else Observed(remote_id, agent.agent_id, name_of(agent), left)


def _concerns(found: Mapping[str, Any], under: Set[str]) -> bool:
    return bool(marked(found.get("tags") or ())) or (
        str(found.get("agentIdentityBlueprintId")).casefold() in under
    )
