"""Credentials of a tenant's applications and blueprints: passwords, certificates, federated credentials.

Facts: secrets are made by Entra and shown once; certificates are one list that is written as a whole, where
an entry without its key stays as it is; agent identities have no credentials of their own.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.registry.keeper import (
    CERTIFICATE,
    FEDERATED,
    SECRET,
    Issued,
    LimitReached,
    Material,
    RemoteClient,
    RemoteCredential,
)
from scim_bridge.registry.news import instant
from scim_bridge.sync.idp.entra.calls import BETA, absent, literal
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.model import PREFIX, marked
from scim_bridge.sync.idp.port import IdpError

APPLICATION, BLUEPRINT = "entra-application", "entra-blueprint"
BLUEPRINTS = "/applications/microsoft.graph.agentIdentityBlueprint"
IDENTITIES = "/servicePrincipals/microsoft.graph.agentIdentity"
SELECT = "id,appId,displayName,tags,passwordCredentials,keyCredentials"
MOST = {FEDERATED: 20}
# All lists of an application together hold so many values (Entra service limits); one for the new one is left.
MOST_VALUES = 1199


KeysChange = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class EntraKeeper:
    """See `registry.keeper.CredentialKeeper` for the promises."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._used: dict[str, int] | None = None
        self._turns: dict[str, asyncio.Lock] = {}

    async def clients(self, linked: Mapping[str, str]) -> AsyncIterator[RemoteClient]:
        """Every blueprint, and the applications that carry our mark or are linked."""
        self._used = await self._last_used()
        children = await self._children()
        seen: set[str] = set()
        async for found, _ in self._graph.pages("list the blueprints", BLUEPRINTS, {"$select": SELECT}):
            for one in found:
                seen.add(str(one["id"]))
                yield _blueprint(one, children.get(str(one["appId"]).lower(), []))
        async for one in self._marked():
            if str(one["id"]) not in seen:
                seen.add(str(one["id"]))
                yield _application(one)
        for remote_id in linked:
            if remote_id not in seen and (client := await self.client(APPLICATION, remote_id)) is not None:
                yield client

    async def _marked(self) -> AsyncIterator[dict[str, Any]]:
        mine = f"tags/any(t:startswith(t,{literal(PREFIX)}))"
        try:
            query = {"$filter": mine, "$select": SELECT}
            async for found, _ in self._graph.pages("list the applications", "/applications", query):
                for one in found:
                    yield one
        except IdpError as error:
            # Without Application.Read.All there are blueprints, and what is linked by hand.
            if error.transient or error.refuses_us:
                raise

    async def _children(self) -> dict[str, list[str]]:
        """The agents (empty: nobody's) of the identities below each blueprint, by its appId."""
        found: dict[str, list[str]] = {}
        query = {"$select": "id,tags,agentIdentityBlueprintId"}
        async for page, _ in self._graph.pages("list agent identities", IDENTITIES, query):
            for one in page:
                blueprint = str(one.get("agentIdentityBlueprintId") or "").lower()
                found.setdefault(blueprint, []).append(marked(one.get("tags") or ()))
        return found

    async def client(self, kind: str, remote_id: str) -> RemoteClient | None:
        """One application or blueprint by its object id."""
        found = await self._application(remote_id)
        if found is None:
            return None
        if str(found.get("@odata.type", "")).casefold().endswith("agentidentityblueprint"):
            children = await self._children()
            return _blueprint(found, children.get(str(found["appId"]).lower(), []))
        return _application(found)

    async def _application(self, remote_id: str) -> dict[str, Any] | None:
        path = f"/applications/{quote(remote_id, safe='')}"
        reply = await self._graph.call("read the application", "GET", path, expect=absent)
        return dict(reply.body) if reply.ok else None

    async def credentials(self, client: RemoteClient) -> tuple[RemoteCredential, ...]:
        """Passwords, certificates and federated credentials, with their last use where that can be read."""
        found = await self._application(client.remote_id)
        if found is None:
            return ()
        used = self._used if self._used is not None else await self._last_used()
        self._used = used
        kept = [_password(one, used) for one in found.get("passwordCredentials") or ()]
        kept += [_certificate(one, used) for one in found.get("keyCredentials") or ()]
        path = f"/applications/{client.remote_id}/federatedIdentityCredentials"
        kept += [_federated(one) for one in await self._graph.every("list federated credentials", path)]
        return tuple(sorted(kept, key=lambda one: (one.created or 0, one.reference)))

    async def _last_used(self) -> dict[str, int]:
        """When each credential was last used, by keyId; nothing where the report cannot be read."""
        found: dict[str, int] = {}
        try:
            path = "/reports/appCredentialSignInActivities"
            async for page, _ in self._graph.pages("read the last uses", path, version=BETA):
                for one in page:
                    at = instant((one.get("signInActivity") or {}).get("lastSignInDateTime"))
                    if at is not None:
                        found[str(one.get("keyId"))] = at
        except IdpError as error:
            if error.transient or error.refuses_us:
                raise
        return found

    def room(self, client: RemoteClient, kind: str, there: tuple[RemoteCredential, ...]) -> None:
        """Twenty federated credentials; 1,200 values in all."""
        count = sum(one.kind == kind for one in there)
        if count >= MOST.get(kind, MOST_VALUES) or len(there) >= MOST_VALUES:
            raise LimitReached(
                f"{client.name} has {len(there)} credentials, the most that Entra allows.",
                "Remove some that are not used: `credentials list` shows them.",
            )

    def generates(self, kind: str) -> bool:
        """Entra makes secrets itself."""
        return kind == SECRET

    async def add(self, client: RemoteClient, material: Material, expires: int | None) -> Issued:
        """Add a password, or a certificate beside those that are there."""
        if material.kind == SECRET:
            wish: dict[str, Any] = {"displayName": material.label}
            if expires is not None:
                wish["endDateTime"] = f"{iso(expires)[:19]}Z"
            path = f"/applications/{client.remote_id}/addPassword"
            reply = await self._graph.call("add a secret", "POST", path, {"passwordCredential": wish})
            made = reply.body or {}
            return Issued(
                str(made["keyId"]), SecretText(str(made["secretText"])), instant(made.get("endDateTime"))
            )
        raw = x509.load_pem_x509_certificate(material.public.encode())
        entry = {
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "displayName": material.label,
            "key": base64.b64encode(raw.public_bytes(Encoding.DER)).decode(),
        }
        await self._change_keys(client, lambda keys: [*keys, entry])
        found = await self.find(client, material)
        if found is None:
            raise IdpError("entra-settling", "Entra does not show the new certificate yet.", transient=True)
        return Issued(found.reference, None, found.expires)

    async def find(self, client: RemoteClient, material: Material) -> RemoteCredential | None:
        """By the name we gave it."""
        found = await self._application(client.remote_id) or {}
        name, read = {
            SECRET: ("passwordCredentials", _password),
            CERTIFICATE: ("keyCredentials", _certificate),
        }[material.kind]
        for one in found.get(name) or ():
            if one.get("displayName") == material.label:
                return read(one, {})
        return None

    async def revoke(self, client: RemoteClient, kind: str, reference: str) -> str:
        """Take it away; what is gone already is as good."""
        if kind == FEDERATED:
            path = (
                f"/applications/{client.remote_id}/federatedIdentityCredentials/{quote(reference, safe='')}"
            )
            await self._graph.call("remove a federated credential", "DELETE", path, expect=absent)
            return ""
        found = await self._application(client.remote_id)
        if found is None:
            return ""
        if kind == SECRET:
            if any(one.get("keyId") == reference for one in found.get("passwordCredentials") or ()):
                path = f"/applications/{client.remote_id}/removePassword"
                await self._graph.call("remove a secret", "POST", path, {"keyId": reference})
            return ""
        await self._change_keys(client, lambda keys: [one for one in keys if one.get("keyId") != reference])
        return ""

    async def _keys(self, client: RemoteClient) -> list[dict[str, Any]]:
        found = await self._application(client.remote_id)
        return list((found or {}).get("keyCredentials") or ())

    async def _change_keys(self, client: RemoteClient, change: KeysChange) -> None:
        """Write the list of certificates as changed; nobody here writes between our reading and our writing.

        Entra knows no condition for it: what another process wrote meanwhile is told as passing where Entra
        refuses the list for it.
        """
        async with self._turns.setdefault(client.remote_id, asyncio.Lock()):
            before = await self._keys(client)
            after = change(before)
            if after == before:
                return
            try:
                await self._write_keys(client, after)
            except IdpError as error:
                if not error.transient and _ids(await self._keys(client)) != _ids(before):
                    raise IdpError(
                        "entra-overtaken",
                        f"Others changed the certificates of {client.name} at the same moment.",
                        transient=True,
                    ) from error
                raise

    async def _write_keys(self, client: RemoteClient, keys: list[dict[str, Any]]) -> None:
        path = f"/applications/{client.remote_id}"
        await self._graph.call("write the certificates", "PATCH", path, {"keyCredentials": keys})


def _ids(keys: list[dict[str, Any]]) -> set[str]:
    return {str(one.get("keyId")) for one in keys}


def _application(found: Mapping[str, Any]) -> RemoteClient:
    name, app_id = str(found.get("displayName") or ""), str(found["appId"])
    kinds = (CERTIFICATE, SECRET)
    return RemoteClient(
        APPLICATION, str(found["id"]), name, app_id, marked(found.get("tags") or ()), kinds=kinds
    )


def _blueprint(found: Mapping[str, Any], agents: list[str]) -> RemoteClient:
    """A blueprint's credentials are an agent's own only where that is the one agent below it."""
    plain = _application(found)
    own = agents[0] if len(agents) == 1 else ""
    shared = len(agents) if len(agents) > 1 else 0
    return RemoteClient(
        BLUEPRINT, plain.remote_id, plain.name, plain.client_id, own, shared, kinds=plain.kinds
    )


def _password(one: Mapping[str, Any], used: Mapping[str, int]) -> RemoteCredential:
    # Its hint is the beginning of the secret: not kept.
    return _keyed(SECRET, one, used, {})


def _certificate(one: Mapping[str, Any], used: Mapping[str, int]) -> RemoteCredential:
    return _keyed(CERTIFICATE, one, used, {"thumbprint": str(one.get("customKeyIdentifier") or "")})


def _keyed(
    kind: str, one: Mapping[str, Any], used: Mapping[str, int], public: Mapping[str, str]
) -> RemoteCredential:
    reference = str(one["keyId"])
    return RemoteCredential(
        kind,
        reference,
        True,
        str(one.get("displayName") or ""),
        instant(one.get("startDateTime")),
        instant(one.get("endDateTime")),
        used.get(reference),
        public,
    )


def _federated(one: Mapping[str, Any]) -> RemoteCredential:
    public = {name: str(one.get(name) or "") for name in ("issuer", "subject")}
    return RemoteCredential(FEDERATED, str(one["id"]), True, str(one.get("name") or ""), public=public)
