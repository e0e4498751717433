"""Agent identities and service principals made: who may, under which parent, how many."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import agent_rules as rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph import settling
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import GraphError, bad
from scim_bridge.sandbox.entra.graph.links import bound, ids
from scim_bridge.sandbox.entra.graph.people_rules import check_owners, check_sponsors
from scim_bridge.sandbox.entra.graph.principals import visible
from scim_bridge.sandbox.entra.graph.render import PLAIN_PRINCIPAL, entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import PRINCIPAL, Object, Tenant, new_id, with_hidden


def _create_identity(tenant: Tenant, call: Call, path: Ids) -> Answer:
    body = call.object()
    _check_type(body, rules.IDENTITY)
    call.needs(*may.IDENTITY_CREATE)
    sponsors = bound(tenant, body, "sponsors")
    owners = bound(tenant, body, "owners")
    made = rules.identity(body, {"id": new_id(), **_origin(tenant, call)})
    _check_creator(call, str(made["agentIdentityBlueprintId"]))
    _check_parent(tenant, str(made["agentIdentityBlueprintId"]))
    check_sponsors(sponsors, needed=True)
    check_owners(owners)
    kept = _keep(tenant, with_hidden(made, sponsors=ids(sponsors), owners=ids(owners)))
    body = shown(visible(tenant, kept))
    return Answer(201, entity(call.root, "servicePrincipals", body))


def _check_creator(call: Call, blueprint_id: str) -> None:
    caller = call.caller
    if caller.kind == "agentIdentity":
        raise GraphError(
            403,
            "Error_AgentIdentitiesCreatingAgentIdentitiesNotAllowed",
            "Agent identities can't create other agent identities.",
        )
    if caller.kind == "blueprint" and caller.app_id != blueprint_id:
        raise GraphError(
            403,
            "Error_AgentBlueprintCannotCreateAssociatedIdentity",
            "Agent identity blueprints can't create agent identities that are associated with another blueprint.",
        )
    if "AgentIdentity.Create.All" not in caller.roles and caller.app_id != blueprint_id:
        raise GraphError(
            403,
            "Error_AgentIdentitySelfCreateRequired",
            "Applications can only create agent identities under themselves. The provided AgentIdentityBlueprintId "
            "doesn't match the calling application's AppId.",
        )


def _check_parent(tenant: Tenant, blueprint_id: str) -> None:
    application = settling.parent(tenant, tenant.application_of(blueprint_id), blueprint_id)
    if application.get("@odata.type") != rules.BLUEPRINT:
        raise bad(
            "The specified Application (AppId) isn't an Agent Blueprint.",
            "AgentIdentity_IncompatibleParentType",
        )
    principal = tenant.principal_of(blueprint_id)
    if principal is None:
        raise bad(
            "The Agent Blueprint Principal for the Agent Blueprint does not exist.",
            "AgentIdentity_AgentBlueprintPrincipalDoesNotExist",
        )
    settling.parent(tenant, principal, blueprint_id)
    most = settings.load(tenant.store).max_identities_per_blueprint
    if tenant.count_children(blueprint_id) >= most:
        raise bad(
            "The maximum number of agent identities allowed has been reached, including active and soft-deleted "
            "entries.",
            "AgentIdentity_LimitExceeded",
        )


def _create_blueprint_principal(tenant: Tenant, call: Call, path: Ids) -> Answer:
    body = call.object()
    _check_type(body, rules.PRINCIPAL)
    call.needs(*may.PRINCIPAL_CREATE)
    sponsors, owners = bound(tenant, body, "sponsors"), bound(tenant, body, "owners")
    application = _application(tenant, body)
    given = {"id": new_id(), **_origin(tenant, call)}
    made = rules.blueprint_principal(body, application, given)
    check_sponsors(sponsors, needed=False)
    check_owners(owners)
    kept = _keep(tenant, with_hidden(made, sponsors=ids(sponsors), owners=ids(owners)))
    return Answer(201, entity(call.root, "servicePrincipals", shown(kept)))


def _create(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """`POST /servicePrincipals`: the type stands in the body, or follows from the application."""
    body = call.object()
    kind = f"#{str(body.get('@odata.type', '')).lstrip('#')}".lower()
    if kind == rules.IDENTITY.lower():
        return _create_identity(tenant, call, path)
    if kind == rules.PRINCIPAL.lower():
        return _create_blueprint_principal(tenant, call, path)
    application = _application(tenant, body)
    if application["@odata.type"] == rules.BLUEPRINT:
        return _create_blueprint_principal(tenant, call, path)
    call.needs(*may.APPLICATION_WRITE)
    made = {
        "@odata.type": PLAIN_PRINCIPAL,
        "id": new_id(),
        "appId": application["appId"],
        "displayName": application["displayName"],
        "servicePrincipalType": "Application",
        "accountEnabled": True,
        "tags": [],
        "appRoles": application.get("appRoles") or [],
        **_origin(tenant, call),
    }
    return Answer(201, entity(call.root, "servicePrincipals", shown(_keep(tenant, made))))


def _application(tenant: Tenant, body: dict[str, Any]) -> Object:
    app_id = body.get("appId")
    if not isinstance(app_id, str) or not app_id:
        raise bad("A value is required for property 'appId' of resource 'ServicePrincipal'.")
    if tenant.principal_of(app_id) is not None:
        raise GraphError(
            409,
            "Request_MultipleObjectsWithSameKeyValue",
            f"The service principal cannot be created, updated, or restored because the service principal name "
            f"{app_id} is already in use.",
        )
    found = tenant.application_of(app_id)
    if found is None:
        raise bad(
            f"The appId '{app_id}' of the service principal does not reference a valid application object."
        )
    return settling.parent(tenant, found, app_id)


def _origin(tenant: Tenant, call: Call) -> Object:
    return {"createdByAppId": call.caller.app_id, "createdDateTime": tenant.now_text()}


def _keep(tenant: Tenant, made: Object) -> Object:
    if made["@odata.type"] == rules.PRINCIPAL:
        # A blueprint may make and manage its own children without a grant (Entra, "agent blueprints").
        application = tenant.application_of(str(made["appId"]))
        if application is not None:
            roles = sorted({*application.get("$", {}).get("roles", []), may.AS_MANAGER})
            tenant.put("application", with_hidden(application, roles=roles))
    if made["@odata.type"] == rules.IDENTITY:
        tenant.count_children(str(made["agentIdentityBlueprintId"]), 1)
    kept = tenant.put(PRINCIPAL, made)
    settling.begin(tenant, str(made["id"]))
    return kept


def _check_type(body: dict[str, Any], wanted: str) -> None:
    kind = body.get("@odata.type")
    if kind is not None and f"#{str(kind).lstrip('#')}".lower() != wanted.lower():
        raise bad(f"The type '{kind}' in '@odata.type' is not the type of the path.")


def operations() -> list[Operation]:
    """How service principals come to be."""
    return [
        Operation("POST", "servicePrincipals", _create),
        Operation("POST", "servicePrincipals/microsoft.graph.agentIdentity", _create_identity),
        Operation(
            "POST",
            "servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal",
            _create_blueprint_principal,
        ),
    ]
