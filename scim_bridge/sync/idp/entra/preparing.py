"""What a tenant needs before agents can be written: blueprints, their principals, the attribute set."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import quote

from scim_bridge.kernel.context import Context
from scim_bridge.registry.agent_facts import agent_ids
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.sync.idp.entra.calls import Reply, absent, held, listed_in, literal, made_before
from scim_bridge.sync.idp.entra.defining import Defining
from scim_bridge.sync.idp.entra.graph import Graph, settled
from scim_bridge.sync.idp.entra.options import GUID, Options
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.entra.refusals import FIXES
from scim_bridge.sync.idp.port import IdpError, SetupStep

IDENTITY = "microsoft.graph.agentIdentity"
PRINCIPALS = "/servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal"

DISPLAY_NAME = "AI agents (scim-bridge)"
DESCRIPTION = "Agents kept in step by scim-bridge; each agent identity below it is one agent."
# How many agents' people are asked when nobody is named to sponsor the blueprint.
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A blueprint agents of this connection are under."""

    app_id: str
    name: str
    tags: tuple[str, ...]


class Preparing:
    """Looks for what a tenant needs, and makes it."""

    def __init__(
        self, ctx: Context, options: Options, graph: Graph, people: People, defining: Defining
    ) -> None:
        self._ctx = ctx
        self._options = options
        self._graph = graph
        self._people = people
        self._defining = defining
        self._family: tuple[Blueprint, ...] = ()
        self._growing = asyncio.Lock()

    async def blueprint(self) -> Blueprint:
        """The blueprint new agents are made under, once it exists; IdpError before."""
        found = await self.family()
        if not found:
            raise IdpError(
                "entra-blueprint",
                f"The tenant has no blueprint {self._options.blueprint!r} yet.",
                "Run sync apply: it prepares the tenant.",
                transient=False,
            )
        return found[-1]

    async def family(self) -> tuple[Blueprint, ...]:
        """The blueprints agents of this connection are under, the one with room last; none before it is prepared.

        Microsoft lets a blueprint hold 250 agent identities, deleted ones counted for thirty days. So the
        uniqueName of the settings is the first one's; those after it are NAME-2, NAME-3 and so on.
        """
        if not self._family:
            self._family = await self._find_family()
        return self._family

    async def another(self, full: Blueprint) -> Blueprint:
        """The blueprint after one that turned out to be full, made when there is none; twice makes one.

        IdpError when the settings name a blueprint by its appId: others are not for us to make then.
        """
        if GUID.fullmatch(self._options.blueprint):
            raise IdpError(
                "entra-refused",
                f"AgentIdentity_LimitExceeded: the blueprint {full.app_id} holds no more agent identities.",
                FIXES["AgentIdentity_LimitExceeded"],
                transient=False,
            )
        async with self._growing:
            family = await self.family()
            if family[-1] != full:
                return family[-1]
            name = f"{self._options.blueprint}-{len(family) + 1}"
            made = await self._find(name) or await self._make(name)
            await self._with_principal(made)
            self._family = (*family, made)
            return made

    async def above(self, remote_id: str) -> str:
        """The appId of the blueprint an agent identity is under."""
        family = await self.family()
        if len(family) == 1:
            return family[0].app_id
        path, query = f"/servicePrincipals/{remote_id}/{IDENTITY}", {"$select": "id,agentIdentityBlueprintId"}
        what = "read the agent identity's blueprint"
        reply = await self._graph.call(what, "GET", path, query=query)
        return str(held(what, reply, "agentIdentityBlueprintId")["agentIdentityBlueprintId"])

    async def missing(self) -> tuple[SetupStep, ...]:
        """What the tenant lacks."""
        self._family = await self._find_family()
        name, steps = self._options.blueprint, []
        if not self._family:
            steps.append(SetupStep("blueprint", name))
        if not self._family or not await self._has_principal(self._family[-1].app_id):
            steps.append(SetupStep("blueprint principal", self._family[-1].name if self._family else name))
        return (*steps, *await self._defining.missing())

    async def make_ready(self) -> None:
        """Make what is missing; twice changes nothing."""
        found = await self._find_family() or (await self._make(self._options.blueprint),)
        await self._with_principal(found[-1])
        self._family = found
        await self._defining.make_ready()

    async def _find_family(self) -> tuple[Blueprint, ...]:
        name = self._options.blueprint
        found: list[Blueprint] = []
        while (one := await self._find(f"{name}-{len(found) + 1}" if found else name)) is not None:
            found.append(one)
            if GUID.fullmatch(name):
                break
        return tuple(found)

    async def _find(self, name: str) -> Blueprint | None:
        key = "appId" if GUID.fullmatch(name) else "uniqueName"
        value = quote(literal(name), safe="'")
        path = f"/applications({key}={value})/microsoft.graph.agentIdentityBlueprint"
        what = "look for the blueprint"
        reply = await self._graph.call(what, "GET", path, expect=absent)
        return _blueprint(name, what, reply) if reply.ok else None

    async def _make(self, name: str) -> Blueprint:
        if GUID.fullmatch(name):
            raise IdpError(
                "entra-blueprint",
                f"The tenant has no blueprint with the appId {name}.",
                "Set `blueprint` to an existing one, or to a name under which it is made.",
                transient=False,
            )
        sponsor = await self._sponsor()
        body = {
            "@odata.type": "Microsoft.Graph.AgentIdentityBlueprint",
            "displayName": DISPLAY_NAME + name.removeprefix(self._options.blueprint).replace("-", " "),
            "description": DESCRIPTION,
            "uniqueName": name,
            "tags": ["scim-bridge"],
            "sponsors@odata.bind": [f"{self._graph.base_url}/v1.0/users/{sponsor}"],
        }
        what = "make the blueprint"
        reply = await self._graph.call(what, "POST", "/applications", body, expect=made_before)
        if reply.ok:
            return _blueprint(name, what, reply)
        found = await self._find(name)
        if found is None:
            raise IdpError(
                "entra-blueprint",
                f"The uniqueName {name!r} is taken, and Entra shows no blueprint under it.",
                "Try again in a minute; if it stays so, set `blueprint` to another name.",
                transient=False,
            )
        return found

    async def _with_principal(self, found: Blueprint) -> None:
        if not await self._has_principal(found.app_id):
            await settled(lambda: self._make_principal(found.app_id), lambda error: error.transient)

    async def _has_principal(self, app_id: str) -> bool:
        path = f"/servicePrincipals(appId={literal(app_id)})"
        reply = await self._graph.call("look for the blueprint's principal", "GET", path, expect=absent)
        return reply.ok

    async def _make_principal(self, app_id: str) -> None:
        await self._graph.call(
            "make the blueprint's principal", "POST", PRINCIPALS, {"appId": app_id}, expect=made_before
        )

    async def _sponsor(self) -> str:
        """The id of somebody to sponsor the blueprint: the one the settings name, else an agent's person."""
        if self._options.sponsor:
            return (await self._people.ids([self._options.sponsor]))[self._options.sponsor]
        people = await self._agents_people()
        accounts = await self._people.accounts(people)
        for person in people:
            if person.id in accounts:
                return accounts[person.id].id
        raise IdpError(
            "entra-sponsor",
            "Entra asks for a sponsor of the blueprint, and nobody who answers for an agent has an account there.",
            "Set one: connections configure NAME --set sponsor=<userPrincipalName>.",
            transient=False,
        )

    async def _agents_people(self) -> list[PersonRef]:
        """People who answer for agents: sponsors first, then owners and co-owners; who sponsors most is first."""
        reads = self._ctx.store.reads
        weight: dict[str, int] = {}
        people: dict[str, PersonRef] = {}
        for owners in (await owners_of(reads, await agent_ids(reads, limit=LOOKED_AT))).values():
            owner = (owners.owner,) if owners.owner is not None else ()
            for rank, group in ((100, owners.sponsors), (10, owner), (1, owners.co_owners)):
                for person in group:
                    if person.active:
                        people[person.id] = person
                        weight[person.id] = weight.get(person.id, 0) + rank
        return sorted(people.values(), key=lambda person: (-weight[person.id], person.user_name))


def _blueprint(name: str, what: str, reply: Reply) -> Blueprint:
    body = held(what, reply, "appId")
    return Blueprint(str(body["appId"]), name, tuple(listed_in(body, "tags")))
