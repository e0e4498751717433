"""Entra behind the port: opens a tenant's Graph and puts reading, setup and writing together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import PersonRef
from scim_bridge.sync.groups import chosen_groups, managed_groups
from scim_bridge.sync.idp.entra.agent_users import AgentUsers
from scim_bridge.sync.idp.entra.app_roles import AppRoles
from scim_bridge.sync.idp.entra.compliance import Compliance
from scim_bridge.sync.idp.entra.credentials import ManagedIdentity, credential_of
from scim_bridge.sync.idp.entra.defining import Defining
from scim_bridge.sync.idp.entra.featuring import Features
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.groups import Groups
from scim_bridge.sync.idp.entra.keeper import EntraKeeper
from scim_bridge.sync.idp.entra.model import Accounts, wanted_of
from scim_bridge.sync.idp.entra.needs import ATTRIBUTES, CREATES, PEOPLE, SWITCH
from scim_bridge.sync.idp.entra.news import EntraNews
from scim_bridge.sync.idp.entra.options import Options, options_of
from scim_bridge.sync.idp.entra.pace import Pace
from scim_bridge.sync.idp.entra.part import Part
from scim_bridge.sync.idp.entra.parts import Parts
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.entra.preparing import Preparing
from scim_bridge.sync.idp.entra.proofs import identity_hosts
from scim_bridge.sync.idp.entra.reading import Reading
from scim_bridge.sync.idp.entra.registrations import Registrations
from scim_bridge.sync.idp.entra.targets import Targets
from scim_bridge.sync.idp.entra.telling import Telling
from scim_bridge.sync.idp.entra.tokens import Tokens
from scim_bridge.sync.idp.entra.writing import Writing
from scim_bridge.sync.idp.port import (
    DesiredAgent,
    Feature,
    Idp,
    ObjectChange,
    Observed,
    Page,
    SetupStep,
    Target,
    Wanted,
)


class EntraIdp(Telling):
    """One Entra tenant. See `port.Idp` for the promises."""

    kind = "entra"

    def __init__(
        self,
        ctx: Context,
        connection: Connection,
        options: Options,
        tokens: Tokens,
        outbound: Outbound,
        near: Outbound | None = None,
    ) -> None:
        self._options = options
        self._own = [one for one in (outbound, near) if one is not None and one is not ctx.outbound]
        graph = self._graph = Graph(options.graph_url, tokens, outbound, Pace(reserve=options.reserve))
        self._features = Features(graph, tokens, options)
        self._defining = Defining(graph, options, self._features)
        self.news = EntraNews(graph)
        self.keeper = EntraKeeper(graph)
        self._people = People(graph, ctx.store.clock.now)
        self._targets = Targets(graph, options.attribute_set)
        self._preparing = Preparing(ctx, options, graph, self._people, self._defining)
        self._parts = Parts(self._features, self._asked_for(graph, ctx, connection))
        self._compliance = Compliance(graph, self._features, ctx.store, connection.id)
        self._reading = Reading(graph, options, self._features, self._parts, self._compliance)
        self._writing = Writing(graph, options, self._preparing, self._reading, self._people, self._parts)

    def _asked_for(self, graph: Graph, ctx: Context, connection: Connection) -> list[Part]:
        """The parts that the settings ask for."""
        options = self._options
        parts: list[Part] = []
        if options.agent_users:
            parts.append(AgentUsers(graph, options.agent_users))
        if options.push_groups:
            chosen = chosen_groups(connection.settings)
            reads = ctx.store.reads
            parts.append(
                Groups(graph, lambda: managed_groups(reads, connection), chosen, create=options.create_groups)
            )
        if options.app_roles:
            parts.append(AppRoles(graph, options.app_roles))
        if options.agent_registry:
            client_id, now = options.client_id, ctx.store.clock.now
            parts.append(Registrations(graph, self._people, self._preparing, client_id, now))
        return parts

    async def features(self) -> tuple[Feature, ...]:
        """What the app may do in this tenant, by the roles in its token and by reading; asked for now."""
        if not self._features.fresh:
            await self._features.look()
            await self._defining.missing()
        return self._features.known

    async def missing(self) -> tuple[SetupStep, ...]:
        """What the tenant lacks; first, what the app may do there."""
        await self._features.look()
        return await self._preparing.missing()

    async def make_ready(self) -> None:
        """Make the blueprint, its principal and the attribute set."""
        await self._preparing.make_ready()

    async def listing(self) -> AsyncIterator[Page]:
        """Every agent identity that is ours or may become ours."""
        async for page in self._reading.listing(await self._preparing.family()):
            yield page

    async def targets(self) -> Mapping[str, Target]:
        """The name and every custom security attribute the tenant defines."""
        return await self._targets.known()

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What these agents should look like; their people are looked up together."""
        await self._keep_up()
        accounts = await self._accounts(agents)
        known = self._options.attribute_set if await self._features.usable(ATTRIBUTES) else ""
        found = {}
        for agent in agents:
            wanted = wanted_of(agent, accounts, known, deletes=self._options.deletes)
            more, notes = await self._parts.wanted(agent)
            notes += self._compliance.notes(agent.agent_id, agent.slug)
            found[agent.agent_id] = replace(
                wanted,
                attributes={**wanted.attributes, **more},
                notes=(*wanted.notes, *await self._cannot(), *notes),
            )
        return found

    async def _keep_up(self) -> None:
        """Where nobody plans, only pushes, find out again from time to time what the app may do."""
        if self._features.aged:
            await self._features.look()
            if await self._defining.missing():
                why = "The attribute set is not complete: facts about agents are not written. sync apply completes it."
                await self._features.without(ATTRIBUTES, why)

    async def _accounts(self, agents: Sequence[DesiredAgent]) -> Accounts | None:
        if not await self._features.usable(PEOPLE):
            return None
        people: dict[str, PersonRef] = {}
        for agent in agents:
            for person in (agent.owner, *agent.co_owners, *agent.sponsors):
                if person is not None and person.active:
                    people[person.id] = person
        return await self._people.accounts(people.values())

    async def _cannot(self) -> list[str]:
        """What every plan says as long as the app may not do all it was made for."""
        found = [await self._features.of(name) for name in (CREATES, SWITCH, PEOPLE, ATTRIBUTES)]
        return [f"{one.name}: {one.reason}" for one in found if not one.usable]

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """One agent as it is now."""
        return await self._reading.observe(agent, remote_id)

    async def write(self, change: ObjectChange) -> str:
        """Make one agent identity as wanted; its id."""
        return await self._writing.write(change)

    async def close(self) -> None:
        """Close what was opened for this tenant alone."""
        for one in self._own:
            await one.aclose()


def open_entra(connection: Connection, secrets: Mapping[str, Any], ctx: Context) -> Idp:
    """The tenant of a connection; nothing is sent yet. Refused names a setting or secret that is wrong.

    Settings: tenant_id; authority and graph_url for national clouds; ca_file, blueprint, attribute_set,
    sponsor, imds_url. Secrets: client_id with client_secret, with private_key and certificate (PEM), with
    assertion_file or assertion_url; or managed_identity, alone or as the proof of client_id.
    """
    options = options_of(connection.settings, secrets)
    credential = credential_of(secrets)
    outbound = ctx.outbound
    if options.ca_file:
        try:
            outbound = ctx.outbound.trusting(options.ca_file)
        except OSError as error:
            raise Refused(
                "entra-setting",
                f"The setting ca_file cannot be used: {options.ca_file} ({error.strerror or 'no certificates'}).",
                "Name a PEM file with the authority's certificate.",
            ) from error
    near = None
    if isinstance(credential, ManagedIdentity):
        near = outbound.reaching(identity_hosts(options.imds_url))
    return EntraIdp(ctx, connection, options, Tokens(options, credential, outbound, near), outbound, near)
