"""Assertions fetched at each use: from a file, from an address, from the machine's managed identity."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msal

from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.sync.idp.entra.credentials import (
    SYSTEM,
    AssertionFile,
    AssertionUrl,
    ManagedIdentity,
    assertion_in,
)
from scim_bridge.sync.idp.entra.options import GUID
from scim_bridge.sync.idp.entra.token_refusals import identity_refusal
from scim_bridge.sync.idp.entra.way import SECONDS, Way
from scim_bridge.sync.idp.port import IdpError

IMDS = "http://169.254.169.254"
EXCHANGE = "api://AzureADTokenExchange"
# Where Azure says that its managed identity service is; App Service, Container Apps and Arc put it there.
PLACES = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST")


def from_file(source: AssertionFile) -> str:
    """What the file holds now; IdpError when it holds no assertion. It may be there a moment later."""
    try:
        return assertion_in(Path(source.path).read_text("ascii"))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "it holds no signed token"
        raise IdpError(
            "entra-assertion",
            f"The assertion in {source.path} cannot be used: {said}.",
            "Check that the token is mounted there and that this process may read it.",
            transient=True,
        ) from error


def from_url(source: AssertionUrl, outbound: Outbound, loop: asyncio.AbstractEventLoop) -> str:
    """What the address answers now; called from msal's thread. IdpError or OutboundError when it is none."""
    sending = outbound.send("GET", source.url, headers=source.headers, timeout=SECONDS)
    answer = asyncio.run_coroutine_threadsafe(sending, loop).result(SECONDS + 5)
    host = urlsplit(source.url).hostname
    text = answer.body.decode("utf-8", "replace")
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return assertion_in(_inside(text))
    except ValueError as error:
        raise IdpError(
            "entra-assertion",
            f"{host} gave no assertion: {error}.",
            "Check assertion_url and assertion_headers in the secrets.",
            transient=answer.status >= 500 or answer.status == 429,
        ) from error


def _inside(text: str) -> str:
    """The token in an answer: JSON with a `value` (GitHub Actions), `token` or `access_token`, or plain text."""
    if not text.lstrip().startswith("{"):
        return text
    found = json.loads(text)
    named = (found.get(name) for name in ("value", "token", "access_token", "id_token"))
    return next((one for one in named if isinstance(one, str)), "")


class MachineIdentity:
    """The tokens of a managed identity of this machine, cached by msal. Called from a thread."""

    def __init__(
        self, source: ManagedIdentity, outbound: Outbound, loop: asyncio.AbstractEventLoop, imds_url: str
    ) -> None:
        self._way = Way(outbound, loop, (IMDS, imds_url) if imds_url else ("", ""))
        self._client = msal.ManagedIdentityClient(_named(source.name), http_client=self._way)

    def token(self, resource: str) -> str:
        """A token for a resource; IdpError when the machine gives none."""
        try:
            answer = self._client.acquire_token_for_client(resource=resource)
        except OutboundError as error:
            raise IdpError(
                "entra-identity",
                f"The managed identity service of this machine cannot be reached: {error.message}",
                "A managed identity exists only inside Azure; elsewhere use a certificate or a federated credential.",
                transient=error.transient,
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise identity_refusal(None, self._way.status) from error
        found: Mapping[str, Any] = answer or {}
        if not found.get("access_token"):
            raise identity_refusal(found, self._way.status)
        return str(found["access_token"])


def _named(name: str) -> Any:
    if name == SYSTEM:
        return msal.SystemAssignedManagedIdentity()
    if GUID.fullmatch(name):
        return msal.UserAssignedManagedIdentity(client_id=name)
    return msal.UserAssignedManagedIdentity(resource_id=name)


def identity_hosts(imds_url: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """host:port of the managed identity service: the one address besides Entra that such a connection calls.

    It is link-local or on this machine, so the guarded way out would refuse it: naming a managed identity in
    the secrets is the administrator's leave for exactly this address.
    """
    places = [imds_url] if imds_url else [environment[name] for name in PLACES if environment.get(name)]
    found = []
    for place in places or [IMDS]:
        split = urlsplit(place)
        if split.hostname:
            found.append(f"{split.hostname}:{split.port or (443 if split.scheme == 'https' else 80)}")
    return found
