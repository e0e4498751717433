"""What can be done with the credentials of applications and blueprints, and their last use."""

from __future__ import annotations

from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.app_federated import add_federated, delete_federated, list_federated
from scim_bridge.sandbox.entra.graph.app_keys import add_key, remove_key
from scim_bridge.sandbox.entra.graph.app_passwords import add_password, remove_password
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import Tenant
from scim_bridge.sandbox.kit.clock import iso

USE = "credentialuse"
ACTIVITIES = Collection(
    "reports/appCredentialSignInActivities", "appCredentialSignInActivity", {"appId": False, "keyId": False}
)


def _list_activities(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.AUDIT_READ, "Directory.Read.All")
    if call.version != "beta":
        raise absent("appCredentialSignInActivities")
    found = [
        {
            "id": f"{value['appId']}.{key}",
            "appId": value["appId"],
            "keyId": key,
            "keyType": value["keyType"],
            "credentialOrigin": "application",
            "signInActivity": {"lastSignInDateTime": iso(value["at"])[:19] + "Z"},
        }
        for key, value in tenant.store.all(USE)
    ]
    return page(call, ACTIVITIES, found)


def operations() -> list[Operation]:
    """What can be done with the credentials of an application, by its id or through its type."""
    each = ("applications/{id}", "applications/{id}/microsoft.graph.agentIdentityBlueprint")
    return [
        Operation("GET", "reports/appCredentialSignInActivities", _list_activities),
        *(
            Operation(method, template + suffix, run)
            for template in each
            for method, suffix, run in (
                ("POST", "/addPassword", add_password),
                ("POST", "/removePassword", remove_password),
                ("POST", "/addKey", add_key),
                ("POST", "/removeKey", remove_key),
                ("GET", "/federatedIdentityCredentials", list_federated),
                ("POST", "/federatedIdentityCredentials", add_federated),
                ("DELETE", "/federatedIdentityCredentials/{credential}", delete_federated),
            )
        ),
    ]
