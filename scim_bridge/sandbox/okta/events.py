"""The System Log: what happened, who did it, to whom; kept in the order it was written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.okta.api.gate import Caller
from scim_bridge.sandbox.okta.hooks import queue as hooks
from scim_bridge.sandbox.okta.org import Org

MESSAGES = {
    "user.lifecycle.create": "Create okta user",
    "user.lifecycle.activate": "Activate Okta user",
    "user.lifecycle.reactivate": "Reactivate Okta user",
    "user.lifecycle.suspend": "Suspend Okta user",
    "user.lifecycle.unsuspend": "Unsuspend Okta user",
    "user.lifecycle.deactivate": "Deactivate Okta user",
    "user.lifecycle.delete.initiated": "User delete initiated",
    "user.lifecycle.delete.completed": "User delete completed",
    "user.account.update_profile": "Update user profile for Okta",
    "user.account.update_user_type": "Change user type",
    "user_type.create": "Create user type",
    "user_type.update": "Update user type",
    "user_type.delete": "Delete user type",
    "user_schema.update": "Update user schema",
    "group.lifecycle.create": "Create Okta group",
    "group.lifecycle.delete": "Delete Okta group",
    "group.profile.update": "Update Okta group",
    "group.user_membership.add": "Add user to group membership",
    "group.user_membership.remove": "Remove user from group membership",
    "application.user_membership.add": "Add user to application membership",
    "application.user_membership.remove": "Remove user's application membership",
    "application.user_membership.update": "Update user's application membership",
    "application.provision.user.push": "Push new user to external application",
    "application.provision.user.push_profile": "Push user's profile to external application",
    "application.provision.user.deactivate": "Deactivate user's application account",
    "application.provision.user.reactivate": "Reactivate user's application account",
    "application.provision.user.import": "Import user from external application",
    "application.provision.group_push.push": "Push group to external application",
    "application.provision.group_push.delete": "Delete pushed group in external application",
    "workload_principal.register": "Register an AI agent",
    "workload_principal.update": "Update an AI agent",
    "workload_principal.activate": "Activate an AI agent",
    "workload_principal.deactivate": "Deactivate an AI agent",
    "workload_principal.delete": "Delete an AI agent",
    "resource.owner.update": "Update the owners of a resource",
    "certification.campaign.item.decide": "Access certification campaign item decided",
    "app.oauth2.token.grant.access_token": "OAuth2 access token is granted",
}


def user_target(user: Mapping[str, Any]) -> dict[str, Any]:
    """A user as the target of an event."""
    profile = user["profile"]
    return {
        "id": user["id"],
        "type": "User",
        "alternateId": profile.get("login"),
        "displayName": f"{profile.get('firstName') or ''} {profile.get('lastName') or ''}".strip(),
        "detailEntry": None,
    }


def group_target(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group as the target of an event."""
    return {
        "id": group["id"],
        "type": "UserGroup",
        "alternateId": "unknown",
        "displayName": group["profile"]["name"],
        "detailEntry": None,
    }


def app_target(app: Mapping[str, Any]) -> dict[str, Any]:
    """The app as the target of an event."""
    return {
        "id": app["id"],
        "type": "AppInstance",
        "alternateId": app["label"],
        "displayName": app["label"],
        "detailEntry": None,
    }


def other_target(kind: str, key: str, name: str) -> dict[str, Any]:
    """Anything else as the target of an event."""
    return {"id": key, "type": kind, "alternateId": None, "displayName": name, "detailEntry": None}


def write(
    org: Org,
    kind: str,
    actor: Caller,
    targets: Sequence[Mapping[str, Any]],
    *,
    result: str = "SUCCESS",
    reason: str | None = None,
    debug: Mapping[str, Any] | None = None,
    published: str | None = None,
) -> None:
    """Add an event to the log and tell hooks of it; call it in the transaction of what happened.

    `published` is when it happened, where that is not now: a late event, or a clock that is wrong.
    """
    key = org.ids.new("")
    event_id = str(uuid.uuid4())
    who = {"id": actor.id, "type": actor.kind, "alternateId": actor.name, "displayName": actor.name}
    event: dict[str, Any] = {
        "key": key,
        "actor": who,
        "client": None,
        "authenticationContext": {"authenticationStep": 0, "externalSessionId": "unknown"},
        "displayMessage": MESSAGES[kind],
        "eventType": kind,
        "outcome": {"result": result, "reason": reason[:255] if reason else None},
        "published": published or org.stamp(),
        "securityContext": {},
        "severity": "INFO" if result == "SUCCESS" else "ERROR",
        "debugContext": {"debugData": dict(debug or {})},
        "legacyEventType": None,
        "transaction": {"type": "WEB", "id": event_id.replace("-", ""), "detail": {}},
        "uuid": event_id,
        "version": "0",
        "request": {"ipChain": []},
        "target": [dict(target) for target in targets],
    }
    org.store.put("log", key, event)
    hooks.enqueue(org, event)
