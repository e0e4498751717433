"""The parts of an agent that a connection asks for, and of these the ones the app may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sync.idp.entra.agent_users import AgentUsers
from scim_bridge.sync.idp.entra.calls import Get, Reply
from scim_bridge.sync.idp.entra.featuring import Features
from scim_bridge.sync.idp.entra.part import Of, Part
from scim_bridge.sync.idp.port import DesiredAgent, ObjectChange


class Parts:
    """Every part asked for. One that the app may not use is left out everywhere, and said once a plan."""

    def __init__(self, features: Features, parts: Sequence[Part]) -> None:
        self._features = features
        self._parts = tuple(parts)

    async def _usable(self) -> list[Part]:
        return [part for part in self._parts if await self._features.usable(part.feature)]

    async def wanted(self, agent: DesiredAgent) -> tuple[dict[str, Any], list[str]]:
        """What the agent should have of every part, and notes for people."""
        wanted: dict[str, Any] = {}
        notes: list[str] = []
        for part in self._parts:
            found = await self._features.of(part.feature)
            if found.usable:
                more, said = await part.wanted(agent)
                wanted |= more
                notes += said
            else:
                notes.append(f"{found.name}: {found.reason}")
        return wanted, notes

    async def everywhere(self) -> Of:
        """A listing begins: what every agent identity has of the parts that are not asked for one by one."""
        listed = [await part.everywhere() for part in await self._usable()]

        def of(remote_id: str) -> Mapping[str, Any]:
            return {name: value for one in listed for name, value in one(remote_id).items()}

        return of

    async def gets(self, remote_id: str, *, listing: bool = False) -> list[Get]:
        """The reads that say what one agent identity has; in a listing only of parts asked for one by one."""
        return [get for part in await self._chosen(listing) for get in part.gets(remote_id)]

    async def one(self, remote_id: str, replies: Sequence[Reply], *, listing: bool = False) -> dict[str, Any]:
        """What one agent identity has, from the answers to `gets`."""
        found: dict[str, Any] = {}
        start = 0
        for part in await self._chosen(listing):
            end = start + len(part.gets(remote_id))
            found |= await part.one(remote_id, replies[start:end])
            start = end
        return found

    async def _chosen(self, listing: bool) -> list[Part]:
        return [part for part in await self._usable() if part.each or not listing]

    async def stop(self, change: ObjectChange) -> None:
        """What has to stop right after the identity."""
        for part in await self._usable():
            await part.stop(change)

    async def bring(self, change: ObjectChange) -> None:
        """Make every part as wanted."""
        for part in await self._usable():
            await part.bring(change)

    async def left_behind(self, agent: DesiredAgent, remote_id: str) -> dict[str, Any] | None:
        """What an identity that is gone left behind; None when nothing is."""
        for part in await self._usable():
            if isinstance(part, AgentUsers):
                return await part.left_behind(agent, remote_id)
        return None
