"""Access tokens for Graph, by msal: a secret or a certificate, cached, renewed before they end.

msal is synchronous and knows only `requests`: it runs in a thread, and its requests go through the
bridge's guarded way out, so that no proxy, trust store or host of the environment has a say.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msal
import requests
from msal.exceptions import MsalServiceError

from scim_bridge.kernel.outbound import Answer, Outbound, OutboundError
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.port import IdpError

SECONDS = 15.0
# msal renews a token five minutes before it ends; asking it at every call would cost a thread each time.
ASK_EVERY = 30.0
# 5xx leave a valid cached token unused in msal 1.39 unless they are named here.
PASSING = (MsalServiceError, requests.RequestException, OutboundError)
# AADSTS numbers people meet, and what to do about them.
FIXES = {
    7000215: "The client secret is wrong: paste the secret's value, not its id.",
    7000222: "The client secret expired: make a new one and replace it.",
    700016: "The app registration is not in this tenant: check client_id and tenant_id.",
    700027: "The certificate is not registered with the app, or its key is another one.",
    90002: "The tenant does not exist: check tenant_id.",
    7000112: "The app is disabled: enable its service principal.",
}


class _Heard:
    """An answer in the shape msal reads."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.text = answer.body.decode("utf-8", "replace")
        self.headers = dict(answer.headers)


class _Way:
    """msal's HTTP client over the guarded way out; called from msal's thread."""

    def __init__(self, outbound: Outbound, loop: asyncio.AbstractEventLoop) -> None:
        self._outbound = outbound
        self._loop = loop

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_more: Any,
    ) -> _Heard:
        """GET for msal."""
        return self._send("GET", url, params, headers, None)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_more: Any,
    ) -> _Heard:
        """POST of a form for msal."""
        form = data if isinstance(data, str) else urlencode(data or {})
        sent = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._send("POST", url, params, sent, form.encode())

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> _Heard:
        target = f"{url}?{urlencode(params)}" if params else url
        sending = self._outbound.send(method, target, headers=headers, body=body, timeout=SECONDS)
        return _Heard(asyncio.run_coroutine_threadsafe(sending, self._loop).result(SECONDS + 5))

    def close(self) -> None:
        """Nothing of its own to close."""


class Tokens:
    """The tokens of one client in one tenant. Used from one event loop."""

    def __init__(self, options: Options, credential: str | dict[str, str], outbound: Outbound) -> None:
        self._options = options
        self._credential = credential
        self._outbound = outbound
        self._client: Any = None
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
            if self._client is None:
                self._client = msal.ConfidentialClientApplication(
                    self._options.client_id,
                    client_credential=self._credential,
                    authority=self._options.authority,
                    # Asking login.microsoftonline.com about the authority's host would send every
                    # sovereign or private one there first; the administrator named it.
                    instance_discovery=False,
                    http_client=_Way(self._outbound, loop),
                )
            if fresh:
                self._client.remove_tokens_for_client()
            answer = self._client.acquire_token_for_client([self._options.scope], http_exceptions=PASSING)
        except OutboundError as error:
            raise IdpError(
                "entra-unreachable", error.message, error.fix, transient=error.transient
            ) from error
        except (MsalServiceError, requests.RequestException, TimeoutError) as error:
            raise IdpError(
                "entra-token", "The token service does not answer as it should.", transient=True
            ) from error
        except ValueError as error:
            raise IdpError(
                "entra-token",
                "The authority or the key cannot be used.",
                "Check tenant_id, authority, and that key and certificate are PEM texts that belong together.",
                transient=False,
            ) from error
        return _token_of(answer)


def _token_of(answer: Mapping[str, Any] | None) -> str:
    found = answer or {}
    if found.get("access_token"):
        return str(found["access_token"])
    numbers = [code for code in found.get("error_codes") or () if isinstance(code, int)]
    told = str(found.get("error_description") or found.get("error") or "no token came").splitlines()[0]
    waits = found.get("error") in ("temporarily_unavailable", "server_error")
    fix = next((FIXES[code] for code in numbers if code in FIXES), "Check the secrets of the connection.")
    raise IdpError("entra-token", f"Entra gave no token: {told[:300]}", fix, transient=waits)
