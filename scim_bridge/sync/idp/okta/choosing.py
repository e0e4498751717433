"""What agents are in an org, by the setting `agents_as`: users, AI agents, or whichever the org has (auto)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from scim_bridge.sync.idp.explaining import LastChange, Origin
from scim_bridge.sync.idp.okta.adapter import OktaIdp
from scim_bridge.sync.idp.okta.agent_words import ID_PREFIX
from scim_bridge.sync.idp.okta.ai_agents import AiAgentsIdp
from scim_bridge.sync.idp.okta.features import AI_AGENTS, OWNERS, Features
from scim_bridge.sync.idp.okta.keeper import OktaKeeper
from scim_bridge.sync.idp.okta.news import OktaNews
from scim_bridge.sync.idp.okta.options import AI_AGENTS as AS_AI_AGENTS
from scim_bridge.sync.idp.okta.options import AUTO, Options
from scim_bridge.sync.idp.okta.people import People
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.port import (
    DesiredAgent,
    Feature,
    ObjectChange,
    Observed,
    Page,
    SetupStep,
    Target,
    Wanted,
)

AGENTS_AS = "agents as"

Written = Callable[[], Awaitable[str]]
"""Asks for the remote id of any agent that was written to this connection; empty when there is none."""


async def chosen(features: Features, written: Written) -> tuple[bool, str]:
    """Whether agents become AI agents where the setting says auto, and why.

    What was written once stays what it is: moving agents over is a person's decision.
    """
    if known := await written():
        kind = "AI agents" if known.startswith(ID_PREFIX) else "users"
        return known.startswith(ID_PREFIX), f"{kind}, as they were written before"
    ai_agents, owners = await features.one(AI_AGENTS), await features.one(OWNERS)
    if not ai_agents.usable:
        return False, f"users: AI agents cannot be used: {ai_agents.reason}"
    if not owners.usable:
        return False, f"users: without resource owners no AI agent can be activated: {owners.reason}"
    return True, "AI agents: the org has Okta for AI Agents, and owners can be set"


class ChosenIdp:
    """An org whose kind of agent is chosen when it is first asked, and then kept."""

    kind = "okta"

    def __init__(self, session: Session, options: Options, written: Written) -> None:
        self._session = session
        self._options = options
        self._written = written
        self._features = Features(session)
        self._inner: OktaIdp | AiAgentsIdp | None = None
        self._why = ""
        self._lock = asyncio.Lock()
        self.news = OktaNews(session, People(session))
        self.keeper = OktaKeeper(session, self._features)

    def meaning(self) -> Mapping[str, str]:
        """Our names for what reads back as ours; nothing before the kind is chosen."""
        return {} if self._inner is None else self._inner.meaning()

    async def last_change(self, remote_id: str, since: int) -> LastChange:
        """Who changed an object last."""
        return await (await self._idp()).last_change(remote_id, since)

    async def origin(self, observed: Observed) -> Origin:
        """Where an object came from."""
        return await (await self._idp()).origin(observed)

    async def _idp(self) -> OktaIdp | AiAgentsIdp:
        async with self._lock:
            if self._inner is None:
                as_ai_agents, self._why = await chosen(self._features, self._written)
                made = AiAgentsIdp if as_ai_agents else OktaIdp
                self._inner = made(self._session, self._options, self._features)
            return self._inner

    async def features(self) -> tuple[Feature, ...]:
        """What of the org this app can use, and what agents are there, with the reason."""
        idp = await self._idp()
        return (Feature(AGENTS_AS, True, self._why), *await idp.features())

    async def missing(self) -> tuple[SetupStep, ...]:
        """What the org lacks for the kind chosen."""
        return await (await self._idp()).missing()

    async def make_ready(self) -> None:
        """Add what is missing."""
        await (await self._idp()).make_ready()

    async def listing(self) -> AsyncIterator[Page]:
        """Every object that is or may be an agent."""
        async for page in (await self._idp()).listing():
            yield page

    async def targets(self) -> Mapping[str, Target]:
        """What a mapping may set of the kind chosen."""
        return await (await self._idp()).targets()

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What Okta should say of these agents."""
        return await (await self._idp()).wanted(agents)

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """One agent as it is there now."""
        return await (await self._idp()).observe(agent, remote_id)

    async def write(self, change: ObjectChange) -> str:
        """Make one object as wanted."""
        return await (await self._idp()).write(change)

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()


def idp_of(session: Session, options: Options, written: Written) -> OktaIdp | AiAgentsIdp | ChosenIdp:
    """The adapter the setting asks for."""
    if options.agents_as == AUTO:
        return ChosenIdp(session, options, written)
    if options.agents_as == AS_AI_AGENTS:
        return AiAgentsIdp(session, options)
    return OktaIdp(session, options)
