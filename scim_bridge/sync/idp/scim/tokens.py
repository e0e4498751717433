"""How we prove ourselves to a SCIM server: a token that was given, or one fetched and renewed (RFC 6749)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from urllib.parse import quote, urlencode

from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import seconds_of
from scim_bridge.sync.idp.scim.errors import SOON
from scim_bridge.sync.idp.scim.options import Options

SECONDS = 20.0
# A token is renewed so long before it ends.
EARLY = 30
FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class Tokens:
    """The Authorization header of one server."""

    def __init__(self, options: Options, outbound: Outbound) -> None:
        self._options = options
        self._outbound = outbound
        self._lock = asyncio.Lock()
        self._value = options.authorization
        self._ends = float("inf") if options.authorization else 0.0

    @property
    def renewable(self) -> bool:
        """True when another token can be fetched in place of one that is refused."""
        return not self._options.authorization

    async def header(self, *, refused: str = "") -> str:
        """The header value; a new one when the present one ends or is the one that was `refused`."""
        async with self._lock:
            if time.monotonic() >= self._ends or (refused and refused == self._value and self.renewable):
                await self._fetch()
            return self._value

    def redacted(self, text: str) -> str:
        """A text without any secret of this connection."""
        for secret in (self._value.partition(" ")[2] or self._value, self._options.client_secret):
            if secret:
                text = text.replace(secret, "***")
        return text

    async def _fetch(self) -> None:
        fields = {"grant_type": "client_credentials"}
        if self._options.scopes:
            fields["scope"] = self._options.scopes
        name, secret = self._options.client_id, self._options.client_secret
        pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
        answer = await self._post(
            fields, {**FORM, "authorization": f"Basic {base64.b64encode(pair).decode()}"}
        )
        if answer.status in (400, 401):
            # Some servers read the client's id and secret only from the form (RFC 6749 section 2.3.1).
            answer = await self._post({**fields, "client_id": name, "client_secret": secret}, FORM)
        self._take(answer)

    async def _post(self, fields: dict[str, str], headers: dict[str, str]) -> Answer:
        body = urlencode(fields).encode()
        try:
            return await self._outbound.send(
                "POST", self._options.token_url, headers=headers, body=body, timeout=SECONDS
            )
        except OutboundError as error:
            raise IdpError(error.code, error.message, error.fix, transient=error.transient) from error

    def _take(self, answer: Answer) -> None:
        try:
            found = json.loads(answer.body)
            token, seconds = str(found["access_token"]), float(found.get("expires_in") or 300)
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
            passing = answer.status == 429 or answer.status >= 500
            raise IdpError(
                "scim-token",
                f"The token endpoint gave no token (status {answer.status}).",
                "" if passing else "Check token_url, client_id, client_secret and scopes of the connection.",
                transient=passing,
                retry_after=(seconds_of(answer.headers) or SOON) if passing else None,
            ) from error
        self._value = f"Bearer {token}"
        self._ends = time.monotonic() + max(1.0, seconds - EARLY)
