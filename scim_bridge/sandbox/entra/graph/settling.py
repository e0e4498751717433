"""Eventual consistency: a fresh object is not found yet by the calls that need it, as often as settings say."""

from __future__ import annotations

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph.errors import NotSettled, absent, bad
from scim_bridge.sandbox.entra.tenant import Object, Tenant
from scim_bridge.sandbox.kit.clock import SECOND

KIND = "settling"


def begin(tenant: Tenant, object_id: str) -> None:
    """Note that an object was made just now."""
    rules = settings.load(tenant.store)
    if rules.settle_misses or rules.settle_seconds:
        until = tenant.now() + int(rules.settle_seconds * SECOND)
        tenant.store.put(KIND, object_id, {"misses": rules.settle_misses, "until": until})


def missed(tenant: Tenant, object_id: str) -> None:
    """Count one miss."""
    entry = tenant.store.get(KIND, object_id)
    if entry is not None:
        tenant.store.put(KIND, object_id, {**entry, "misses": max(0, int(entry["misses"]) - 1)})


def settled(tenant: Tenant, object_id: str) -> bool:
    """True when everybody sees the object."""
    entry = tenant.store.get(KIND, object_id)
    if entry is None:
        return True
    if int(entry["misses"]) > 0 or int(entry["until"]) > tenant.now():
        return False
    tenant.store.delete(KIND, object_id)
    return True


def reached(tenant: Tenant, kind: str, object_id: str) -> Object:
    """The object a path names; 404 when it is not there, or not there yet."""
    found = tenant.find(kind, object_id)
    if found is None:
        raise absent(object_id)
    if not settled(tenant, object_id):
        raise NotSettled(absent(object_id), object_id)
    return found


def parent(tenant: Tenant, found: Object | None, name: str) -> Object:
    """The object another one is made under; 400 when it is not there, or not there yet."""
    missing = bad(f"Object with id {name} not found.")
    if found is None:
        raise missing
    if not settled(tenant, str(found["id"])):
        raise NotSettled(missing, str(found["id"]))
    return found
