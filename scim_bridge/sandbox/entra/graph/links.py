"""References in bodies: `@odata.bind` lists and `@odata.id` of `$ref` calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.sandbox.entra.graph.errors import absent, bad
from scim_bridge.sandbox.entra.graph.settling import reached
from scim_bridge.sandbox.entra.tenant import APPLICATION, GROUP, PRINCIPAL, USER, Object, Tenant

COLLECTIONS = {
    "users": USER,
    "groups": GROUP,
    "serviceprincipals": PRINCIPAL,
    "applications": APPLICATION,
    "directoryobjects": "",
}
GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

Target = tuple[str, Object]
"""The type of a referenced object, and the object."""


def bound(tenant: Tenant, body: dict[str, Any], name: str) -> list[Target]:
    """Take `name@odata.bind` out of a body: the objects it names; 400 or 404 when one cannot be had."""
    urls = body.pop(f"{name}@odata.bind", [])
    if not isinstance(urls, list) or not all(isinstance(one, str) for one in urls):
        raise bad(f"Invalid value specified for property '{name}@odata.bind' of resource.")
    return [target(tenant, one) for one in urls]


def referenced(tenant: Tenant, body: dict[str, Any]) -> Target:
    """The object a `$ref` body names."""
    url = body.get("@odata.id")
    if not isinstance(url, str) or set(body) - {"@odata.id", "@odata.context"}:
        raise bad("A reference is an object with the single member '@odata.id'.")
    return target(tenant, url)


def target(tenant: Tenant, url: str) -> Target:
    """The object a reference URL names: https://host/version/collection/id."""
    split = urlsplit(url)
    parts = [part for part in split.path.split("/") if part]
    if split.scheme != "https" or len(parts) < 3 or parts[0] not in ("v1.0", "beta"):
        raise bad(f"Invalid URL format specified in @odata.bind or @odata.id: '{url[:200]}'.")
    kind, object_id = COLLECTIONS.get(parts[1].lower()), parts[2]
    if kind is None or not GUID.fullmatch(object_id):
        raise bad(f"Invalid object identifier '{object_id[:100]}'.")
    if kind:
        return kind, reached(tenant, kind, object_id.lower())
    found = tenant.anything(object_id.lower())
    if found is None:
        raise absent(object_id)
    return found[0], reached(tenant, found[0], object_id.lower())


def ids(targets: Sequence[Target]) -> list[str]:
    """The ids of referenced objects."""
    return [str(value["id"]) for _, value in targets]
