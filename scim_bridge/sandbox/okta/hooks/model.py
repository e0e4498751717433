"""What a hook may be: its fields, its events, its channel. Pure. Source: Okta, Event Hooks API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.sandbox.okta.errors import OktaError, invalid

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"
VERIFIED, UNVERIFIED = "VERIFIED", "UNVERIFIED"
MOST_ACTIVE = 25
MOST_TYPES = 300
# Of what this org writes into its log, the types that hooks may have; the others are in the log only.
ELIGIBLE = frozenset(
    {
        "user.lifecycle.create",
        "user.lifecycle.activate",
        "user.lifecycle.reactivate",
        "user.lifecycle.suspend",
        "user.lifecycle.unsuspend",
        "user.lifecycle.deactivate",
        "user.lifecycle.delete.initiated",
        "user.account.update_profile",
        "group.lifecycle.create",
        "group.lifecycle.delete",
        "group.profile.update",
        "group.user_membership.add",
        "group.user_membership.remove",
        "application.user_membership.add",
        "application.user_membership.remove",
        "application.user_membership.update",
        "application.provision.user.push",
        "application.provision.user.push_profile",
        "application.provision.user.reactivate",
        "certification.campaign.item.decide",
    }
)
ENVELOPE = {
    "eventType": "com.okta.event_hook",
    "eventTypeVersion": "1.0",
    "cloudEventsVersion": "0.1",
    "contentType": "application/json",
}


def read_hook(body: Any) -> tuple[dict[str, Any], str]:
    """(name, events and channel as they are shown, the secret of the auth scheme); OktaError when refused."""
    if not isinstance(body, Mapping):
        raise OktaError("E0000003")
    name = body.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 255:
        raise invalid("name", "name: The field cannot be left blank")
    channel, secret = _channel(body.get("channel"))
    shown = {"name": name, "description": body.get("description"), "events": _events(body.get("events"))}
    return {**shown, "channel": channel}, secret


def _events(value: Any) -> dict[str, Any]:
    items = value.get("items") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or value.get("type") != "EVENT_TYPE" or not isinstance(items, list):
        raise invalid("events", "events: The type must be EVENT_TYPE, with a list of items")
    if not items or len(items) > MOST_TYPES:
        raise invalid("events", f"events.items: There must be between 1 and {MOST_TYPES} event types")
    for item in items:
        if item not in ELIGIBLE:
            raise invalid("events.items", f"events.items: {item} is not an event type for event hooks")
    if value.get("filter") is not None:
        raise invalid("events.filter", "events.filter: Filters are not enabled for this org")
    return {"type": "EVENT_TYPE", "items": list(dict.fromkeys(items)), "filter": None}


def _channel(value: Any) -> tuple[dict[str, Any], str]:
    config = value.get("config") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or value.get("type") != "HTTP" or not isinstance(config, Mapping):
        raise invalid("channel", "channel: The type must be HTTP, with a config")
    if not value.get("version"):
        raise invalid("channel.version", "channel.version: The field cannot be left blank")
    address = urlsplit(str(config.get("uri") or ""))
    if address.scheme != "https" or not address.hostname:
        raise invalid("channel.config.uri", "channel.config.uri: The uri must be an https address")
    scheme = config.get("authScheme") or {}
    if not isinstance(scheme, Mapping) or (scheme and scheme.get("type") != "HEADER"):
        raise invalid("channel.config.authScheme", "authScheme: The type must be HEADER")
    if scheme and not (scheme.get("key") and scheme.get("value")):
        raise invalid("channel.config.authScheme", "authScheme: The key and value cannot be left blank")
    shown = {
        "uri": str(config["uri"]),
        "headers": _headers(config.get("headers") or []),
        "method": "POST",
        # The value is never shown again.
        "authScheme": {"type": "HEADER", "key": str(scheme["key"])} if scheme else None,
    }
    return {"type": "HTTP", "version": str(value["version"]), "config": shown}, str(scheme.get("value") or "")


def _headers(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, Sequence) or not all(
        isinstance(one, Mapping) and one.get("key") for one in value
    ):
        raise invalid("channel.config.headers", "headers: Every header has a key and a value")
    return [{"key": str(one["key"]), "value": str(one.get("value") or "")} for one in value]


def listens(hook: Mapping[str, Any], kind: str) -> bool:
    """True when a hook is told of events of this kind."""
    alive = hook["status"] == ACTIVE and hook["verificationStatus"] == VERIFIED
    return alive and kind in hook["events"]["items"]


def again(status: int, tries: int) -> bool:
    """True when an attempt is made once more: one retry at most, none after a 4xx."""
    return tries < 2 and not 200 <= status < 300 and not 400 <= status < 500
