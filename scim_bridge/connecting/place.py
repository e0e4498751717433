"""Whether Okta and Entra can reach, and will take, the address we tell them. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from scim_bridge.registry.setting_values import LOOPBACK

INTERNAL_NAME = re.compile(r"(?:^[^.]+|\.(?:local|internal|lan|corp|home|test))$")
FIX = "Set public_url to the https address the IdP calls (SCIM_BRIDGE_PUBLIC_URL=https://bridge.example.com)."


def unreachable(public_url: str, *, is_set: bool = True) -> tuple[str, str] | None:
    """What is wrong with our address for somebody outside, and what mends it; None when it will do."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    if not is_set:
        return f"public_url is not set, so links and doors say {public_url}.", FIX
    if host in LOOPBACK or inside(host):
        return f"Okta and Entra cannot reach {host}: it is inside.", FIX
    if parts.scheme != "https":
        return f"{public_url} is not https; Okta and Entra call nothing else.", FIX
    if parts.path.strip("/"):
        path = f"{public_url} has a path, and doors and pages are right behind the host."
        return path, f"Set public_url to {parts.scheme}://{parts.netloc}; the IdP is told that with /scim/v2."
    if "_" in host:
        return f"{host} has an underscore, which Okta refuses.", "Use a name without an underscore."
    return None


def inside(host: str) -> bool:
    """True for an address or a name that is only known inside."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return INTERNAL_NAME.search(host) is not None
