"""Finding out what the app may do in this tenant: the roles in its token, and a read of each kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from scim_bridge.sync.idp.entra.calls import BETA, V1, Reply
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.needs import (
    AGENT_USERS,
    NEEDS,
    asked_of,
    at_domain,
    domain_asked,
    granted,
    judged,
    lacking,
)
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.tokens import Tokens
from scim_bridge.sync.idp.port import Feature

BELIEVED = 10.0
# A process that only pushes never plans: what it found out is asked for again after a quarter of an hour.
AGED = 900.0
# The answer about the domain of agents' accounts, among those about what the app may do.
DOMAIN = "domain"


class Features:
    """What can be used, found out once, and again at each plan."""

    def __init__(self, graph: Graph, tokens: Tokens, options: Options) -> None:
        self._graph = graph
        self._tokens = tokens
        self._options = options
        self._known: dict[str, Feature] = {}
        self._roles: frozenset[str] | None = None
        self._lock = asyncio.Lock()
        self._looked = 0.0

    @property
    def fresh(self) -> bool:
        """True when they were found out a moment ago: a plan asks more than once."""
        return bool(self._known) and time.monotonic() - self._looked < BELIEVED

    @property
    def aged(self) -> bool:
        """True when they never were found out, or long ago."""
        return not self._known or time.monotonic() - self._looked > AGED

    async def look(self) -> tuple[Feature, ...]:
        """Ask the tenant, two calls for everything; IdpError when there is no token or no answer at all."""
        async with self._lock:
            return await self._look()

    async def _look(self) -> tuple[Feature, ...]:
        self._roles = granted(await self._tokens.token())
        if any(lacking(need, self._options, self._roles) for need in NEEDS):
            # A token says what was granted when it was issued: consent given since shows in the next one.
            self._roles = granted(await self._tokens.token(fresh=True))
        replies = {**await self._probed(V1), **await self._probed(BETA)}
        found = tuple(judged(need, self._options, self._roles, replies.get(need.name)) for need in NEEDS)
        known = {one.name: one for one in found}
        if DOMAIN in replies:
            known[AGENT_USERS] = at_domain(known[AGENT_USERS], self._options, replies[DOMAIN])
        self._known = known
        self._looked = time.monotonic()
        return self.known

    @property
    def known(self) -> tuple[Feature, ...]:
        """Every feature as it was last found."""
        return tuple(self._known.values())

    async def _probed(self, version: str) -> Mapping[str, Reply]:
        needs = asked_of(NEEDS, self._options, version)
        if not needs:
            return {}
        gets = [need.probe for need in needs if need.probe is not None]
        domains = domain_asked(self._options) if version == V1 else []
        names = [*(need.name for need in needs), *(DOMAIN for _ in domains)]
        asked = [*gets, *domains]
        replies = await self._graph.reads("look what the app may do", asked, takes=_told, version=version)
        return dict(zip(names, replies, strict=True))

    async def of(self, name: str) -> Feature:
        """One feature, as it was last found; asked for when it never was."""
        if not self._known:
            async with self._lock:
                if not self._known:
                    await self._look()
        return self._known[name]

    async def usable(self, name: str) -> bool:
        """Whether one thing can be done."""
        return (await self.of(name)).usable

    async def may(self, role: str) -> bool:
        """Whether the token has an app role; True when it does not say."""
        await self.of(NEEDS[0].name)
        return self._roles is None or role in self._roles

    async def without(self, name: str, reason: str) -> None:
        """Something else than a permission keeps a feature from being used: say so, too."""
        if await self.usable(name):
            self._known[name] = Feature(name, False, reason)


def _told(reply: Reply) -> bool:
    """An answer that says something of permissions: too many calls, or an outage, do not."""
    return reply.status < 429 and reply.status != 408
