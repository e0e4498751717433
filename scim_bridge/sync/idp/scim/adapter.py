"""A SCIM server behind the port: opened with a connection's settings and secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.port import (
    ENABLED,
    GONE,
    DesiredAgent,
    ObjectChange,
    Observed,
    Page,
    SetupStep,
    Target,
    Wanted,
)
from scim_bridge.sync.idp.scim.finding import Finding
from scim_bridge.sync.idp.scim.kept import Memory
from scim_bridge.sync.idp.scim.options import DELETE, Options, options_of
from scim_bridge.sync.idp.scim.paths import Doc
from scim_bridge.sync.idp.scim.service import Services
from scim_bridge.sync.idp.scim.session import Session
from scim_bridge.sync.idp.scim.targets import targets_of
from scim_bridge.sync.idp.scim.tokens import Tokens
from scim_bridge.sync.idp.scim.vocabulary import (
    LOGIN,
    MARK,
    REMOVED,
    TYPE,
    is_agent,
    marked,
    observed,
    wanted_attributes,
)
from scim_bridge.sync.idp.scim.writing import Writing


def open_scim(connection: Connection, secrets: Mapping[str, Any], ctx: Context) -> ScimIdp:
    """The server of a connection; Refused names a setting or secret that is wrong. Nothing is sent yet.

    Settings: base_url, token_url, ca_file, retire. Secrets: token (or a whole Authorization value), or
    client_id, client_secret and scopes.
    """
    options = options_of(connection.name, connection.settings, secrets)
    outbound = ctx.outbound
    if options.ca_file:
        try:
            outbound = ctx.outbound.trusting(options.ca_file)
        except OSError as error:
            raise Refused(
                "scim-setting",
                f"ca_file {options.ca_file} holds no certificates that can be read.",
                "Give a PEM file.",
            ) from error
    return ScimIdp(ctx, connection.id, options, outbound)


class ScimIdp:
    """One SCIM server. See `port.Idp` for the promises."""

    kind = "generic"

    def __init__(self, ctx: Context, connection_id: str, options: Options, outbound: Outbound) -> None:
        self._own = outbound if outbound is not ctx.outbound else None
        self._options = options
        self._session = Session(options.base_url, Tokens(options, outbound), outbound)
        self._services = Services(self._session)
        self._finding = Finding(self._session, self._services)
        self._memory = Memory(ctx, connection_id)
        self._writing = Writing(self._session, self._services, self._finding, self._memory)

    async def missing(self) -> tuple[SetupStep, ...]:
        """Nothing: a SCIM server is taken as it is. What it can do is asked anew."""
        await self._services.known(fresh=True)
        return ()

    async def make_ready(self) -> None:
        """Nothing to make."""

    async def listing(self) -> AsyncIterator[Page]:
        """Every user that is an agent or carries our mark; everybody where the server keeps neither."""
        kept = await self._memory.everything()
        lost = {name for one in kept.values() for name, (_sent, made) in one.items() if made is None}
        async for users, last in self._finding.pages(agents_only=TYPE not in lost):
            concerning = [user for user in users if is_agent(user) or lost & {TYPE, MARK}]
            service = await self._services.known()
            seen = (observed(user, service, kept.get(str(user["id"]), {})) for user in concerning)
            # Of everybody, those without our mark may be people.
            yield Page(tuple(seen), last, kindred=not lost & {TYPE, MARK})

    async def targets(self) -> Mapping[str, Target]:
        """The attributes its schema of users has."""
        return targets_of(await self._services.known())

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What the server should say of these agents; owners are looked up by userName."""
        service = await self._services.known()
        logins = [a.owner.user_name for a in agents if a.owner is not None and not a.deleted]
        ids = await self._finding.people(logins)
        found = {}
        for agent in agents:
            if agent.deleted:
                gone = {REMOVED: GONE} if self._options.retire == DELETE else {}
                found[agent.agent_id] = Wanted({ENABLED: False, **gone})
                continue
            owner = agent.owner
            owner_id = None if owner is None else ids[owner.user_name]
            notes: tuple[str, ...] = ()
            if owner is not None and owner_id is None:
                notes = (
                    f"{agent.slug}: its owner {owner.user_name} is no user there, so it has no manager.",
                )
            attributes = wanted_attributes(agent, owner_id, service)
            found[agent.agent_id] = Wanted(attributes, (agent.user_name,), notes)
        return found

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """The agent's user: by id, whatever mark it carries by now, else by our mark, else by userName and unmarked."""
        if remote_id is not None:
            there = await self._session.read(f"read the user of {agent.slug}", remote_id)
            if there is not None:
                return await self._seen(there)
        found = await self._finding.found(MARK, agent.agent_id)
        if not found and not agent.deleted:
            named = await self._finding.found(LOGIN, agent.user_name)
            found = [user for user in named if not marked(user)]
        if not found:
            return None
        there = await self._session.read(f"read the user of {agent.slug}", min(str(u["id"]) for u in found))
        return None if there is None else await self._seen(there)

    async def _seen(self, user: Doc) -> Observed:
        return observed(user, await self._services.known(), await self._memory.of(str(user["id"])))

    async def write(self, change: ObjectChange) -> str:
        """Make one user as wanted; its id."""
        return await self._writing.write(change)

    async def close(self) -> None:
        """Close what was opened for this server alone."""
        if self._own is not None:
            await self._own.aclose()
