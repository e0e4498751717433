"""What a subscription may be. Pure. Source: Graph resource "subscription", "Create subscription"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.sandbox.entra.graph.errors import GraphError
from scim_bridge.sandbox.kit.clock import SECOND, parse_iso

MINUTE = 60 * SECOND
# Of users and groups (Graph, maximum length of subscription per resource type).
LONGEST = 41_760 * MINUTE
LONGEST_STATE = 128
MOST = 100
CHANGES = ("created", "updated", "deleted")
LIFECYCLE = ("reauthorizationRequired", "subscriptionRemoved", "missed")


def refused(message: str, code: str = "InvalidRequest", status: int = 400) -> GraphError:
    """A subscription that is not taken."""
    return GraphError(status, code, message)


def read(body: Mapping[str, Any], now: int) -> dict[str, Any]:
    """A subscription as wished, checked; GraphError names what is wrong."""
    resource = str(body.get("resource") or "").strip("/")
    parts = resource.lower().split("/")
    if parts[0] != "users" or len(parts) > 2:
        raise refused(f"Resource '{resource}' is not supported for change notifications.")
    changes = [one.strip() for one in str(body.get("changeType") or "").split(",")]
    if not changes or any(one not in CHANGES for one in changes):
        raise refused("The changeType is not valid; it is made of created, updated and deleted.")
    urls = {name: _url(body, name) for name in ("notificationUrl", "lifecycleNotificationUrl")}
    if not urls["notificationUrl"]:
        raise refused("notificationUrl is required.")
    state = body.get("clientState")
    if state is not None and (not isinstance(state, str) or len(state) > LONGEST_STATE):
        raise refused(f"clientState must be at most {LONGEST_STATE} characters.")
    expires = expiry(body, now)
    return {"changeType": ",".join(changes), "resource": f"/{resource}", "expires": expires, **urls}


def expiry(body: Mapping[str, Any], now: int) -> int:
    """The end of a subscription; GraphError when it is past or too far."""
    try:
        expires = parse_iso(str(body.get("expirationDateTime")))
    except ValueError:
        raise refused("expirationDateTime is required and must be a date with time and zone.") from None
    if expires <= now:
        raise refused("Subscription expiration must be in the future.")
    if expires > now + LONGEST:
        raise refused("Subscription expiration can only be 41760 minutes in the future.")
    return expires


def _url(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None and name != "notificationUrl":
        return ""
    address = urlsplit(str(value or ""))
    if address.scheme != "https" or not address.hostname:
        raise refused(f"The {name} must be a valid https URL.")
    return str(value)
