"""The one way out: HTTPS to public addresses, and to internal ones only where the settings allow it.

A name is resolved, every address it has is judged, and the connection goes to exactly the addresses
that were judged: a name that resolves differently a moment later (DNS rebinding) gains nothing.
Nothing is taken from the environment (no proxies, no netrc), no cookie is kept, no redirect followed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import httpcore2
import httpx2

from scim_bridge.kernel import tracing
from scim_bridge.kernel.allow_list import Address, AllowList
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.trust import trusting

Resolver = Callable[[str, int], Awaitable[list[str]]]

NAT64 = ip_network("64:ff9b::/96")
# Not of the open internet, whatever the ipaddress of this Python says of them: IANA's special blocks that older
# ones take for global (Oracle's metadata is in the first), addresses that hold an IPv4 one, site-local ones, and
# Azure's wire server, which is a public address by its number only.
SPECIAL = tuple(
    map(
        ip_network,
        (
            *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
            *("::/96", "64:ff9b:1::/48", "fec0::/10", "2001::/23", "3fff::/20", "5f00::/16"),
        ),
    )
)
# So much of an answer is read, for so long, where its status is what counts: enough to use the connection again.
CUT_BYTES = 64_000
CUT_SECONDS = 1.0
LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)


class OutboundError(BridgeError):
    """No usable answer came. `transient` says whether the same call may succeed later.

    Codes: outbound-url, outbound-http, outbound-address, outbound-dns, outbound-connect, outbound-tls,
    outbound-timeout, outbound-broken, outbound-too-large, outbound-encoding.
    """

    status = 502

    def __init__(self, code: str, message: str, *, transient: bool, fix: str = "") -> None:
        super().__init__(code, message, fix)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names compare without case; repeated headers are joined with ", "."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside a mapped, 6to4, Teredo or NAT64 address: what a gateway would reach."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo is not None:
        inner = address.teredo[1]
    return inner or address


def is_public(address: Address) -> bool:
    """True for an address of the open internet: not private, loopback, link-local, metadata, reserved."""
    inner = unwrapped(address)
    special = any(inner in network for network in SPECIAL)
    return inner.is_global and not inner.is_multicast and not special


async def resolve(host: str, port: int) -> list[str]:
    """Every address the system's resolver knows for a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections, only to addresses that were judged just before."""

    def __init__(self, allow: AllowList, resolver: Resolver, *, plain: bool) -> None:
        self._allow = allow
        self._resolver = resolver
        self._plain = plain
        self._inner = httpcore2.AnyIOBackend()

    async def judged(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be called; OutboundError when one of them may not."""
        name = host.casefold().rstrip(".")
        try:
            found = await self._resolver(name, port)
        except OSError as error:
            raise OutboundError(
                "outbound-dns",
                f"{name} has no address ({error.strerror or 'not found'}).",
                transient=getattr(error, "errno", None) == socket.EAI_AGAIN,
                fix="Check the name.",
            ) from error
        if self._allow.names(name, port):
            return found
        for text in found:
            address = ip_address(text.split("%", 1)[0])
            if self._allow.holds(address) or self._allow.holds(unwrapped(address)):
                continue
            if self._plain:
                raise OutboundError(
                    "outbound-http",
                    f"http is not allowed to {name}:{port}.",
                    transient=False,
                    fix="Use https, or put the host into allow_networks.",
                )
            if not is_public(address):
                raise OutboundError(
                    "outbound-address",
                    f"{name} leads to the internal address {address}, which is not allowed.",
                    transient=False,
                    fix="Put the network or host:port into allow_networks if that is meant.",
                )
        return found

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first judged address that answers."""
        failure: Exception = httpcore2.ConnectError("no address")
        for address in await self.judged(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


class _GuardedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over connections from a guarded backend."""

    def __init__(self, context: ssl.SSLContext, backend: _GuardedBackend) -> None:
        super().__init__(verify=context, trust_env=False, limits=LIMITS)
        # httpx2 has no parameter for httpcore2's network backend. Guarding where connections are
        # opened keeps names, certificates and reuse as they are; rewriting URLs to addresses would not.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=backend,
        )


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
        self._transports: dict[str, _GuardedTransport] = {}

    def tls_context(self) -> ssl.SSLContext:
        """Whom this way out trusts, for TLS that carries something else than HTTP."""
        return trusting(self._ca_files)

    async def judged(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to over TLS; OutboundError when one may not."""
        return await _GuardedBackend(self._rules, self._resolver, plain=False).judged(host, port)

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
            raise _failure(error, host) from error

    def _transport(self, scheme: str) -> _GuardedTransport:
        """Made with the first call: most commands make none."""
        made = self._transports.get(scheme)
        if made is None:
            backend = _GuardedBackend(self._rules, self._resolver, plain=scheme == "http")
            made = self._transports[scheme] = _GuardedTransport(self._context or trusting(()), backend)
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


def _failure(error: httpx2.HTTPError, host: str) -> OutboundError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or cause.reason or "handshake failed"
            return OutboundError(
                "outbound-tls",
                f"No trusted connection to {host}: {reason}.",
                transient=not isinstance(cause, ssl.SSLCertVerificationError),
                fix="Check the name and certificate; a private authority goes into ca_file.",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectError):
        return OutboundError("outbound-connect", f"{host} refused the connection.", transient=True)
    return OutboundError("outbound-broken", f"The connection to {host} broke.", transient=True)
