"""Agents in Microsoft's agent registry (Agent 365, beta), where a tenant has it: an entry for each identity.

Only entries whose originatingStore is ours are read, changed or removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.sync.idp.entra.calls import BETA, Get, Reply, absent, held
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.model import OWNERS, name_of
from scim_bridge.sync.idp.entra.needs import REGISTRY
from scim_bridge.sync.idp.entra.part import Of
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.entra.preparing import Preparing
from scim_bridge.sync.idp.port import Attributes, DesiredAgent, IdpError, ObjectChange

ENTRIES = "/copilot/agentRegistrations"
STORE = "scim-bridge"
ENTRY = "registryName"
DESCRIPTION = "registryDescription"
LONGEST = 1024
# How long a listing of the registry is believed, of what is there and of what is not: nobody but us writes
# entries of our store, but the answer to a create may have been lost a moment ago.
BELIEVED = 300.0
BELIEVED_ABSENT = 5.0


def entry_of(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """An entry as attributes of its agent; None for none."""
    if found is None:
        return {ENTRY: None, DESCRIPTION: None}
    return {ENTRY: found.get("displayName"), DESCRIPTION: found.get("description") or None}


class Registrations:
    """The entries of a tenant's agents."""

    feature = REGISTRY
    each = False

    def __init__(
        self,
        graph: Graph,
        people: People,
        preparing: Preparing,
        client_id: str,
        now: Callable[[], int],
    ) -> None:
        self._graph = graph
        self._people = people
        self._preparing = preparing
        self._client_id = client_id
        self._now = now
        self._listed: dict[str, Mapping[str, Any]] = {}
        self._listed_at = 0.0

    async def wanted(self, agent: DesiredAgent) -> tuple[Mapping[str, Any], Sequence[str]]:
        """The entry: name and purpose. A deleted agent has none."""
        if agent.deleted:
            return {ENTRY: None}, ()
        return {ENTRY: name_of(agent), DESCRIPTION: agent.purpose.strip()[:LONGEST] or None}, ()

    async def everywhere(self) -> Of:
        """Every entry of ours, in one listing."""
        await self._list(0.0)
        return lambda remote_id: entry_of(self._listed.get(remote_id.lower()))

    def gets(self, remote_id: str) -> list[Get]:
        """Nothing in the batch of an identity: the registry is in another version of Graph."""
        return []

    async def one(self, remote_id: str, replies: Sequence[Reply]) -> Attributes:
        """The entry of one identity, read anew where there is one."""
        return entry_of(await self._read(remote_id))

    async def stop(self, change: ObjectChange) -> None:
        """A stopped agent stays in the registry."""

    async def bring(self, change: ObjectChange) -> None:
        """Make, change or remove the entry."""
        touched = {ENTRY, DESCRIPTION, OWNERS} & set(change.after)
        if ENTRY not in change.wanted or not touched:
            return
        remote_id = str(change.remote_id)
        known = await self._read(remote_id)
        if change.wanted[ENTRY] is None:
            if known is not None:
                path = f"{ENTRIES}/{known['id']}"
                await self._call("remove the registry entry", "DELETE", path)
            self._listed.pop(remote_id.lower(), None)
            return
        body = await self._body(change)
        if known is not None:
            await self._call("change the registry entry", "PATCH", f"{ENTRIES}/{known['id']}", body)
            return
        body |= {
            "createdBy": self._client_id,
            "sourceCreatedDateTime": iso(self._now()),
            "originatingStore": STORE,
            "sourceAgentId": change.agent_id,
            "agentIdentityId": remote_id,
            "agentIdentityBlueprintId": await self._preparing.above(remote_id),
        }
        try:
            reply = await self._call("make the registry entry", "POST", ENTRIES, body)
        except IdpError:
            self._listed_at = 0.0
            raise
        self._listed[remote_id.lower()] = {**body, "id": str((reply.body or {}).get("id"))}

    async def _body(self, change: ObjectChange) -> dict[str, Any]:
        body: dict[str, Any] = {
            "displayName": change.wanted[ENTRY],
            "description": change.wanted.get(DESCRIPTION),
            "sourceLastModifiedDateTime": iso(self._now()),
        }
        if OWNERS in change.wanted:
            body["ownerIds"] = sorted((await self._people.ids(change.wanted[OWNERS] or ())).values())
        return body

    async def _read(self, remote_id: str) -> Mapping[str, Any] | None:
        await self._list(BELIEVED)
        known = self._listed.get(remote_id.lower())
        if known is None:
            await self._list(BELIEVED_ABSENT)
            return self._listed.get(remote_id.lower())
        reply = await self._call("read the registry entry", "GET", f"{ENTRIES}/{known['id']}")
        # An answer that is no entry is not an entry that is gone: another would be made beside it.
        return held("read the registry entry", reply, "id") if reply.ok else None

    async def _list(self, believed: float) -> None:
        if self._listed_at and time.monotonic() - self._listed_at < believed:
            return
        listed: dict[str, Mapping[str, Any]] = {}
        pages = self._graph.pages("list the agent registry", ENTRIES, {"$top": "100"}, version=BETA)
        async for entries, _ in pages:
            for one in entries:
                if one.get("originatingStore") == STORE and one.get("agentIdentityId"):
                    listed[str(one["agentIdentityId"]).lower()] = one
        self._listed, self._listed_at = listed, time.monotonic()

    async def _call(self, what: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        return await self._graph.call(what, method, path, body, version=BETA, expect=absent)
