"""Federated credentials of applications and blueprints.

Source: Graph resource page federatedIdentityCredential.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.app_credential_rules import BLUEPRINT, application_of, permit
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent, bad, invalid_value
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.route import Ids
from scim_bridge.sandbox.entra.sts.federation import MOST, federated_record
from scim_bridge.sandbox.entra.tenant import APPLICATION, Object, Tenant, hidden, new_id, with_hidden

FEDERATED = Collection("federatedIdentityCredentials", "federatedIdentityCredential", {"name": False})


def _shown_federated(record: Mapping[str, Any]) -> Object:
    names = ("id", "name", "issuer", "subject", "audiences", "description")
    return {name: record.get(name) for name in names}


def _of_application(value: Object) -> list[Object]:
    """The federated credentials; those of the control API get the names Graph would have asked for."""
    return [
        {
            **one,
            "id": one.get("id") or f"federated-{number}",
            "name": one.get("name") or f"federated-{number}",
        }
        for number, one in enumerate(hidden(value, "federated", []), start=1)
    ]


def list_federated(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """GET federatedIdentityCredentials."""
    value = application_of(tenant, call, path)
    call.needs(*(may.BLUEPRINT_READ if value["@odata.type"] == BLUEPRINT else may.APPLICATION_READ))
    return page(call, FEDERATED, [_shown_federated(one) for one in _of_application(value)])


def add_federated(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """POST federatedIdentityCredentials."""
    value = application_of(tenant, call, path)
    permit(call, value)
    wish, kept = call.object(), _of_application(value)
    name = wish.get("name")
    if not isinstance(name, str) or not 3 <= len(name) <= 120:
        raise invalid_value("name")
    if any(one["name"] == name for one in kept):
        raise bad("FederatedIdentityCredential with name already exists.")
    try:
        record = federated_record(wish)
    except ValueError:
        raise invalid_value("federatedIdentityCredentials") from None
    if any((one["issuer"], one["subject"]) == (record["issuer"], record["subject"]) for one in kept):
        raise bad("FederatedIdentityCredential with issuer and subject already exists.")
    if len(kept) >= MOST:
        raise bad(f"The number of federated identity credentials exceeds the limit of {MOST}.")
    made = {**record, "id": new_id(), "name": name, "description": wish.get("description")}
    tenant.put(APPLICATION, with_hidden(value, federated=[*kept, made]))
    return Answer(201, _shown_federated(made))


def delete_federated(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """DELETE one, by its id or name."""
    value = application_of(tenant, call, path)
    permit(call, value)
    kept = _of_application(value)
    left = [one for one in kept if path["credential"] not in (one["id"], one["name"])]
    if len(left) == len(kept):
        raise absent(path["credential"])
    tenant.put(APPLICATION, with_hidden(value, federated=left))
    return DONE
