"""The server under test: addresses, the token, one request at a time with its time taken."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from scim_bridge.conformance.reply import Reply, parsed
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.outbound import Outbound

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
TIMEOUT: Final = 60.0  # Okta gives up then
MAX_BYTES: Final = 32_000_000
MAX_PAUSE: Final = 60
PAUSES: Final = 3

Query = Mapping[str, Any]


def checked(url: str, what: str = "base-url") -> str:
    """The address without a trailing slash; Invalid unless it is https, or http to this machine."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(what, url) from error
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.fragment:
        raise _wrong(what, url)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise Invalid(
            f"{what}-plain",
            f"http to {host} would send the token in the clear.",
            "Use https; http is for 127.0.0.1 and localhost.",
        )
    return parts._replace(path=parts.path.rstrip("/")).geturl()


def _usable(token: str) -> str:
    text = token.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise Invalid(
            "token-form", "The token is empty or has characters no header can carry.", "Copy it again."
        )
    return text


def _wrong(what: str, url: str) -> Invalid:
    # Not echoed as a whole: it may have a password in it.
    name = url.split("://", 1)[0][:20] if "://" in url else "no"
    return Invalid(
        f"{what}-form", f"--{what} is not an address ({name} scheme).", "Write https://host/scim/v2."
    )


class Target:
    """Sends requests to one SCIM server with one token, and never tells the token.

    `token` may be a whole Authorization value (with a blank in it); else `Bearer` is put before it. Query
    parameters of `base_url` (Entra's `?aadOptscim062020`) go along with every request.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        ca_file: Path | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        base = urlsplit(checked(base_url))
        self.base_url = base._replace(query="").geturl()
        self._always = parse_qsl(base.query, keep_blank_values=True)
        self._token = _usable(token)
        self._secrets: set[str] = set()
        self.keep_secret(self._token.partition(" ")[2].strip() or self._token)
        self.ca_file = ca_file
        self._outbound = Outbound(allow=(str(base.hostname),), ca_file=ca_file)
        self._pause = pause
        self.calls = 0

    @property
    def authorization(self) -> str:
        """The Authorization header that proves who we are."""
        return self._token if " " in self._token else f"Bearer {self._token}"

    def keep_secret(self, *secrets: str) -> None:
        """Never tell these either."""
        self._secrets.update(secret for secret in secrets if secret)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; 429 is waited out as its Retry-After says. OutboundError when there is no answer.

        `body` is sent as it stands when it is bytes, else as JSON. An Authorization header of `headers`
        takes the place of ours; an empty one means none is sent.
        """
        sent = {"authorization": self.authorization} | {k.lower(): v for k, v in (headers or {}).items()}
        sent = {name: value for name, value in sent.items() if value}
        content = None if body is None else encoded(body)
        url = self.base_url + path + self._query(path, query)
        for _ in range(PAUSES):
            reply = await self._once(method, url, sent, content)
            wait = _seconds(reply)
            if wait is None:
                return reply
            await self._pause(wait)
        return await self._once(method, url, sent, content)

    async def _once(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        self.calls += 1
        return await _timed(self._outbound, method, url, headers, content)

    def _query(self, path: str, query: Query | None) -> str:
        pairs: Iterable[tuple[str, Any]] = [*(query or {}).items(), *self._always]
        text = "&".join(_pair(name, str(value)) for name, value in pairs)
        return ("&" if "?" in path else "?") + text if text else ""

    def told(self, method: str, path: str, query: Query | None, body: Any) -> str:
        """A request for a reader: addresses decoded, the body as sent, no secret."""
        text = f"{method} {unquote(path)}"
        if query:
            text += ("&" if "?" in path else "?") + "&".join(f"{k}={v}" for k, v in query.items())
        if body is not None:
            text += "\n" + encoded(body).decode("utf-8", "replace")
        return self.redacted(text)

    def redacted(self, text: str) -> str:
        """A text in which no secret is left."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    async def aclose(self) -> None:
        """Close every connection."""
        await self._outbound.aclose()


def _pair(name: str, value: str) -> str:
    return f"{quote(name)}={quote(value, safe='')}" if value else quote(name)


async def form(url: str, fields: Mapping[str, str], ca_file: Path | None = None) -> Reply:
    """POST a form, without any token, to an address such as a token endpoint.

    Raises Invalid for an address that may not be called, OutboundError when there is no answer.
    """
    address = checked(url, "token-url")
    outbound = Outbound(allow=(str(urlsplit(address).hostname),), ca_file=ca_file)
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    try:
        return await _timed(outbound, "POST", address, headers, urlencode(fields).encode())
    finally:
        await outbound.aclose()


async def _timed(
    outbound: Outbound, method: str, url: str, headers: Mapping[str, str], content: bytes | None
) -> Reply:
    began = time.perf_counter()
    answer = await outbound.send(
        method, url, headers=headers, body=content, timeout=TIMEOUT, max_bytes=MAX_BYTES
    )
    took = round((time.perf_counter() - began) * 1000)
    text = answer.body.decode("utf-8", "replace")
    return Reply(answer.status, answer.headers, text, parsed(text), took)


def encoded(body: Any) -> bytes:
    """A body as bytes: bytes as they are, anything else as JSON."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _seconds(reply: Reply) -> float | None:
    """How long a throttled caller is to wait; None when this is no such answer."""
    if reply.status != 429:
        return None
    text = reply.headers.get("retry-after", "").strip()
    return float(min(int(text), MAX_PAUSE)) if text.isascii() and text.isdigit() and len(text) < 9 else 1.0
