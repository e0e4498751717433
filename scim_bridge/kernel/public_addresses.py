"""Which addresses are of the open internet, and what is reached through those that hold another one."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

from scim_bridge.kernel.allow_list import Address

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
