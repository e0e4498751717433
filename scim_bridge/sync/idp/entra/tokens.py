"""Access tokens for Graph, by msal: one client a connection, cached, renewed before they end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msal
import requests
from msal.exceptions import MsalServiceError

from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.sync.idp.entra.credentials import (
    AssertionFile,
    AssertionUrl,
    Certificate,
    Credential,
    ManagedIdentity,
    Secret,
)
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.proofs import EXCHANGE, MachineIdentity, from_file, from_url
from scim_bridge.sync.idp.entra.token_refusals import token_refusal
from scim_bridge.sync.idp.entra.way import Way
from scim_bridge.sync.idp.port import IdpError

# msal renews a token five minutes before it ends; asking it at every call would cost a thread each time.
ASK_EVERY = 30.0
# 5xx leave a valid cached token unused in msal 1.39 unless they are named here.
PASSING = (MsalServiceError, requests.RequestException, OutboundError, IdpError)


class Tokens:
    """The tokens of one client in one tenant. Used from one event loop.

    `near` is the way out to the machine's managed identity service, where the credential is one.
    """

    def __init__(
        self, options: Options, credential: Credential, outbound: Outbound, near: Outbound | None = None
    ) -> None:
        self._options = options
        self._credential = credential
        self._outbound = outbound
        self._near = near or outbound
        self._client: Any = None
        self._machine: MachineIdentity | None = None
        self._lock = asyncio.Lock()
        self._held = ""
        self._ask_at = 0.0

    async def token(self, *, fresh: bool = False) -> str:
        """A bearer token; `fresh` after Graph refused the one that was cached. IdpError when there is none."""
        if self._held and not fresh and time.monotonic() < self._ask_at:
            return self._held
        loop = asyncio.get_running_loop()
        async with self._lock:
            self._held = await asyncio.to_thread(self._acquire, loop, fresh)
            self._ask_at = time.monotonic() + ASK_EVERY
            return self._held

    def _acquire(self, loop: asyncio.AbstractEventLoop, fresh: bool) -> str:
        try:
            if isinstance(self._credential, ManagedIdentity) and not self._credential.exchanged:
                return self._of_machine(
                    self._credential, loop, self._options.scope.removesuffix("/.default"), fresh
                )
            return self._of_app(loop, fresh)
        except OutboundError as error:
            raise IdpError(
                "entra-unreachable", error.message, error.fix, transient=error.transient
            ) from error
        except (MsalServiceError, requests.RequestException, TimeoutError, KeyError) as error:
            # KeyError: msal reads a metadata document that has none of its addresses.
            raise IdpError(
                "entra-token", "The token service does not answer as it should.", transient=True
            ) from error
        except ValueError as error:
            raise IdpError(
                "entra-token",
                "The authority or the key cannot be used.",
                "Check tenant_id, authority, and that key and certificate are PEM texts that belong together.",
                transient=False,
                refuses_us=True,
            ) from error

    def _of_app(self, loop: asyncio.AbstractEventLoop, fresh: bool) -> str:
        if self._client is None:
            self._client = msal.ConfidentialClientApplication(
                self._options.client_id,
                client_credential=self._proof(loop),
                authority=self._options.authority,
                # Asking login.microsoftonline.com about the authority's host would send every
                # sovereign or private one there first; the administrator named it.
                instance_discovery=False,
                http_client=Way(self._outbound, loop),
            )
        if fresh:
            self._client.remove_tokens_for_client()
        answer = self._client.acquire_token_for_client([self._options.scope], http_exceptions=PASSING)
        if not (answer or {}).get("access_token"):
            raise token_refusal(answer)
        return str(answer["access_token"])

    def _proof(self, loop: asyncio.AbstractEventLoop) -> Any:
        """The credential as msal takes it. Assertions are fetched whenever one is sent, never kept."""
        credential = self._credential
        if isinstance(credential, Secret):
            return credential.text
        if isinstance(credential, Certificate):
            found = {"private_key": credential.private_key, "public_certificate": credential.certificate}
            return {**found, "passphrase": credential.passphrase} if credential.passphrase else found
        if isinstance(credential, AssertionFile):
            return {"client_assertion": lambda: from_file(credential)}
        if isinstance(credential, AssertionUrl):
            return {"client_assertion": lambda: from_url(credential, self._outbound, loop)}
        return {"client_assertion": lambda: self._of_machine(credential, loop, EXCHANGE, fresh=False)}

    def _of_machine(
        self, source: ManagedIdentity, loop: asyncio.AbstractEventLoop, resource: str, fresh: bool
    ) -> str:
        if self._machine is None or fresh:
            self._machine = MachineIdentity(source, self._near, loop, self._options.imds_url)
        return self._machine.token(resource)
