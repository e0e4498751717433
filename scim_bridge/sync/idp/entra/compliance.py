"""What Entra's lifecycle policies find wrong with agent identities (preview), read with each listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.kernel.work import SYSTEM, Store
from scim_bridge.registry.findings import Finding, keep_findings
from scim_bridge.sync.idp.entra.calls import BETA, Get, Reply
from scim_bridge.sync.idp.entra.featuring import Features
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.needs import ISSUES
from scim_bridge.sync.idp.entra.refusals import error_of
from scim_bridge.sync.idp.port import Observed

READ = "read what is wrong with agent identities"
LONGEST = 400


class Compliance:
    """Reads compliance issues, page by page, and keeps them when the listing is complete."""

    def __init__(self, graph: Graph, features: Features, store: Store, connection_id: str) -> None:
        self._graph = graph
        self._features = features
        self._store = store
        self._connection_id = connection_id
        self._found: dict[str, list[Finding]] = {}

    async def begin(self) -> None:
        """A new listing starts."""
        self._found = {}

    async def page(self, objects: Sequence[Observed]) -> None:
        """Read the issues of those that are ours. A tenant that does not have them is asked once a plan."""
        ours = [one for one in objects if one.agent_id]
        if not ours or not await self._features.usable(ISSUES):
            return
        gets = [Get(f"/servicePrincipals/{one.remote_id}/lifecycle/complianceIssues") for one in ours]
        replies = await self._graph.reads(READ, gets, patient=True, takes=_told, version=BETA)
        for one, reply in zip(ours, replies, strict=True):
            if reply.ok:
                self._found[one.agent_id] = issues_in(reply.body)
            elif reply.status != 404:
                await self._features.without(ISSUES, _why(reply))
                return

    async def end(self) -> None:
        """Keep what was read: everything was."""
        if await self._features.usable(ISSUES):
            found = self._found
            await self._store.transact(SYSTEM, lambda work: keep_findings(work, self._connection_id, found))

    def notes(self, agent_id: str, slug: str) -> list[str]:
        """What the last listing found wrong with an agent, for people."""
        return [f"{slug}: Entra finds: {one.message}" for one in self._found.get(agent_id, ())]


def issues_in(body: Any) -> list[Finding]:
    """The issues in an answer; what has no code is no issue."""
    values = body.get("value") if isinstance(body, Mapping) else None
    found = []
    for one in values if isinstance(values, list) else ():
        if isinstance(one, Mapping) and one.get("issueCode"):
            blocks = [str(reason) for reason in one.get("attestationBlockReasons") or ()]
            told = str(one.get("description") or one["issueCode"])
            if blocks:
                told = f"{told} It cannot be attested until that is mended ({', '.join(blocks)})."
            found.append(Finding(str(one["issueCode"])[:100], told[:LONGEST]))
    return found


def _told(reply: Reply) -> bool:
    return reply.status < 429 and reply.status != 408


def _why(reply: Reply) -> str:
    code, message = error_of(reply.body)
    told = f"{code}: {message}" if code else f"status {reply.status}"
    return f"Entra does not tell them ({told[:200]}): lifecycle policies of agents are a preview."
