"""What a user may hold. Pure. Source: Graph resource "user", "Create user", "Update user"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph.agent_rules import check_flag, check_name, check_text, check_upn, plain
from scim_bridge.sandbox.entra.graph.errors import bad, invalid_value, read_only
from scim_bridge.sandbox.entra.tenant import Object
from scim_bridge.sandbox.kit.clock import parse_iso

USER = "#microsoft.graph.user"
TEXTS = {
    "givenName": 64,
    "surname": 64,
    "jobTitle": 128,
    "department": 64,
    "companyName": 64,
    "mailNickname": 64,
    "employeeId": 16,
    "employeeType": 256,
    "officeLocation": 128,
    "mobilePhone": 64,
    "preferredLanguage": 32,
    "usageLocation": 2,
    "streetAddress": 1024,
    "city": 128,
    "state": 128,
    "postalCode": 40,
    "country": 128,
    "mail": 256,
}
OTHERS = (
    "displayName",
    "accountEnabled",
    "userPrincipalName",
    "userType",
    "businessPhones",
    "otherMails",
    "employeeLeaveDateTime",
    "employeeHireDate",
    "passwordProfile",
    "identityParentId",
    "onPremisesExtensionAttributes",
)
READ_ONLY = ("id", "createdDateTime", "deletedDateTime", "identityParentId")
SETTABLE = frozenset({*TEXTS, *OTHERS, "customSecurityAttributes"})
SELECTABLE = SETTABLE | {"id", "createdDateTime", "manager"}


def user(body: Mapping[str, Any], given: Mapping[str, Any]) -> Object:
    """A new human user; GraphError when something required is missing or wrong."""
    wanted = plain(body)
    for name in ("accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"):
        if wanted.get(name) in (None, "", {}):
            raise bad(f"A value is required for property '{name}' of resource 'User'.")
    if "customSecurityAttributes" in wanted:
        raise bad("Custom security attributes cannot be assigned while the object is created.")
    check(wanted)
    profile = wanted.pop("passwordProfile")
    if not isinstance(profile, Mapping) or len(str(profile.get("password") or "")) < 8:
        raise bad("The specified password does not comply with password complexity requirements.")
    return {"@odata.type": USER, "userType": "Member", "mail": None, "businessPhones": [], **wanted, **given}


def check(wanted: Mapping[str, Any]) -> None:
    """GraphError unless a user may hold these properties with these values."""
    for name in wanted:
        if name not in SETTABLE:
            raise bad(f"Invalid property '{name}'.")
    check_name(wanted)
    check_flag(wanted, "accountEnabled")
    check_upn(wanted)
    for name, most in TEXTS.items():
        check_text(wanted, name, most)
    for name in ("businessPhones", "otherMails"):
        value = wanted.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise invalid_value(name)
    leave = wanted.get("employeeLeaveDateTime")
    if leave is not None:
        try:
            parse_iso(str(leave))
        except ValueError:
            raise invalid_value("employeeLeaveDateTime") from None


def check_change(wanted: Mapping[str, Any]) -> None:
    """GraphError unless these properties of a user may be changed."""
    for name in wanted:
        if name in READ_ONLY:
            raise read_only(name)
    check(wanted)
