"""Okta as the port asks for it: one org, opened with a connection's settings and secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.okta.links import Links
from scim_bridge.sync.idp.okta.news import OktaNews
from scim_bridge.sync.idp.okta.people import FEW, People
from scim_bridge.sync.idp.okta.private_key import check_private_key
from scim_bridge.sync.idp.okta.session import Credentials, Reply, Session
from scim_bridge.sync.idp.okta.telling import Telling
from scim_bridge.sync.idp.okta.tenant import Shape, Tenant
from scim_bridge.sync.idp.okta.vocabulary import (
    MARK,
    STATUSES,
    TYPE_NAME,
    observed,
    text_literal,
    wanted_attributes,
)
from scim_bridge.sync.idp.okta.write import Writer
from scim_bridge.sync.idp.port import DesiredAgent, IdpError, ObjectChange, Observed, Page, SetupStep, Wanted

PAGE = 200
# Reading a whole org may wait out one window of Okta's rate limit at a time.
LISTING_PATIENCE = 120


def open_okta(connection: Connection, secrets: Mapping[str, Any], ctx: Context) -> OktaIdp:
    """The org of a connection; Refused when a setting or secret is missing. Nothing is sent yet.

    Settings: org_url, ca_file (a private authority). Secrets: client_id, private_key (PEM), kid and
    scopes of a service app, or ssws_token.
    """
    org_url = _org_url(connection)
    credentials = _credentials(connection, secrets)
    ca_file = connection.settings.get("ca_file")
    try:
        outbound = ctx.outbound.trusting(ca_file) if ca_file else ctx.outbound
    except OSError as error:
        raise Refused(
            "okta-ca-file", f"ca_file {ca_file} holds no certificates that can be read.", "Give a PEM file."
        ) from error
    return OktaIdp(Session(org_url, credentials, outbound, own=bool(ca_file)))


def _org_url(connection: Connection) -> str:
    given = str(connection.settings.get("org_url") or "").rstrip("/")
    parts = urlsplit(given)
    fix = f"connections configure {connection.name} --set org_url=https://your-org.okta.com"
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
        raise Refused(
            "okta-org-url", f"{connection.name} has no usable org_url ({given[:80]!r}).", f"Set it: {fix}"
        )
    if "-admin." in parts.hostname:
        raise Refused("okta-org-url", "org_url is that of the Admin Console.", f"Leave out -admin: {fix}")
    return given


def _credentials(connection: Connection, secrets: Mapping[str, Any]) -> Credentials:
    if secrets.get("ssws_token"):
        return Credentials(ssws_token=str(secrets["ssws_token"]))
    missing = [name for name in ("client_id", "private_key", "scopes") if not secrets.get(name)]
    if missing:
        raise Refused(
            "okta-secrets",
            f"The secrets of {connection.name} lack {', '.join(missing)}.",
            "Give client_id, private_key (PEM), kid and scopes, or ssws_token, with --secrets-file.",
        )
    check_private_key(connection.name, str(secrets["private_key"]))
    scopes = secrets["scopes"]
    return Credentials(
        client_id=str(secrets["client_id"]),
        private_key=str(secrets["private_key"]),
        kid=str(secrets.get("kid") or ""),
        scopes=tuple(scopes.split() if isinstance(scopes, str) else scopes),
    )


class OktaIdp(Telling):
    """One Okta org behind the port."""

    kind = "okta"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tenant = Tenant(session)
        self._people = People(session)
        self.news = OktaNews(session, self._people)
        self._links = Links(session)
        self._writer = Writer(session, self._tenant, self._people, self._links)

    async def missing(self) -> tuple[SetupStep, ...]:
        """The user type, properties and linked object the org lacks."""
        return (await self._tenant.shape(fresh=True)).missing

    async def make_ready(self) -> None:
        """Add what is missing."""
        await self._tenant.make_ready()

    async def listing(self) -> AsyncIterator[Page]:
        """Every user of the agent type, in whatever status, page by page."""
        shape = await self._tenant.shape()
        if not shape.agent_type:
            yield Page((), True)
            return
        # Okta leaves deactivated users out of a search that does not name their status.
        statuses = " or ".join(f'status eq "{status}"' for status in STATUSES)
        expression = f"type.id eq {text_literal(shape.agent_type)} and ({statuses})"
        following = ""
        of_owner: dict[str, set[str]] = {}
        while True:
            reply = await self._page(expression, following)
            yield Page(await self._seen(reply.content, shape, of_owner), not reply.next)
            if not reply.next:
                return
            following = reply.next

    async def _page(self, expression: str, following: str) -> Reply:
        waited = 0
        while True:
            try:
                if following:
                    return await self._session.send("list agents", "GET", following)
                return await self._session.call(
                    "list agents", self._session.client.list_users, search=expression, limit=PAGE
                )
            except IdpError as error:
                pause = error.retry_after or 2
                if not error.transient or waited + pause > LISTING_PATIENCE:
                    raise
                waited += pause
                await asyncio.sleep(pause)

    async def _seen(
        self, users: Sequence[dict[str, Any]], shape: Shape, of_owner: dict[str, set[str]]
    ) -> tuple[Observed, ...]:
        for user in users:
            self._people.know(str(user["profile"]["login"]), str(user["id"]))
        logins = [str(user["profile"].get("agentOwnerLogin") or "") for user in users]
        ids = await self._people.ids([login for login in logins if login])
        guesses = {str(u["id"]): ids.get(login) for u, login in zip(users, logins, strict=True)}
        owners = await self._links.owners_of(guesses, of_owner)
        return tuple(
            observed(user, shape.type_name(user["type"]["id"]), owners[str(user["id"])]) for user in users
        )

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What Okta should say of these agents; owners are looked up by login."""
        live = [agent for agent in agents if not agent.deleted]
        owners = [agent.owner.user_name for agent in live if agent.owner is not None]
        if len(live) > FEW:
            # One search tells which of them exist by login: `observe` then reads only those.
            await self._people.look_up([*(agent.user_name for agent in live), *owners])
        ids = await self._people.ids(owners)
        found = {}
        for agent in agents:
            owner = agent.owner
            owner_id = ids.get(owner.user_name) if owner is not None else None
            notes: tuple[str, ...] = ()
            if owner is not None and owner_id is None and not agent.deleted:
                notes = (f"{agent.slug}: its owner {owner.user_name} has no account in Okta, so no link.",)
            found[agent.agent_id] = Wanted(wanted_attributes(agent, owner_id), (agent.user_name,), notes)
        return found

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
        owner = await self._links.owner(str(user["id"])) if shape.linked else None
        return observed(user, shape.type_name(user["type"]["id"]), owner)

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
