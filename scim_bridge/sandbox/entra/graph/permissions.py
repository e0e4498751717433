"""The app roles of Microsoft Graph this tenant knows, and which of them allow what.

From the permission tables of the Graph reference (least privileged and higher). Where those say nothing
for applications (attest, lifecycle), the write role of the object is taken.
"""

from __future__ import annotations

APPLICATION_READ = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
APPLICATION_WRITE = ("Application.ReadWrite.All", "Directory.ReadWrite.All")

IDENTITY_LIST = ("AgentIdentity.Read.All", "AgentIdentity.ReadWrite.All")
IDENTITY_READ = (*IDENTITY_LIST, *APPLICATION_READ)
IDENTITY_CREATE = ("AgentIdentity.Create.All", "AgentIdentity.CreateAsManager")
IDENTITY_WRITE = ("AgentIdentity.ReadWrite.All",)
IDENTITY_ENABLE = ("AgentIdentity.EnableDisable.All", *IDENTITY_WRITE)
IDENTITY_DELETE = ("AgentIdentity.DeleteRestore.All", *IDENTITY_WRITE)
AS_MANAGER = "AgentIdentity.CreateAsManager"

BLUEPRINT_LIST = ("AgentIdentityBlueprint.Read.All", "AgentIdentityBlueprint.ReadWrite.All")
BLUEPRINT_READ = (*BLUEPRINT_LIST, *APPLICATION_READ)
BLUEPRINT_WRITE = ("AgentIdentityBlueprint.ReadWrite.All",)
BLUEPRINT_CREATE = ("AgentIdentityBlueprint.Create", *BLUEPRINT_WRITE)
BLUEPRINT_BRAND = ("AgentIdentityBlueprint.UpdateBranding.All", *BLUEPRINT_WRITE)
BLUEPRINT_CREDENTIALS = ("AgentIdentityBlueprint.AddRemoveCreds.All", *BLUEPRINT_WRITE)
BLUEPRINT_DELETE = ("AgentIdentityBlueprint.DeleteRestore.All", *BLUEPRINT_WRITE)

PRINCIPAL_LIST = ("AgentIdentityBlueprintPrincipal.Read.All", "AgentIdentityBlueprintPrincipal.ReadWrite.All")
PRINCIPAL_READ = (*PRINCIPAL_LIST, *APPLICATION_READ)
PRINCIPAL_WRITE = ("AgentIdentityBlueprintPrincipal.ReadWrite.All",)
PRINCIPAL_CREATE = ("AgentIdentityBlueprintPrincipal.Create", *PRINCIPAL_WRITE)
PRINCIPAL_ENABLE = ("AgentIdentityBlueprintPrincipal.EnableDisable.All", *PRINCIPAL_WRITE)
PRINCIPAL_DELETE = ("AgentIdentityBlueprintPrincipal.DeleteRestore.All", *PRINCIPAL_WRITE)

USER_READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
USER_WRITE = ("User.ReadWrite.All", "Directory.ReadWrite.All")
USER_ENABLE = ("User.EnableDisableAccount.All", *USER_WRITE)
AGENT_USER_WRITE = (
    "AgentIdUser.ReadWrite.IdentityParentedBy",
    "AgentIdUser.ReadWrite.All",
    "User.ReadWrite.All",
)
LEAVE_DATE_READ = ("User-LifeCycleInfo.Read.All", "User-LifeCycleInfo.ReadWrite.All")
LEAVE_DATE_WRITE = ("User-LifeCycleInfo.ReadWrite.All",)

GROUP_READ = ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
GROUP_WRITE = ("Group.ReadWrite.All", "Directory.ReadWrite.All")
MEMBER_READ = ("GroupMember.Read.All", "GroupMember.ReadWrite.All", *GROUP_READ)
MEMBER_WRITE = ("GroupMember.ReadWrite.All", *GROUP_WRITE)

ATTRIBUTE_READ = ("CustomSecAttributeAssignment.Read.All", "CustomSecAttributeAssignment.ReadWrite.All")
ATTRIBUTE_WRITE = ("CustomSecAttributeAssignment.ReadWrite.All",)
DEFINITION_READ = ("CustomSecAttributeDefinition.Read.All", "CustomSecAttributeDefinition.ReadWrite.All")
DEFINITION_WRITE = ("CustomSecAttributeDefinition.ReadWrite.All",)

POLICY_READ = ("LifecyclePolicies-AgentId.Read.All", "LifecyclePolicies-AgentId.ReadWrite.All")
POLICY_WRITE = ("LifecyclePolicies-AgentId.ReadWrite.All",)
ATTEST = (*IDENTITY_WRITE, *POLICY_WRITE)
LIFECYCLE_READ = (*IDENTITY_LIST, *POLICY_READ)

REGISTRY_READ = ("AgentRegistration.Read.All", "AgentRegistration.ReadWrite.All")
REGISTRY_WRITE = ("AgentRegistration.ReadWrite.All",)
DOMAIN_READ = ("Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All")
AUDIT_READ = ("AuditLog.Read.All",)

ASSIGN_WRITE = ("AppRoleAssignment.ReadWrite.All",)

KNOWN = frozenset(
    role
    for name, roles in list(globals().items())
    if name.isupper() and isinstance(roles, tuple)
    for role in roles
) | {"GroupMember.ReadWrite.All", "Organization.Read.All"}
"""Every role that may be granted; an app registration with another one is refused."""
