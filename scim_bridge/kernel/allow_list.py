"""What the administrator allows beside public HTTPS: networks, hosts, or host:port. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
# Names as resolvers take them (underscores: service names of containers); one that ends in a number is
# an address that was mistyped, never a name (WHATWG URL, section 3.5).
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}(?::|\Z))(?:{_LABEL}\.)*(?![0-9]+\.?(?::|\Z)){_LABEL}\.?")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


class AllowList:
    """The entries, read once. What `readable` refuses is never met by a name or an address."""

    def __init__(self, entries: Iterable[str]) -> None:
        networks: list[IPv4Network | IPv6Network] = []
        hosts: set[str] = set()
        for entry in entries:
            network = _network(entry)
            if network is not None:
                networks.append(network)
            else:
                hosts.add(entry.casefold().rstrip("."))
        self._networks = tuple(networks)
        self._hosts = frozenset(hosts)

    def names(self, host: str, port: int) -> bool:
        """True when this host, or this host with this port, is on the list."""
        return host in self._hosts or f"{host}:{port}" in self._hosts

    def holds(self, address: Address) -> bool:
        """True when the address is in an allowed network."""
        return any(address in network for network in self._networks)


def readable(entry: str) -> bool:
    """True for a network, an address, a host or host:port (IPv4 or a name)."""
    if _network(entry) is not None:
        return True
    host, colon, port = entry.partition(":")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return False
    if _ADDRESS.fullmatch(host):
        return _network(host) is not None
    return _HOST.fullmatch(host) is not None


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None
