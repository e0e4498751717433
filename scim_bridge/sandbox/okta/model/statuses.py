"""The life of an Okta user: which lifecycle call is allowed in which status, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.okta.errors import OktaError, invalid

STAGED = "STAGED"
PROVISIONED = "PROVISIONED"
ACTIVE = "ACTIVE"
RECOVERY = "RECOVERY"
LOCKED_OUT = "LOCKED_OUT"
PASSWORD_EXPIRED = "PASSWORD_EXPIRED"
SUSPENDED = "SUSPENDED"
DEPROVISIONED = "DEPROVISIONED"
ALL = (STAGED, PROVISIONED, ACTIVE, RECOVERY, LOCKED_OUT, PASSWORD_EXPIRED, SUSPENDED, DEPROVISIONED)

ACTIONS = ("activate", "reactivate", "suspend", "unsuspend", "deactivate")
SIGN_IN_ELSEWHERE = ("FEDERATION", "SOCIAL", "IMPORT", "ACTIVE_DIRECTORY", "LDAP")


def signs_in(credentials: Mapping[str, Any]) -> bool:
    """True when a user with these credentials needs no welcome mail: a password, or another provider."""
    provider = credentials.get("provider") or {}
    return "password" in credentials or provider.get("type") in SIGN_IN_ELSEWHERE


def after(action: str, status: str, credentials: Mapping[str, Any]) -> str:
    """The status a lifecycle call leads to; OktaError when it is refused in this status."""
    if action == "activate":
        if status == ACTIVE:
            raise OktaError("E0000016")
        if status not in (STAGED, DEPROVISIONED):
            raise OktaError("E0000038")
        return ACTIVE if signs_in(credentials) else PROVISIONED
    if action == "reactivate":
        if status not in (PROVISIONED, RECOVERY):
            raise OktaError("E0000038")
        return status
    if action == "suspend":
        if status != ACTIVE:
            raise invalid("suspendUser", "Cannot suspend a user that is not active")
        return SUSPENDED
    if action == "unsuspend":
        if status != SUSPENDED:
            raise invalid("unsuspendUser", "Cannot unsuspend a user that is not suspended")
        return ACTIVE
    if action == "deactivate":
        if status == DEPROVISIONED:
            raise OktaError("E0000038")
        return DEPROVISIONED
    raise OktaError("E0000008")


def created(*, activate: bool, credentials: Mapping[str, Any], change_password: bool) -> str:
    """The status of a new user."""
    if not activate:
        return STAGED
    if change_password and "password" in credentials:
        return PASSWORD_EXPIRED
    return ACTIVE if signs_in(credentials) else PROVISIONED


def allowed(status: str, credentials: Mapping[str, Any]) -> list[str]:
    """The lifecycle calls that would be followed now."""
    found = []
    for action in ACTIONS:
        try:
            after(action, status, credentials)
        except OktaError:
            continue
        found.append(action)
    return found
