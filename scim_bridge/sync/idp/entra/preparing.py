"""What a tenant needs before agents can be written: a blueprint, its principal, the attribute set."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from scim_bridge.kernel.context import Context
from scim_bridge.registry.agents import agent_ids
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.sync.idp.entra.calls import absent, literal, made_before
from scim_bridge.sync.idp.entra.defining import Defining
from scim_bridge.sync.idp.entra.graph import Graph, settled
from scim_bridge.sync.idp.entra.options import GUID, Options
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.port import IdpError, SetupStep

PRINCIPALS = "/servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal"

DISPLAY_NAME = "AI agents (scim-bridge)"
DESCRIPTION = "Agents kept in step by scim-bridge; each agent identity below it is one agent."
# How many agents' people are asked when nobody is named to sponsor the blueprint.
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The blueprint all agents of this connection are under."""

    app_id: str
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
        self._blueprint: Blueprint | None = None

    async def blueprint(self) -> Blueprint:
        """The blueprint, once it exists; IdpError before."""
        found = await self.known()
        if found is None:
            raise IdpError(
                "entra-blueprint",
                f"The tenant has no blueprint {self._options.blueprint!r} yet.",
                "Run sync apply: it prepares the tenant.",
                transient=False,
            )
        return found

    async def known(self) -> Blueprint | None:
        """The blueprint when the tenant has it."""
        if self._blueprint is None:
            self._blueprint = await self._find_blueprint()
        return self._blueprint

    async def missing(self) -> tuple[SetupStep, ...]:
        """What the tenant lacks."""
        found = await self._find_blueprint()
        self._blueprint = found
        steps = []
        if found is None:
            steps.append(SetupStep("blueprint", self._options.blueprint))
        if found is None or not await self._has_principal(found.app_id):
            steps.append(SetupStep("blueprint principal", self._options.blueprint))
        return (*steps, *await self._defining.missing())

    async def make_ready(self) -> None:
        """Make what is missing; twice changes nothing."""
        found = await self._find_blueprint() or await self._make_blueprint()
        if not await self._has_principal(found.app_id):
            await settled(lambda: self._make_principal(found.app_id), lambda error: error.transient)
        self._blueprint = found
        await self._defining.make_ready()

    async def _find_blueprint(self) -> Blueprint | None:
        name = self._options.blueprint
        key = "appId" if GUID.fullmatch(name) else "uniqueName"
        value = quote(literal(name), safe="'")
        path = f"/applications({key}={value})/microsoft.graph.agentIdentityBlueprint"
        reply = await self._graph.call("look for the blueprint", "GET", path, expect=absent)
        if not reply.ok:
            return None
        return Blueprint(str(reply.body["appId"]), tuple(reply.body.get("tags") or ()))

    async def _make_blueprint(self) -> Blueprint:
        if GUID.fullmatch(self._options.blueprint):
            raise IdpError(
                "entra-blueprint",
                f"The tenant has no blueprint with the appId {self._options.blueprint}.",
                "Set `blueprint` to an existing one, or to a name under which it is made.",
                transient=False,
            )
        sponsor = await self._sponsor()
        body = {
            "@odata.type": "Microsoft.Graph.AgentIdentityBlueprint",
            "displayName": DISPLAY_NAME,
            "description": DESCRIPTION,
            "uniqueName": self._options.blueprint,
            "tags": ["scim-bridge"],
            "sponsors@odata.bind": [f"{self._graph.base_url}/v1.0/users/{sponsor}"],
        }
        reply = await self._graph.call(
            "make the blueprint", "POST", "/applications", body, expect=made_before
        )
        if reply.ok:
            return Blueprint(str(reply.body["appId"]), tuple(reply.body.get("tags") or ()))
        found = await self._find_blueprint()
        if found is None:
            raise IdpError(
                "entra-blueprint",
                f"The uniqueName {self._options.blueprint!r} is taken, and Entra shows no blueprint under it.",
                "Try again in a minute; if it stays so, set `blueprint` to another name.",
                transient=False,
            )
        return found

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
