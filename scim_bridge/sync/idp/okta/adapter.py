"""Okta as the port asks for it: one org, opened with a connection's settings and secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from scim_bridge.sync.idp.okta.features import Features
from scim_bridge.sync.idp.okta.keeper import OktaKeeper
from scim_bridge.sync.idp.okta.links import Links
from scim_bridge.sync.idp.okta.members import Members
from scim_bridge.sync.idp.okta.news import OktaNews
from scim_bridge.sync.idp.okta.options import Options
from scim_bridge.sync.idp.okta.patience import pages
from scim_bridge.sync.idp.okta.people import FEW, People
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.targets import targets_in
from scim_bridge.sync.idp.okta.telling import Telling
from scim_bridge.sync.idp.okta.tenant import Shape, Tenant, type_id_of
from scim_bridge.sync.idp.okta.vocabulary import (
    MARK,
    STATUSES,
    TYPE_NAME,
    USER_TYPE,
    observed,
    text_literal,
    wanted_attributes,
)
from scim_bridge.sync.idp.okta.write import Writer
from scim_bridge.sync.idp.port import (
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

PAGE = 200


class OktaIdp(Telling):
    """One Okta org behind the port."""

    kind = "okta"

    def __init__(self, session: Session, options: Options, features: Features | None = None) -> None:
        self._session = session
        self._options = options
        self._features = features or Features(session)
        self._tenant = Tenant(session, self._features)
        self._people = People(session)
        self.news = OktaNews(session, self._people)
        self.keeper = OktaKeeper(session, self._features)
        self._links = Links(session)
        self._members = Members(session, self._features, options)
        self._writer = Writer(session, self._tenant, self._people, self._links, self._members, options)

    async def features(self) -> tuple[Feature, ...]:
        """What of the org this app can use."""
        return await self._features.all()

    async def missing(self) -> tuple[SetupStep, ...]:
        """The user type, properties and linked object the org lacks."""
        return (await self._tenant.shape(fresh=True)).missing

    async def make_ready(self) -> None:
        """Add what is missing."""
        await self._tenant.make_ready()

    async def listing(self) -> AsyncIterator[Page]:
        """Every user that is or may be an agent, in whatever status, page by page."""
        shape = await self._tenant.shape()
        found = await self._members.found()
        if shape.typed and not shape.agent_type:
            yield Page((), True)
            return
        query = _agents(shape)
        method = self._session.client.list_users
        of_owner: dict[str, set[str]] = {}
        listed = pages(
            self._session,
            "list agents",
            lambda: self._session.call("list agents", method, limit=PAGE, **query),
        )
        async for users, last in listed:
            for user in users:
                self._people.know(str(user["profile"]["login"]), str(user["id"]))
            owners = await self._owners(users, shape, of_owner)
            yield Page(
                tuple(
                    self._observed(user, shape, owners.get(str(user["id"])), found.of(str(user["id"])))
                    for user in users
                ),
                last,
                kindred=bool(query),
            )

    async def _owners(
        self, users: Sequence[dict[str, Any]], shape: Shape, of_owner: dict[str, set[str]]
    ) -> dict[str, str | None]:
        if not shape.linkable:
            return {}
        logins = [str(user["profile"].get("agentOwnerLogin") or "") for user in users]
        ids = await self._people.ids([login for login in logins if login])
        guesses = {str(u["id"]): ids.get(login) for u, login in zip(users, logins, strict=True)}
        return await self._links.owners_of(guesses, of_owner)

    def _observed(
        self, user: dict[str, Any], shape: Shape, owner: str | None, members: dict[str, Any]
    ) -> Observed:
        return observed(
            user,
            shape.type_name(type_id_of(user)),
            owner,
            members,
            thaws=self._options.stop_by_deactivation,
        )

    async def targets(self) -> Mapping[str, Target]:
        """The properties of the agent type's profile."""
        shape = await self._tenant.shape()
        return targets_in(shape.schema, typed=shape.typed)

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What Okta should say of these agents; owners are looked up by login."""
        live = [agent for agent in agents if not agent.deleted]
        owners = [agent.owner.user_name for agent in live if agent.owner is not None]
        if len(live) > FEW:
            # One search tells which of them exist by login: `observe` then reads only those.
            await self._people.look_up([*(agent.user_name for agent in live), *owners])
        shape = await self._tenant.shape()
        ids = await self._people.ids(owners) if shape.linkable else {}
        return {agent.agent_id: await self._one_wanted(agent, shape, ids) for agent in agents}

    async def _one_wanted(self, agent: DesiredAgent, shape: Shape, ids: dict[str, str | None]) -> Wanted:
        owner = agent.owner
        owner_id = ids.get(owner.user_name) if owner is not None else None
        said = wanted_attributes(agent, owner_id, delete=self._options.delete_retired)
        if agent.deleted:
            return Wanted(said, (agent.user_name,))
        notes = list(shape.lacks)
        if owner is not None and owner_id is None and shape.linkable:
            notes.append(f"{agent.slug}: its owner {owner.user_name} has no account in Okta, so no link.")
        members, more = await self._members.wanted(agent.groups)
        kept = {name: value for name, value in said.items() if shape.keeps(name)}
        return Wanted({**kept, **members}, (agent.user_name,), (*notes, *more))

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """The agent's user: by id, else by login, else by our mark. A user that is another agent is not it."""
        shape = await self._tenant.shape()
        if remote_id is not None:
            user = await self._people.user(remote_id)
            if user is not None:
                return await self._one(user, shape)
        if agent.deleted or self._people.absent(agent.user_name):
            return None
        user = await self._people.user(agent.user_name)
        if user is not None and shape.mark(user) in ("", agent.agent_id):
            return await self._one(user, shape)
        return await self._marked(agent, shape)

    async def _one(self, user: dict[str, Any], shape: Shape) -> Observed:
        user_id = str(user["id"])
        owner = await self._links.owner(user_id) if shape.linked else None
        return self._observed(user, shape, owner, await self._members.of(user_id))

    async def _marked(self, agent: DesiredAgent, shape: Shape) -> Observed | None:
        if MARK not in shape.properties:
            return None
        expression = f"profile.{MARK} eq {text_literal(agent.agent_id)}"
        reply = await self._session.call(
            f"search the agent {agent.slug}", self._session.client.list_users, search=expression, limit=2
        )
        for entry in reply.content:
            user = await self._people.user(str(entry["id"]))
            if user is not None and shape.mark(user) == agent.agent_id:
                return await self._one(user, shape)
        return None

    async def write(self, change: ObjectChange) -> str:
        """Make one user as wanted; its id."""
        shape = await self._tenant.shape()
        if shape.missing:
            # Another replica may have added it since this one looked.
            shape = await self._tenant.shape(fresh=True)
        if shape.missing:
            names = ", ".join(f"{step.kind} {step.name}" for step in shape.missing[:3])
            raise IdpError(
                "okta-not-ready",
                f"The org lacks {names} (needed for users of type {TYPE_NAME}).",
                "Run scim-bridge sync apply: it adds them.",
                transient=False,
            )
        return await self._writer.write(change)

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()


def _agents(shape: Shape) -> dict[str, str]:
    """How to ask for every user that may be an agent. Where nothing marks agents, everybody may be one."""
    # Okta leaves deactivated users out of a search that does not name their status.
    statuses = " or ".join(f'status eq "{status}"' for status in STATUSES)
    if shape.typed:
        return {"search": f"type.id eq {text_literal(shape.agent_type)} and ({statuses})"}
    if "userType" in shape.properties:
        return {"search": f"profile.userType eq {text_literal(USER_TYPE)} and ({statuses})"}
    return {}
