"""Okta for AI Agents behind the port: agents as workload principals, owners by Identity Governance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from scim_bridge.sync.idp.explaining import Origin
from scim_bridge.sync.idp.okta.agent_words import (
    DESCRIPTION,
    ID_PREFIX,
    NAME,
    OFF,
    ON,
    OWNERS,
    name_of,
    observed_agent,
    wanted_agent,
)
from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.features import AI_AGENTS, Features
from scim_bridge.sync.idp.okta.features import OWNERS as OWNERS_FEATURE
from scim_bridge.sync.idp.okta.keeper import OktaKeeper
from scim_bridge.sync.idp.okta.news import OktaNews
from scim_bridge.sync.idp.okta.options import Options
from scim_bridge.sync.idp.okta.owners import MOST
from scim_bridge.sync.idp.okta.owners import Owners as ResourceOwners
from scim_bridge.sync.idp.okta.people import People
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.telling import Telling
from scim_bridge.sync.idp.okta.vocabulary import RETIRED
from scim_bridge.sync.idp.okta.workloads import Agent, Workloads
from scim_bridge.sync.idp.port import (
    CREATE,
    ENABLED,
    GONE,
    RETIRE,
    DesiredAgent,
    Feature,
    IdpError,
    ObjectChange,
    Observed,
    Page,
    SetupStep,
    Target,
    Wanted,
)

FIXED = "an AI agent's name, description and owners are how the bridge knows it"
REGISTERED = "workload_principal.register"


class AiAgentsIdp(Telling):
    """One Okta org whose agents are AI agents. Nothing of the org has to be prepared."""

    kind = "okta"

    def __init__(self, session: Session, options: Options, features: Features | None = None) -> None:
        self._session = session
        self._features = features or Features(session)
        self._options = options
        self._people = People(session)
        self.news = OktaNews(session, self._people)
        self.keeper = OktaKeeper(session, self._features)
        self._workloads = Workloads(session)
        self._owners = ResourceOwners(session)

    def meaning(self) -> Mapping[str, str]:
        """Nothing reads back as ours: the name may carry the slug, the description carries our mark."""
        return {}

    async def origin(self, observed: Observed) -> Origin:
        """Who registered the AI agent, and who owns it there."""
        owner = ""
        for key in observed.attributes.get(OWNERS) or ():
            person = await self._people.user(str(key))
            owner = owner or ("" if person is None else str(person["profile"]["login"]))
        return await self.created(observed.remote_id, REGISTERED, owner)

    async def features(self) -> tuple[Feature, ...]:
        """What of the org this app can use."""
        return await self._features.all()

    async def missing(self) -> tuple[SetupStep, ...]:
        """Nothing can be missing but the feature itself: IdpError with the reason then."""
        feature = await self._features.one(AI_AGENTS)
        if not feature.usable:
            raise IdpError(
                "okta-ai-agents",
                f"Agents cannot be AI agents of this org: {feature.reason}.",
                "Set agents_as=users on the connection, or auto.",
                transient=False,
            )
        return ()

    async def make_ready(self) -> None:
        """Nothing to do."""

    async def listing(self) -> AsyncIterator[Page]:
        """Every AI agent of the org; those that are not ours carry no mark."""
        owners = await self._owners.listed() if await self._owned() else None
        async for agents, last in self._workloads.listing():
            yield Page(tuple(self._seen(agent, owners) for agent in agents), last)

    @staticmethod
    def _seen(agent: Agent, owners: dict[str, list[str]] | None) -> Observed:
        return observed_agent(agent, None if owners is None else owners.get(str(agent["id"]), []))

    async def _owned(self) -> bool:
        return (await self._features.one(OWNERS_FEATURE)).usable

    async def targets(self) -> Mapping[str, Target]:
        """An AI agent has nothing that a mapping could set: each attribute has a meaning of its own."""
        return {name: Target(name, fixed=FIXED) for name in (NAME, DESCRIPTION, OWNERS)}

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What Okta should say of these agents; owners and co-owners are looked up by login."""
        feature = await self._features.one(OWNERS_FEATURE)
        logins = [login for agent in agents if not agent.deleted for login in _answerable(agent)]
        ids = await self._people.ids(logins) if feature.usable else {}
        return {agent.agent_id: self._one_wanted(agent, ids, feature) for agent in agents}

    def _one_wanted(self, agent: DesiredAgent, ids: dict[str, str | None], feature: Feature) -> Wanted:
        delete = self._options.delete_retired
        if agent.deleted:
            return Wanted(wanted_agent(agent, None, delete=delete))
        if not feature.usable:
            note = f"Owners of AI agents are not set: {feature.reason}."
            return Wanted(wanted_agent(agent, None, delete=delete), notes=(note,))
        notes = [
            f"{agent.slug}: {login} has no account in Okta, so it is no owner there."
            for login in _answerable(agent)
            if ids.get(login) is None
        ]
        known = list(dict.fromkeys(str(ids[login]) for login in _answerable(agent) if ids.get(login)))
        if len(known) > MOST:
            notes.append(f"{agent.slug}: Okta takes {MOST} owners, the rest of {len(known)} is left out.")
        if agent.enabled and not known:
            notes.append(f"{agent.slug} has no owner in Okta, which activates no AI agent without one.")
        return Wanted(wanted_agent(agent, known[:MOST], delete=delete), notes=tuple(notes))

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """The AI agent of an agent: by id, else by its name with our mark."""
        found = None
        if remote_id is not None and remote_id.startswith(ID_PREFIX):
            found = await self._workloads.agent(remote_id)
        if found is None and not agent.deleted:
            found = await self._ours(name_of(agent), agent.agent_id)
        if found is None:
            return None
        owners = await self._owners.of(str(found["id"])) if await self._owned() else None
        return observed_agent(found, owners)

    async def _ours(self, name: str, agent_id: str) -> Agent | None:
        found = await self._workloads.named(name)
        return found if found is not None and observed_agent(found, None).agent_id == agent_id else None

    async def write(self, change: ObjectChange) -> str:
        """Make one AI agent as wanted, a stop first and a start last; its id."""
        if change.action == CREATE:
            key = await self._create(change)
            await self._say(key, change.wanted)
            if change.wanted.get(ENABLED) is True:
                await self._start(key)
            return key
        if not change.remote_id:
            raise IdpError(
                "okta-no-id", "A change without an AI agent's id cannot be written.", transient=False
            )
        key = change.remote_id
        if change.action == RETIRE or change.after.get(ENABLED) is False:
            await self._stop(key)
        if change.action == RETIRE:
            if change.after.get(RETIRED) == GONE:
                await self._workloads.delete(key)
            return key
        profile = {name: change.after[name] for name in (NAME, DESCRIPTION) if name in change.after}
        if profile:
            await self._workloads.patch(key, profile)
        await self._say(key, change.after)
        if change.after.get(ENABLED) is True:
            await self._start(key)
        return key

    async def _create(self, change: ObjectChange) -> str:
        """Register it, or go on with what an attempt registered whose answer was lost."""
        name = str(change.wanted[NAME])
        if (found := await self._ours(name, change.agent_id)) is None:
            try:
                return await self._workloads.register(name, change.wanted[DESCRIPTION])
            except OktaRefusal as error:
                if not error.taken:
                    raise
                if (found := await self._ours(name, change.agent_id)) is None:
                    raise await self._name_is_taken(name) from error
        return str(found["id"])

    async def _name_is_taken(self, name: str) -> IdpError:
        if await self._workloads.named(name) is None:
            # An operation of ours may be under way that nothing shows yet.
            return IdpError(
                "okta-operation", f"Okta is still registering {name}.", transient=True, retry_after=5
            )
        return IdpError(
            "okta-name-taken",
            f"Okta has an AI agent {name} that is not this agent.",
            "Rename one of the two.",
            transient=False,
        )

    async def _say(self, key: str, said: Any) -> None:
        if OWNERS in said:
            await self._owners.replace(key, said[OWNERS] or [])

    async def _start(self, key: str) -> None:
        found = await self._workloads.agent(key)
        if found is not None and found["status"] != ON:
            await self._workloads.activate(key)

    async def _stop(self, key: str) -> None:
        found = await self._workloads.agent(key)
        if found is not None and found["status"] not in (OFF, "STAGED"):
            await self._workloads.deactivate(key)

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()


def _answerable(agent: DesiredAgent) -> list[str]:
    """Logins of those who answer for an agent, the owner first."""
    people = [agent.owner, *agent.co_owners] if agent.owner is not None else list(agent.co_owners)
    return [person.user_name for person in people if person is not None]
