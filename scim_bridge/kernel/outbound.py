"""The one way out: HTTPS to public addresses, and to internal ones only where the settings allow it.

Where it leads is judged in `guarded_connections.py`. Nothing is taken from the environment (no proxies, no netrc), no
cookie is kept, no redirect followed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from scim_bridge.kernel import tracing
from scim_bridge.kernel.allow_list import AllowList
from scim_bridge.kernel.guarded_connections import GuardedBackend, GuardedTransport, Resolver, resolve
from scim_bridge.kernel.outbound_error import OutboundError, failure
from scim_bridge.kernel.trust import trusting

# So much of an answer is read, for so long, where its status is what counts: enough to use the connection again.
CUT_BYTES = 64_000
CUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names compare without case; repeated headers are joined with ", "."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Sends requests to other systems.

    `allow` holds networks (10.0.0.0/8), hosts or host:port that may be called although they are
    internal or speak plain http. `ca_file` is trusted beside the usual authorities.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        ca_file: str | Path | None = None,
        resolver: Resolver = resolve,
        more_ca_files: Iterable[str | Path] = (),
    ) -> None:
        self._allow = tuple(allow)
        self._resolver = resolver
        self._ca_files = (*((ca_file,) if ca_file else ()), *more_ca_files)
        # What is wrong with a file is told to who names it, not to the first call.
        self._context = trusting(self._ca_files) if self._ca_files else None
        self._rules = AllowList(self._allow)
        self._transports: dict[str, GuardedTransport] = {}

    def tls_context(self) -> ssl.SSLContext:
        """Whom this way out trusts, for TLS that carries something else than HTTP."""
        return trusting(self._ca_files)

    async def judged(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to over TLS; OutboundError when one may not."""
        return await GuardedBackend(self._rules, self._resolver, plain=False).judged(host, port)

    def trusting(self, ca_file: str | Path) -> Outbound:
        """A way out with the same rules that trusts one more authority; the caller closes it.

        Raises OSError (or ssl.SSLError, which is one) when the file holds no certificates.
        """
        files = (*self._ca_files, ca_file)
        return Outbound(allow=self._allow, resolver=self._resolver, more_ca_files=files)

    def reaching(self, hosts: Iterable[str]) -> Outbound:
        """A way out with the same rules that may also call these (host:port); the caller closes it."""
        allow = (*self._allow, *hosts)
        return Outbound(allow=allow, resolver=self._resolver, more_ca_files=self._ca_files)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 10.0,
        max_bytes: int = 1_000_000,
        cut: bool = False,
    ) -> Answer:
        """Send one request and read the whole answer; OutboundError when there is none.

        Any status is an answer, redirects included. `timeout` is for everything, in seconds; an answer
        of more than `max_bytes` is refused. With `cut` the status is what counts: a body that is long, slow or
        compressed is cut short, and refuses nothing. After a transient error the peer may or may not have acted.
        """
        if not tracing.on():
            request = _request(method, url, headers, body, timeout)
            return await self._sent(request, timeout, max_bytes, cut)
        with tracing.span(method, tracing.CLIENT, {"http.request.method": method}) as span:
            request = _request(method, url, {**(headers or {}), **tracing.headers()}, body, timeout)
            span.told({"server.address": request.url.host, "server.port": request.url.port})
            answer = await self._sent(request, timeout, max_bytes, cut)
            span.told({"http.response.status_code": answer.status})
            if answer.status >= 400:
                span.failed(str(answer.status))
            return answer

    async def _sent(self, request: httpx2.Request, timeout: float, max_bytes: int, cut: bool) -> Answer:
        host = request.url.host
        try:
            async with asyncio.timeout(timeout):
                response = await self._transport(request.url.scheme).handle_async_request(request)
                try:
                    return await (_cut(response) if cut else _read(response, host, max_bytes))
                finally:
                    await response.aclose()
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise OutboundError(
                "outbound-timeout", f"{host} did not answer within {timeout:g} seconds.", transient=True
            ) from error
        except httpx2.HTTPError as error:
            raise failure(error, host) from error

    def _transport(self, scheme: str) -> GuardedTransport:
        """Made with the first call: most commands make none."""
        made = self._transports.get(scheme)
        if made is None:
            backend = GuardedBackend(self._rules, self._resolver, plain=scheme == "http")
            made = self._transports[scheme] = GuardedTransport(self._context or trusting(()), backend)
        return made

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.aclose()


def _request(
    method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None, timeout: float
) -> httpx2.Request:
    try:
        target = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise OutboundError("outbound-url", "The address is not a URL.", transient=False) from error
    if target.scheme not in ("https", "http") or not target.host or target.userinfo:
        raise OutboundError(
            "outbound-url",
            f"{target.scheme or 'no'} scheme, no host, or a password in it: this address cannot be called.",
            transient=False,
            fix="Use https://host[:port]/path.",
        )
    limits = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    # Compressed answers are refused: a small one could unpack to gigabytes.
    sent = {"user-agent": "scim-bridge", "accept-encoding": "identity"}
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    return httpx2.Request(method, target, headers=sent, content=body, extensions={"timeout": limits})


async def _read(response: httpx2.Response, host: str, max_bytes: int) -> Answer:
    if response.headers.get("content-encoding", "identity").casefold() != "identity":
        raise OutboundError(
            "outbound-encoding", f"{host} compressed its answer though it was asked not to.", transient=False
        )
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise OutboundError(
                "outbound-too-large", f"{host} answered with more than {max_bytes} bytes.", transient=False
            )
    return Answer(response.status_code, response.headers, bytes(body))


async def _cut(response: httpx2.Response) -> Answer:
    """What little comes at once; the rest is cut off with its connection."""
    body = bytearray()
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(CUT_SECONDS):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > CUT_BYTES:
                    break
    plain = response.headers.get("content-encoding", "identity").casefold() == "identity"
    return Answer(response.status_code, response.headers, bytes(body[:CUT_BYTES]) if plain else b"")
