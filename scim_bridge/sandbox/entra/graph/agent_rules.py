"""What blueprints, their principals, agent identities and agent users may hold. Pure.

Source: Graph resource pages agentIdentityBlueprint, agentIdentity, agentUser; Entra agent identity error codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph.errors import bad, invalid_value, read_only
from scim_bridge.sandbox.entra.tenant import Object

BLUEPRINT = "#microsoft.graph.agentIdentityBlueprint"
PRINCIPAL = "#microsoft.graph.agentIdentityBlueprintPrincipal"
IDENTITY = "#microsoft.graph.agentIdentity"
AGENT_USER = "#microsoft.graph.agentUser"

BLUEPRINT_SETTABLE = frozenset(
    {
        "api",
        "appRoles",
        "description",
        "displayName",
        "groupMembershipClaims",
        "identifierUris",
        "info",
        "inheritablePermissions",
        "keyCredentials",
        "optionalClaims",
        "requiredResourceAccess",
        "serviceManagementReference",
        "signInAudience",
        "tags",
        "tokenEncryptionKeyId",
        "uniqueName",
        "web",
    }
)
IDENTITY_SETTABLE = frozenset({"displayName", "accountEnabled", "tags", "customSecurityAttributes"})
IDENTITY_READ_ONLY = frozenset(
    {
        "agentIdentityBlueprintId",
        "createdByAppId",
        "createdDateTime",
        "disabledByMicrosoftStatus",
        "id",
        "servicePrincipalType",
    }
)
CREDENTIALS = frozenset({"passwordCredentials", "keyCredentials", "federatedIdentityCredentials"})
PRINCIPAL_SETTABLE = frozenset(
    {"accountEnabled", "appRoleAssignmentRequired", "tags", "customSecurityAttributes"}
)
UPN = re.compile(r"[A-Za-z0-9'._!#^~-]{1,64}@[A-Za-z0-9.-]{1,255}")


def plain(body: Mapping[str, Any]) -> Object:
    """A body without its annotations."""
    return {name: value for name, value in body.items() if "@odata." not in name}


def blueprint(body: Mapping[str, Any], given: Mapping[str, Any]) -> Object:
    """A new blueprint from a body and what the directory gives it (ids, times); GraphError otherwise."""
    wanted = plain(body)
    check_blueprint(wanted)
    if "displayName" not in wanted:
        raise bad("A value is required for property 'displayName' of resource 'AgentIdentityBlueprint'.")
    return {
        "@odata.type": BLUEPRINT,
        "description": None,
        "identifierUris": [],
        "tags": [],
        "appRoles": [],
        "requiredResourceAccess": [],
        "signInAudience": "AzureADMyOrg",
        "serviceManagementReference": None,
        "uniqueName": None,
        **wanted,
        **given,
    }


def check_blueprint(wanted: Mapping[str, Any]) -> None:
    """GraphError unless a blueprint may hold these properties."""
    for name in wanted:
        if name not in BLUEPRINT_SETTABLE:
            raise bad(
                f"The property '{name}' is incompatible with agent identity blueprints and can't be set.",
                "AgentBlueprint_IncompatibleProperty",
            )
    check_name(wanted)
    check_tags(wanted)
    check_text(wanted, "description", 1024)


def blueprint_principal(
    body: Mapping[str, Any], application: Mapping[str, Any], given: Mapping[str, Any]
) -> Object:
    """A new blueprint principal of an application; GraphError when that is no blueprint."""
    for name in plain(body):
        if name != "appId":
            raise bad(
                f"The property '{name}' is incompatible with agent identity blueprint principals and can't be set.",
                "AgentBlueprintPrincipal_IncompatibleProperty",
            )
    if application.get("@odata.type") != BLUEPRINT:
        raise bad(
            "Agent identity blueprint principals can only be created for Agent Blueprints.",
            "AgentBlueprintPrincipal_RequireAgentBlueprint",
        )
    return {
        "@odata.type": PRINCIPAL,
        "accountEnabled": True,
        "appId": application["appId"],
        "appRoleAssignmentRequired": False,
        "displayName": application["displayName"],
        "servicePrincipalNames": [application["appId"]],
        "servicePrincipalType": "Application",
        "signInAudience": application.get("signInAudience"),
        "tags": [],
        "appRoles": application.get("appRoles") or [],
        **given,
    }


def identity(body: Mapping[str, Any], given: Mapping[str, Any]) -> Object:
    """A new agent identity; GraphError for what one cannot hold."""
    wanted = plain(body)
    blueprint_id = wanted.pop("agentIdentityBlueprintId", None)
    if not isinstance(blueprint_id, str) or not blueprint_id:
        raise bad("A value is required for property 'agentIdentityBlueprintId' of resource 'AgentIdentity'.")
    if "customSecurityAttributes" in wanted:
        raise bad("Custom security attributes cannot be assigned while the object is created.")
    check_identity(wanted)
    if "displayName" not in wanted:
        raise bad("A value is required for property 'displayName' of resource 'AgentIdentity'.")
    return {
        "@odata.type": IDENTITY,
        "accountEnabled": True,
        "disabledByMicrosoftStatus": None,
        "servicePrincipalType": "ServiceIdentity",
        "tags": [],
        **wanted,
        "agentIdentityBlueprintId": blueprint_id.lower(),
        **given,
    }


def check_identity(wanted: Mapping[str, Any]) -> None:
    """GraphError unless these properties of an agent identity may be set."""
    for name in wanted:
        if name in CREDENTIALS:
            raise bad(
                "Credentials are not supported for agent identities. All credentials must be added to the agent "
                "identity blueprint.",
                "AgentIdentity_CredentialsNotSupported",
            )
        if name in IDENTITY_READ_ONLY:
            raise read_only(name)
        if name not in IDENTITY_SETTABLE:
            raise bad(
                f"The property '{name}' is incompatible with agent identity and can't be set.",
                "AgentBlueprintPrincipal_AgentIdentity_IncompatibleProperty",
            )
    check_name(wanted)
    check_tags(wanted)
    check_flag(wanted, "accountEnabled")


def check_principal(wanted: Mapping[str, Any]) -> None:
    """GraphError unless these properties of a blueprint principal may be set."""
    for name in wanted:
        if name not in PRINCIPAL_SETTABLE:
            raise bad(
                f"The property '{name}' is incompatible with agent identity blueprint principals and can't be set.",
                "AgentBlueprintPrincipal_IncompatibleProperty",
            )
    check_tags(wanted)
    check_flag(wanted, "accountEnabled")


def agent_user(body: Mapping[str, Any], given: Mapping[str, Any]) -> Object:
    """A new agent user; GraphError when something required is missing or wrong."""
    wanted = plain(body)
    for name in ("accountEnabled", "displayName", "mailNickname", "userPrincipalName", "identityParentId"):
        if wanted.get(name) in (None, ""):
            raise bad(f"A value is required for property '{name}' of resource 'AgentUser'.")
    if "passwordProfile" in wanted:
        raise bad("Property 'passwordProfile' is not supported for agent users.")
    check_name(wanted)
    check_flag(wanted, "accountEnabled")
    check_text(wanted, "mailNickname", 64)
    check_upn(wanted)
    return {
        "@odata.type": AGENT_USER,
        "userType": "Member",
        "mail": wanted["userPrincipalName"],
        **wanted,
        **given,
    }


def all_tags(own: Iterable[str], inherited: Iterable[str]) -> list[str]:
    """The tags of an agent identity: its own and its blueprint's."""
    return list(dict.fromkeys([*own, *inherited]))


def check_name(wanted: Mapping[str, Any]) -> None:
    """GraphError unless displayName, when there, is text of 1 to 256 characters."""
    if "displayName" in wanted:
        value = wanted["displayName"]
        if not isinstance(value, str) or not value.strip() or len(value) > 256:
            raise invalid_value("displayName")


def check_text(wanted: Mapping[str, Any], name: str, most: int) -> None:
    """GraphError unless a property, when there and not null, is text of at most `most` characters."""
    value = wanted.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise invalid_value(name)


def check_flag(wanted: Mapping[str, Any], name: str) -> None:
    """GraphError unless a property, when there, is true or false."""
    if name in wanted and not isinstance(wanted[name], bool):
        raise invalid_value(name)


def check_tags(wanted: Mapping[str, Any]) -> None:
    """GraphError unless tags, when there, are a list of texts."""
    tags = wanted.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(one, str) and len(one) <= 256 for one in tags):
        raise invalid_value("tags")


def check_upn(wanted: Mapping[str, Any]) -> None:
    """GraphError unless userPrincipalName, when there, is alias@domain in the letters Entra allows."""
    value = wanted.get("userPrincipalName")
    if value is not None and (not isinstance(value, str) or not UPN.fullmatch(value)):
        raise bad("Property userPrincipalName is invalid.")
