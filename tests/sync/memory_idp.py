"""A tenant in memory: a test double of our own port, to test the engine's rules and nothing of any vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from scim_bridge.sync.idp.port import (
    ENABLED,
    DesiredAgent,
    IdpError,
    ObjectChange,
    Observed,
    Page,
    SetupStep,
    Target,
    Wanted,
)


class MemoryIdp:
    """Objects by remote id. What a test sets: `broken` slugs, `lost` answers, `stale` listing, `cut` listing."""

    kind = "memory"

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.frozen: dict[str, str] = {}
        self.ready = False
        self.made = 0
        self.prepared = 0
        self.calls: list[tuple[str, str]] = []
        self.broken: dict[str, IdpError] = {}
        self.lost = 0
        self.throttled = 0
        self.hidden: set[str] = set()
        self.cut = False
        self.closed = False

    def seen(self, remote_id: str) -> Observed:
        kept = self.objects[remote_id]
        attributes = {k: v for k, v in kept.items() if k != "mark"}
        return Observed(
            remote_id, kept.get("mark", ""), kept["login"], attributes, self.frozen.get(remote_id, "")
        )

    async def missing(self) -> tuple[SetupStep, ...]:
        return () if self.ready else (SetupStep("type", "agent"),)

    async def make_ready(self) -> None:
        self.ready = True
        self.prepared += 1

    async def listing(self) -> AsyncIterator[Page]:
        visible = [self.seen(remote_id) for remote_id in sorted(self.objects) if remote_id not in self.hidden]
        for start in range(0, len(visible), 2):
            yield Page(tuple(visible[start : start + 2]), False)
        if not self.cut:
            yield Page((), True)

    async def targets(self) -> dict[str, Target]:
        return {name: Target(name) for name in ("login", "purpose", "owner", "attestation", "hobby")}

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        return {agent.agent_id: self._wanted(agent) for agent in agents}

    def _wanted(self, agent: DesiredAgent) -> Wanted:
        if agent.deleted:
            return Wanted({ENABLED: False, "retired": True})
        owner = agent.owner.user_name if agent.owner is not None else None
        return Wanted(
            {
                "login": agent.user_name,
                "purpose": agent.purpose or None,
                "owner": owner,
                "attestation": agent.attestation.state,
                ENABLED: agent.enabled,
            },
            (agent.user_name,),
            () if owner else (f"{agent.slug} has no owner there",),
        )

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        self.calls.append(("observe", agent.slug))
        if remote_id is not None and remote_id in self.objects:
            return self.seen(remote_id)
        for found in sorted(self.objects):
            if self.objects[found].get("mark") == agent.agent_id:
                return self.seen(found)
        for found in sorted(self.objects):
            kept = self.objects[found]
            if kept["login"].casefold() == agent.user_name.casefold() and not kept.get("mark"):
                return self.seen(found)
        return None

    async def write(self, change: ObjectChange) -> str:
        self.calls.append((change.action, change.slug))
        if change.slug in self.broken:
            raise self.broken[change.slug]
        if self.throttled:
            self.throttled -= 1
            raise IdpError("memory-429", "too many requests", transient=True, retry_after=7)
        remote_id = change.remote_id or next(
            (found for found, kept in self.objects.items() if kept.get("mark") == change.agent_id), None
        )
        if remote_id is None:
            self.made += 1
            remote_id = f"r{self.made:03d}"
            self.objects[remote_id] = {"mark": change.agent_id}
        self.objects[remote_id] |= {"mark": change.agent_id, **change.after}
        if self.lost:
            self.lost -= 1
            raise IdpError("memory-lost", "the answer was lost", transient=True)
        return remote_id

    async def close(self) -> None:
        self.closed = True

    @property
    def writes(self) -> list[tuple[str, str]]:
        """The writes that were tried."""
        return [call for call in self.calls if call[0] != "observe"]
