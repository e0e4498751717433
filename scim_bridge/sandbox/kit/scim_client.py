"""A SCIM caller that sends exactly the headers it is given, and writes every call into the journal."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson

from scim_bridge.sandbox.kit.edge import readable
from scim_bridge.sandbox.kit.store import Store

TIMEOUT_SECONDS = 60.0
CONTENT_TYPE = "application/scim+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ScimReply:
    """What came back. `status` is 0 and `error` says why when no answer came.

    `body` is the parsed JSON, None when there was no body or it was no JSON; `text` is the body as it was.
    Header names are in lower case.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    error: str = ""


class ScimCaller:
    """Calls one SCIM service. Use as `async with`; `headers` win over the Bearer header made of `token`.

    `content_type` goes with bodies only. `transport` replaces the network (tests in one process).
    """

    def __init__(
        self,
        store: Store,
        base_url: str,
        token: str,
        ca_file: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str = CONTENT_TYPE,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._store = store
        self._base = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"}
        self._headers |= {name.lower(): value for name, value in (headers or {}).items()}
        self._content_type = content_type
        self._timeout = timeout
        self._transport = transport or httpx2.AsyncHTTPTransport(verify=_trust(ca_file), trust_env=False)

    async def __aenter__(self) -> ScimCaller:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def call(self, operation: str, method: str, path: str, body: Any = None) -> ScimReply:
        """Send one request; `path` is below the base URL and encoded. Never raises for what the peer does."""
        headers = dict(self._headers)
        content = None
        if body is not None:
            headers["content-type"] = self._content_type
            content = orjson.dumps(body)
        url = f"{self._base}{path}"
        reply = await self._send(method, url, headers, content)
        shown = reply.text if reply.body is None and reply.text else reply.body
        self._store.record(
            "out", operation, method, url, body, reply.status, shown or reply.error or None, headers
        )
        return reply

    async def _send(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> ScimReply:
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        try:
            request = httpx2.Request(
                method, url, headers=headers, content=content, extensions={"timeout": limits}
            )
            async with asyncio.timeout(self._timeout):
                response = await self._transport.handle_async_request(request)
                try:
                    raw = await response.aread()
                finally:
                    await response.aclose()
        except (TimeoutError, httpx2.TimeoutException):
            return ScimReply(0, None, error=f"No answer within {self._timeout:g} seconds.")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return ScimReply(0, None, error=f"{type(error).__name__}: {error}")
        text = raw.decode("utf-8", "replace")
        parsed = readable(raw, "")
        known = {name.lower(): value for name, value in response.headers.items()}
        return ScimReply(response.status_code, None if parsed == text else parsed, known, text)


def _trust(ca_file: str | Path | None) -> ssl.SSLContext:
    path = str(ca_file) if ca_file else ""
    return _context(path, Path(path).stat().st_mtime_ns if path else 0)


@functools.lru_cache(maxsize=8)
def _context(ca_file: str, changed: int) -> ssl.SSLContext:
    """Reading the usual authorities takes longer than a call, so contexts are kept while the file is the same."""
    context = httpx2.create_ssl_context(verify=True, trust_env=False)
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context
