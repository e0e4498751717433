"""Credentials of an org's OAuth clients: secrets and keys of OIDC apps, keys of AI agents.

Facts: an app has at most two secrets, a client at most fifty keys; what is active cannot be deleted, and the
only active one cannot be switched off; listings show the secrets themselves, which are dropped here.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, import_key

from scim_bridge.registry.keeper import (
    JWK,
    SECRET,
    VOID,
    Issued,
    LimitReached,
    Material,
    RemoteClient,
    RemoteCredential,
)
from scim_bridge.registry.news import instant
from scim_bridge.sync.idp.okta.agent_words import ID_PREFIX, ON, observed_agent
from scim_bridge.sync.idp.okta.errors import INVALID, OktaRefusal
from scim_bridge.sync.idp.okta.features import AI_AGENTS, Features
from scim_bridge.sync.idp.okta.patience import pages
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.workloads import AGENTS, Workloads

APP, AGENT = "okta-app", "okta-ai-agent"
MOST = {SECRET: 2, JWK: 50}
MARK = "scimBridgeAgent"
PAGE = 200
WHERE = {SECRET: "secrets", JWK: "jwks"}


class OktaKeeper:
    """See `registry.keeper.CredentialKeeper` for the promises."""

    def __init__(self, session: Session, features: Features) -> None:
        self._session = session
        self._features = features
        self._workloads = Workloads(session)

    async def clients(self, linked: Mapping[str, str]) -> AsyncIterator[RemoteClient]:
        """OIDC apps that are services, marked or linked; and every AI agent where the org has them."""
        query = urlencode({"filter": 'name eq "oidc_client"', "limit": PAGE})
        what = "list the OIDC apps"
        async for apps, _ in pages(
            self._session, what, lambda: self._session.send(what, "GET", f"/api/v1/apps?{query}")
        ):
            for app in apps:
                client = _app(app)
                if client.agent_id or client.remote_id in linked or _is_service(app):
                    yield client
        if (await self._features.one(AI_AGENTS)).usable:
            async for agents, _ in self._workloads.listing():
                for agent in agents:
                    yield _agent(agent)

    async def client(self, kind: str, remote_id: str) -> RemoteClient | None:
        """One app or AI agent."""
        if kind == AGENT or remote_id.startswith(ID_PREFIX):
            agent = await self._workloads.agent(remote_id)
            return None if agent is None else _agent(agent)
        try:
            reply = await self._session.send("read the app", "GET", f"/api/v1/apps/{remote_id}")
        except OktaRefusal as error:
            if error.absent:
                return None
            raise
        return _app(reply.content)

    async def credentials(self, client: RemoteClient) -> tuple[RemoteCredential, ...]:
        """Secrets and keys of a client, the values left out."""
        found = [_credential(SECRET, item) for item in await self._listed(client, SECRET)]
        found += [_credential(JWK, item) for item in await self._listed(client, JWK)]
        return tuple(sorted(found, key=lambda one: (one.created or 0, one.reference)))

    def room(self, client: RemoteClient, kind: str, there: tuple[RemoteCredential, ...]) -> None:
        """Two secrets, fifty keys."""
        count = sum(one.kind == kind for one in there)
        if count >= MOST[kind]:
            raise LimitReached(
                f"{client.name} has {count} credentials of kind {kind}, the most that Okta allows.",
                "Remove one that is not used: `credentials list` shows them, `credentials revoke` takes one away.",
            )

    def generates(self, kind: str) -> bool:
        """Never: a secret may be given, so that a lost answer loses no value."""
        return False

    async def add(self, client: RemoteClient, material: Material, expires: int | None) -> Issued:
        """Add a key's public half, or a secret with our value; Okta knows no expiry."""
        if material.kind == JWK:
            body: dict[str, Any] = {**json.loads(material.public), "use": "sig", "status": "ACTIVE"}
        else:
            body = {"client_secret": material.value.reveal() if material.value else "", "status": "ACTIVE"}
        what = f"add a credential to {client.name}"
        reply = await self._session.send(what, "POST", _path(client, material.kind), body)
        return Issued(str(reply.content["id"]))

    async def find(self, client: RemoteClient, material: Material) -> RemoteCredential | None:
        """By kid, or by the value itself, which Okta shows."""
        for item in await self._listed(client, material.kind):
            if material.kind == JWK and item.get("kid") == material.label:
                return _credential(JWK, item)
            value = material.value.reveal() if material.value else ""
            if value and hmac.compare_digest(str(item.get("client_secret") or ""), value):
                return _credential(SECRET, item)
        return None

    async def revoke(self, client: RemoteClient, kind: str, reference: str) -> str:
        """Switch it off and delete it; the only active one is replaced by one whose value nobody had."""
        placeholder = ""
        here = f"{_path(client, kind)}/{reference}"
        found = await self._one(here)
        if found is None:
            return placeholder
        if found.get("status") == "ACTIVE":
            try:
                await self._off(here)
            except OktaRefusal as error:
                if error.okta != INVALID:
                    raise
                placeholder = await self._void(client, kind)
                await self._off(here)
        try:
            await self._session.send("delete a credential", "DELETE", here)
        except OktaRefusal as error:
            if not error.absent:
                raise
        return placeholder

    async def _off(self, here: str) -> None:
        await self._session.send("switch a credential off", "POST", f"{here}/lifecycle/deactivate")

    async def _one(self, here: str) -> dict[str, Any] | None:
        try:
            reply = await self._session.send("read a credential", "GET", here)
        except OktaRefusal as error:
            if error.absent:
                return None
            raise
        return dict(reply.content)

    async def _void(self, client: RemoteClient, kind: str) -> str:
        """A credential that nobody can use: its private half or its value is forgotten at once."""
        others = await self._listed(client, kind)
        for item in others:
            # Off already, so of no use to anybody, and in the way of the placeholder.
            if len(others) >= MOST[kind] and item.get("status") != "ACTIVE":
                await self._session.send(
                    "delete a credential", "DELETE", f"{_path(client, kind)}/{item['id']}"
                )
                break
        if kind == JWK:
            label = f"{VOID}{secrets.token_hex(8)}"
            key = ECKey.generate_key("P-256", {"kid": label, "alg": "ES256"})
            body = {**key.as_dict(private=False), "use": "sig", "status": "ACTIVE"}
        else:
            body = {"client_secret": secrets.token_urlsafe(48), "status": "ACTIVE"}
        what = f"put a placeholder into {client.name}"
        reply = await self._session.send(what, "POST", _path(client, kind), body)
        return str(reply.content["id"])

    async def _listed(self, client: RemoteClient, kind: str) -> list[dict[str, Any]]:
        try:
            reply = await self._session.send("list credentials", "GET", _path(client, kind))
        except OktaRefusal as error:
            # Secrets of AI agents are not documented: an org may have no such address.
            if error.absent and client.kind == AGENT and kind == SECRET:
                return []
            raise
        content = reply.content or []
        listed = content.get("data") or [] if isinstance(content, dict) else content
        return [item for item in listed if isinstance(item, dict)]


def _path(client: RemoteClient, kind: str) -> str:
    base = AGENTS if client.kind == AGENT else "/api/v1/apps"
    return f"{base}/{client.remote_id}/credentials/{WHERE[kind]}"


def _app(app: Mapping[str, Any]) -> RemoteClient:
    oauth = (app.get("credentials") or {}).get("oauthClient") or {}
    by_key = oauth.get("token_endpoint_auth_method") == "private_key_jwt"
    return RemoteClient(
        APP,
        str(app["id"]),
        str(app.get("label") or app["id"]),
        str(oauth.get("client_id") or app["id"]),
        str((app.get("profile") or {}).get(MARK) or ""),
        enabled=app.get("status") == "ACTIVE",
        # An app proves itself in one way; a credential of the other kind would not be asked for.
        kinds=(JWK,) if by_key else (SECRET,),
    )


def _is_service(app: Mapping[str, Any]) -> bool:
    settings = (app.get("settings") or {}).get("oauthClient") or {}
    return settings.get("application_type") == "service"


def _agent(agent: Mapping[str, Any]) -> RemoteClient:
    seen = observed_agent(agent, None)
    client_id = str((agent.get("oauthClient") or {}).get("clientId") or seen.remote_id)
    enabled = agent.get("status") == ON
    return RemoteClient(
        AGENT, seen.remote_id, seen.name, client_id, seen.agent_id, enabled=enabled, kinds=(JWK,)
    )


def _credential(kind: str, item: Mapping[str, Any]) -> RemoteCredential:
    kid = str(item.get("kid") or "")
    return RemoteCredential(
        kind,
        str(item["id"]),
        item.get("status") == "ACTIVE",
        kid,
        instant(item.get("created")),
        public={"kid": kid, "alg": str(item.get("alg") or item.get("kty") or ""), **_thumbprint(item)}
        if kid
        else {},
    )


def _thumbprint(item: Mapping[str, Any]) -> dict[str, str]:
    """What a key is known by in public (RFC 7638), where Okta shows its public half."""
    half = {name: item[name] for name in ("kty", "crv", "x", "y", "n", "e") if item.get(name)}
    try:
        return {"thumbprint": import_key(half).thumbprint()}
    except (JoseError, ValueError, TypeError, KeyError):
        return {}
