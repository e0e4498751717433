"""Applications and agent identity blueprints: made, read, changed, deleted."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import agent_rules as rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph import settling
from scim_bridge.sandbox.entra.graph.app_keys import with_keys
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.cascade import delete_application
from scim_bridge.sandbox.entra.graph.errors import GraphError, absent, bad
from scim_bridge.sandbox.entra.graph.links import bound, ids
from scim_bridge.sandbox.entra.graph.listing import Collection, page, selected
from scim_bridge.sandbox.entra.graph.people_rules import check_owners, check_sponsors
from scim_bridge.sandbox.entra.graph.render import entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import (
    APPLICATION,
    DELETED,
    Object,
    Tenant,
    new_id,
    with_hidden,
)

TYPED = "applications/microsoft.graph.agentIdentityBlueprint"
FILTERABLE = {
    "id": False,
    "appId": False,
    "displayName": False,
    "uniqueName": False,
    "createdDateTime": False,
    "identifierUris": False,
    "tags": False,
    "serviceManagementReference": True,
}
EVERY = Collection("applications", "application", FILTERABLE, typed=True)
BLUEPRINTS = Collection(TYPED, "agentIdentityBlueprint", FILTERABLE, typed=True)


def found_application(tenant: Tenant, call: Call, path: Ids) -> Object:
    """The application of a path (id, appId or uniqueName), of the type its cast says; 404 otherwise."""
    key = path["id"]
    name, separator, text = key.partition("=")
    value = text.strip("'")
    if not separator:
        found: Object | None = reached_application(tenant, key)
    elif name == "appId":
        found = tenant.application_of(value)
    else:
        found = next((one for one in tenant.every(APPLICATION) if one.get(name) == value), None)
    if found is None or not settling.settled(tenant, str(found["id"])):
        raise absent(key)
    typed = any(part.startswith("microsoft.graph.") for part in call.path)
    if typed and found["@odata.type"] != rules.BLUEPRINT:
        raise absent(key)
    return found


def reached_application(tenant: Tenant, object_id: str) -> Object:
    """An application by object id; 404 when it is not there."""
    return settling.reached(tenant, APPLICATION, object_id.lower())


def _is_blueprint(value: Object) -> bool:
    return bool(value["@odata.type"] == rules.BLUEPRINT)


def _list(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.APPLICATION_READ)
    return page(call, EVERY, tenant.listing(APPLICATION))


def _list_blueprints(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.BLUEPRINT_READ)
    return page(call, BLUEPRINTS, [one for one in tenant.listing(APPLICATION) if _is_blueprint(one)])


def _get(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = found_application(tenant, call, path)
    call.needs(*(may.BLUEPRINT_READ if _is_blueprint(value) else may.APPLICATION_READ))
    return Answer(200, entity(call.root, "applications", shown(value, selected(call, EVERY))))


def _create(tenant: Tenant, call: Call, path: Ids) -> Answer:
    body = call.object()
    kind = f"#{str(body.get('@odata.type', 'microsoft.graph.application')).lstrip('#')}".lower()
    if call.path[-1].lower() != "applications" or kind == rules.BLUEPRINT.lower():
        return _create_blueprint(tenant, call, body)
    if kind != "#microsoft.graph.application":
        raise bad(f"The type '{body.get('@odata.type')}' is not a type of applications.")
    call.needs(*may.APPLICATION_WRITE)
    wanted = rules.plain(body)
    rules.check_blueprint(wanted)
    if "displayName" not in wanted:
        raise bad("A value is required for property 'displayName' of resource 'Application'.")
    made = {"@odata.type": "#microsoft.graph.application", "tags": [], **wanted, **_given(tenant, call)}
    return _made(tenant, call, made)


def _create_blueprint(
    tenant: Tenant, call: Call, body: dict[str, Any], given: Object | None = None
) -> Answer:
    call.needs(*may.BLUEPRINT_CREATE)
    sponsors, owners = bound(tenant, body, "sponsors"), bound(tenant, body, "owners")
    made = rules.blueprint(body, {**_given(tenant, call), **(given or {})})
    check_sponsors(sponsors, needed=True)
    check_owners(owners)
    _check_room(tenant)
    name = made.get("uniqueName")
    if name is not None and any(one.get("uniqueName") == name for one in tenant.every(APPLICATION)):
        raise bad("Another object with the same value for property uniqueName already exists.")
    return _made(tenant, call, with_hidden(made, sponsors=ids(sponsors), owners=ids(owners)))


def _check_room(tenant: Tenant) -> None:
    gone = [value for _, value in tenant.store.all(DELETED)]
    count = sum(one["@odata.type"] == rules.BLUEPRINT for one in [*tenant.every(APPLICATION), *gone])
    if count >= settings.load(tenant.store).max_blueprints:
        raise bad(
            "The maximum number of agent identity blueprints allowed has been reached, including active and "
            "soft-deleted items.",
            "AgentBlueprint_LimitExceeded",
        )


def _given(tenant: Tenant, call: Call) -> Object:
    return {
        "id": new_id(),
        "appId": new_id(),
        "createdDateTime": tenant.now_text(),
        "createdByAppId": call.caller.app_id,
        "publisherDomain": tenant.domain,
        "passwordCredentials": [],
        "keyCredentials": [],
    }


def _made(tenant: Tenant, call: Call, made: Object) -> Answer:
    kept = tenant.put(APPLICATION, made)
    settling.begin(tenant, str(made["id"]))
    return Answer(201, entity(call.root, "applications", shown(kept)))


def _change(tenant: Tenant, call: Call, path: Ids) -> Answer:
    body = call.object()
    try:
        value = found_application(tenant, call, path)
    except GraphError:
        name, _, text = path["id"].partition("=")
        if name == "uniqueName" and "create-if-missing" in call.headers.get("prefer", ""):
            return _create_blueprint(tenant, call, body, {"uniqueName": text.strip("'")})
        raise
    wanted = rules.plain(body)
    keys = wanted.pop("keyCredentials", None)
    branding = keys is None and set(wanted) <= {"displayName", "description", "info", "tags"}
    if not _is_blueprint(value):
        call.needs(*may.APPLICATION_WRITE)
    elif keys is not None and not wanted:
        call.needs(*may.BLUEPRINT_CREDENTIALS)
    else:
        call.needs(*(may.BLUEPRINT_BRAND if branding else may.BLUEPRINT_WRITE))
    rules.check_blueprint(wanted)
    after = {**value, **wanted}
    tenant.put(APPLICATION, after if keys is None else with_keys(after, keys, call.now))
    return DONE


def _delete(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = found_application(tenant, call, path)
    call.needs(*(may.BLUEPRINT_DELETE if _is_blueprint(value) else may.APPLICATION_WRITE))
    delete_application(tenant, value)
    return DONE


def operations() -> list[Operation]:
    """What can be done with applications and blueprints."""
    each = ("applications/{id}", "applications/{id}/microsoft.graph.agentIdentityBlueprint")
    return [
        Operation("GET", "applications", _list),
        Operation("POST", "applications", _create),
        Operation("GET", TYPED, _list_blueprints),
        Operation("POST", TYPED, _create),
        *(
            Operation(method, template + suffix, run)
            for template in each
            for method, suffix, run in (
                ("GET", "", _get),
                ("PATCH", "", _change),
                ("DELETE", "", _delete),
            )
        ),
    ]
