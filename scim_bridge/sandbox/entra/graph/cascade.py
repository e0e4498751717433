"""What goes when something is deleted: children of a blueprint, the user account of an agent identity.

Source: Entra "agent identity deletion" (the cascade soft-deletes identities and their user accounts).
"""

from __future__ import annotations

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import agent_rules as rules
from scim_bridge.sandbox.entra.tenant import APPLICATION, PRINCIPAL, USER, Object, Tenant


def delete_identity(tenant: Tenant, identity: Object) -> None:
    """Soft-delete an agent identity and, where the tenant does that, its user account."""
    user = tenant.agent_user_of(str(identity["id"]))
    if user is not None and settings.load(tenant.store).cascade_users:
        tenant.delete(USER, str(user["id"]))
    tenant.delete(PRINCIPAL, str(identity["id"]))


def delete_principal(tenant: Tenant, principal: Object) -> None:
    """Soft-delete a service principal and, of a blueprint's, every child."""
    if principal["@odata.type"] == rules.PRINCIPAL:
        for child in children(tenant, str(principal["appId"])):
            delete_identity(tenant, child)
    tenant.delete(PRINCIPAL, str(principal["id"]))


def delete_application(tenant: Tenant, application: Object) -> None:
    """Soft-delete an application, its service principal and, of a blueprint's, every child."""
    principal = tenant.principal_of(str(application["appId"]))
    if principal is not None:
        delete_principal(tenant, principal)
    tenant.delete(APPLICATION, str(application["id"]))


def children(tenant: Tenant, blueprint_app_id: str) -> list[Object]:
    """The live agent identities of a blueprint."""
    return [one for one in tenant.every(PRINCIPAL) if one.get("agentIdentityBlueprintId") == blueprint_app_id]
