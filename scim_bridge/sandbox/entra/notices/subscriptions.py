"""/subscriptions: make, read, renew, end. A new one counts once its addresses echoed a token."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.notices import model
from scim_bridge.sandbox.entra.tenant import Tenant, new_id
from scim_bridge.sandbox.kit.clock import iso

SUBSCRIPTION = "subscription"
SECRET = "subscriptionsecret"

Subscription = dict[str, Any]


def alive(tenant: Tenant) -> list[Subscription]:
    """Every subscription that has not ended; those that have are forgotten."""
    found = []
    for key, value in tenant.store.all(SUBSCRIPTION):
        if value["expires"] <= tenant.now():
            tenant.store.delete(SUBSCRIPTION, key)
        else:
            found.append(value)
    return found


def client_state(tenant: Tenant, key: str) -> str | None:
    """What notices of a subscription carry."""
    kept = tenant.store.get(SECRET, key)
    return None if kept is None else kept.get("secret")


def _shown(value: Subscription) -> dict[str, Any]:
    """As Graph shows one: never with its clientState."""
    return {
        "id": value["id"],
        "resource": value["resource"],
        "applicationId": value["applicationId"],
        "changeType": value["changeType"],
        "clientState": None,
        "notificationUrl": value["notificationUrl"],
        "lifecycleNotificationUrl": value["lifecycleNotificationUrl"] or None,
        "expirationDateTime": iso(value["expires"]),
        "creatorId": value["applicationId"],
        "latestSupportedTlsVersion": "v1_2",
    }


def _own(tenant: Tenant, call: Call) -> list[Subscription]:
    return [one for one in alive(tenant) if one["applicationId"] == call.caller.app_id]


def _need(tenant: Tenant, call: Call, path: Ids) -> Subscription:
    key = path["id"].lower()
    found = next((one for one in _own(tenant, call) if one["id"] == key), None)
    if found is None:
        raise absent(key)
    return found


def _create(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    body = call.object()
    wished = model.read(body, call.now)
    if len(_own(tenant, call)) >= model.MOST:
        raise model.refused("Quota of subscriptions for the application is exceeded.", status=403)
    made = {
        "id": new_id(),
        "applicationId": call.caller.app_id,
        "proven": False,
        "told": tenant.change(),
        "warned": False,
        **wished,
    }
    tenant.store.put(SUBSCRIPTION, made["id"], made)
    tenant.store.put(SECRET, made["id"], {"secret": body.get("clientState")})
    shown = {**_shown(made), "clientState": body.get("clientState")}
    return Answer(201, {"@odata.context": f"{call.root}/$metadata#subscriptions/$entity", **shown})


def _list(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    rows = [_shown(one) for one in _own(tenant, call)]
    return Answer(200, {"@odata.context": f"{call.root}/$metadata#subscriptions", "value": rows})


def _get(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    return Answer(200, _shown(_need(tenant, call, path)))


def _renew(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    found = _need(tenant, call, path)
    after = {**found, "expires": model.expiry(call.object(), call.now), "warned": False}
    tenant.store.put(SUBSCRIPTION, found["id"], after)
    return Answer(200, _shown(after))


def _reauthorize(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    found = _need(tenant, call, path)
    tenant.store.put(SUBSCRIPTION, found["id"], {**found, "warned": False})
    return DONE


def _end(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    forget(tenant, _need(tenant, call, path)["id"])
    return DONE


def forget(tenant: Tenant, key: str) -> None:
    """End a subscription."""
    tenant.store.delete(SUBSCRIPTION, key)
    tenant.store.delete(SECRET, key)


def operations() -> list[Operation]:
    """What can be done with subscriptions."""
    return [
        Operation("GET", "subscriptions", _list),
        Operation("POST", "subscriptions", _create),
        Operation("GET", "subscriptions/{id}", _get),
        Operation("PATCH", "subscriptions/{id}", _renew),
        Operation("DELETE", "subscriptions/{id}", _end),
        Operation("POST", "subscriptions/{id}/reauthorize", _reauthorize),
    ]
