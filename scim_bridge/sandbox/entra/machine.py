"""A machine in Azure: its managed identities, and the metadata service that gives out their tokens.

Source: Microsoft, "How to use managed identities for Azure resources on an Azure VM to acquire an access token".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph.permissions import KNOWN
from scim_bridge.sandbox.entra.sts import tokens
from scim_bridge.sandbox.entra.tenant import PRINCIPAL, Object, Tenant, hidden, new_id, with_hidden
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal, json_answer

KIND = "managedIdentity"
GROUP = "/subscriptions/00000000-0000-0000-0000-00000000beef/resourcegroups/sandbox/providers"
NOT_FOUND = "Identity not found"
SEVERAL = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the"
    " token request"
)


def assign(tenant: Tenant, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Give the machine a managed identity: `name`, `system` true or false, `roles` granted for Graph.

    Answers client_id, object_id, resource_id. Refusal when something is wrong.
    """
    roles = wish.get("roles", [])
    if not isinstance(roles, list) or set(roles) - KNOWN:
        raise Refusal("'roles' is a list of Microsoft Graph app roles.")
    name = str(wish.get("name") or "bridge-identity")
    principal = {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": new_id(),
        "appId": new_id(),
        "displayName": name,
        "servicePrincipalType": "ManagedIdentity",
        "accountEnabled": True,
        "createdDateTime": tenant.now_text(),
        "tags": [],
        "appRoles": [],
    }
    resource_id = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    with tenant.store.transaction():
        tenant.put(PRINCIPAL, with_hidden(principal, roles=roles))
        kept = {"object_id": principal["id"], "client_id": principal["appId"], "resource_id": resource_id}
        tenant.store.put(KIND, str(principal["id"]), {**kept, "system": bool(wish.get("system"))})
    return {**kept, "tenant_id": tenant.id}


def routes(tenant: Tenant, key: RSAKey) -> list[BaseRoute]:
    """The token endpoint of the metadata service."""

    async def identity_token(request: Request) -> Response:
        if request.headers.get("metadata") != "true" or "x-forwarded-for" in request.headers:
            return _refused("bad_request_102", "Required metadata header not specified")
        query = request.query_params
        if not query.get("api-version") or not query.get("resource"):
            return _refused("invalid_request", "Required query variable 'resource' is missing")
        found = _chosen(tenant, query)
        if isinstance(found, str):
            return _refused("invalid_request", found)
        return json_answer(_answer(tenant, key, found, query["resource"]))

    return [Route("/metadata/identity/oauth2/token", identity_token, methods=["GET"])]


def _refused(error: str, description: str) -> Response:
    return json_answer({"error": error, "error_description": description}, 400)


def _chosen(tenant: Tenant, query: Mapping[str, str]) -> Object | str:
    """The service principal of the identity a call names, or why there is none."""
    kept = [one for _, one in tenant.store.all(KIND)]
    asked = {
        name: query[sent]
        for sent, name in (
            ("client_id", "client_id"),
            ("object_id", "object_id"),
            ("msi_res_id", "resource_id"),
            ("mi_res_id", "resource_id"),
        )
        if query.get(sent)
    }
    if asked:
        found = [one for one in kept if all(one[name] == value for name, value in asked.items())]
    else:
        found = [one for one in kept if one["system"]] or [one for one in kept if not one["system"]]
        if len(found) > 1:
            return SEVERAL
    principal = tenant.find(PRINCIPAL, str(found[0]["object_id"])) if found else None
    return NOT_FOUND if principal is None else principal


def _answer(tenant: Tenant, key: RSAKey, principal: Object, resource: str) -> dict[str, Any]:
    seconds, now = settings.load(tenant.store).token_seconds, tenant.now()
    token = tokens.access_token(
        key,
        tenant.id,
        app_id=str(principal["appId"]),
        object_id=str(principal["id"]),
        name=str(principal["displayName"]),
        roles=hidden(principal, "roles", []),
        kind="managedIdentity",
        now=now,
        seconds=seconds,
        audience=resource,
        issuer=f"{tenant.base_url}/{tenant.id}/v2.0" if resource == tokens.EXCHANGE else "",
    )
    return {
        "access_token": token,
        "client_id": principal["appId"],
        "expires_in": str(seconds),
        "expires_on": str(now // SECOND + seconds),
        "ext_expires_in": str(seconds),
        "not_before": str(now // SECOND),
        "resource": resource,
        "token_type": "Bearer",
    }
