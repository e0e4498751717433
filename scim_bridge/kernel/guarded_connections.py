"""Connections to exactly the addresses that were judged just before.

A name is resolved, every address it has is judged, and the connection goes to one of those: a name that resolves
differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from scim_bridge.kernel.allow_list import AllowList
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.public_addresses import is_public, unwrapped

Resolver = Callable[[str, int], Awaitable[list[str]]]
LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)


async def resolve(host: str, port: int) -> list[str]:
    """Every address the system's resolver knows for a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
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


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over connections from a guarded backend."""

    def __init__(self, context: ssl.SSLContext, backend: GuardedBackend) -> None:
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
