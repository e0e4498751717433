"""Calls to a transmitter: with the right Authorization, and answers read as what they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from scim_bridge.kernel.clock import MINUTE, SECOND, Clock
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.outbound import Answer, Outbound

MAX_BYTES = 262_144

Tokens = dict[str, tuple[str, int]]
"""Access tokens with the instant until which they are used, by whom they were asked for."""


class TransmitterRefused(BridgeError):
    """The transmitter answered, and not with what was asked. Codes: transmitter-status, transmitter-answer."""

    status = 502


class Calls:
    """Calls with the right Authorization: a given bearer token, or one that is asked for and kept while it lasts.

    `tokens` are those asked for before, of whoever calls again and again.
    """

    def __init__(self, clock: Clock, outbound: Outbound, tokens: Tokens | None = None) -> None:
        self._clock = clock
        self._outbound = outbound
        self._tokens: Tokens = {} if tokens is None else tokens

    async def json(
        self,
        method: str,
        url: str,
        secrets: Mapping[str, str],
        token_url: str = "",
        body: Mapping[str, Any] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """One call, with and for JSON; asked once more with a fresh token after a 401. OutboundError, Refused."""
        answer = await self._once(method, url, secrets, token_url, body, max_bytes)
        if answer.status == 401 and self._tokens.pop(_cached_as(secrets, token_url), None) is not None:
            answer = await self._once(method, url, secrets, token_url, body, max_bytes)
        return answer

    async def _once(
        self,
        method: str,
        url: str,
        secrets: Mapping[str, str],
        token_url: str,
        body: Mapping[str, Any] | None,
        max_bytes: int,
    ) -> Answer:
        headers = {"accept": "application/json"}
        token = secrets.get("bearer") or await self._token(secrets, token_url)
        if token:
            headers["authorization"] = f"Bearer {token}"
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            headers["content-type"] = "application/json"
        return await self._outbound.send(method, url, headers=headers, body=content, max_bytes=max_bytes)

    async def _token(self, secrets: Mapping[str, str], token_url: str) -> str:
        """An access token by client credentials (RFC 6749 section 4.4); empty when none is set up."""
        if not secrets.get("client_id") or not token_url:
            return ""
        known, now = self._tokens.get(_cached_as(secrets, token_url)), self._clock.now()
        if known is not None and now < known[1]:
            return known[0]
        form = {
            "grant_type": "client_credentials",
            "client_id": secrets["client_id"],
            "client_secret": secrets.get("client_secret", ""),
            "scope": secrets.get("scope", "ssf.manage"),
        }
        answer = await self._outbound.send(
            "POST",
            token_url,
            headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
            body=urlencode(form).encode(),
            max_bytes=MAX_BYTES,
        )
        said = read(answer, (200,), "an access token")
        token, lives = said.get("access_token"), said.get("expires_in", 300)
        if not isinstance(token, str) or not token or not token.isprintable():
            raise TransmitterRefused("transmitter-answer", "The answer holds no access token.")
        seconds = lives if isinstance(lives, int) and not isinstance(lives, bool) else 300
        self._tokens[_cached_as(secrets, token_url)] = (token, now + max(0, seconds * SECOND - MINUTE))
        return token


def _cached_as(secrets: Mapping[str, str], token_url: str) -> str:
    return f"{token_url}\0{secrets.get('client_id', '')}\0{secrets.get('client_secret', '')}"


def read(answer: Answer, wanted: Sequence[int], what: str) -> dict[str, Any]:
    """The JSON object of an answer ({} of an empty one); TransmitterRefused for another status or content."""
    if answer.status not in wanted:
        raise TransmitterRefused(
            "transmitter-status",
            f"The transmitter answered {answer.status} when asked for {what}{_why(answer)}.",
            "Check the credentials and what they allow." if answer.status in (401, 403) else "",
        )
    if not answer.body.strip():
        return {}
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = None
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict):
        raise TransmitterRefused(
            "transmitter-answer", f"The answer to a question for {what} is no JSON object."
        )
    return said


def _why(answer: Answer) -> str:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return ""
    texts = [said.get(name) for name in ("description", "error_description", "err", "error", "errorSummary")]
    text = next((one for one in texts if isinstance(one, str)), "") if isinstance(said, dict) else ""
    shown = "".join(c for c in text[:120] if c.isprintable())
    return f" ({shown})" if shown else ""
