"""Directory objects of any type: one by id, many by ids, the deleted ones, app role assignments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph import agent_rules, settling
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.answerable import PEOPLE
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent, bad, invalid_value
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.principals import found_principal
from scim_bridge.sandbox.entra.graph.render import entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import (
    APPLICATION,
    DELETED,
    GROUP,
    PRINCIPAL,
    USER,
    Tenant,
    hidden,
    new_id,
)

ASSIGNMENTS = "appRoleAssignment"
NO_ROLE = "00000000-0000-0000-0000-000000000000"
MAX_IDS = 1000
_READ = {
    USER: may.USER_READ,
    GROUP: may.GROUP_READ,
    APPLICATION: may.BLUEPRINT_READ,
    PRINCIPAL: may.IDENTITY_READ,
}
_RESTORE = {
    USER: may.USER_WRITE,
    GROUP: may.GROUP_WRITE,
    APPLICATION: may.BLUEPRINT_DELETE,
    PRINCIPAL: (*may.IDENTITY_DELETE, *may.PRINCIPAL_DELETE),
}
_CASTS: Mapping[str, tuple[str, str | None]] = {
    "microsoft.graph.user": (USER, None),
    "microsoft.graph.group": (GROUP, None),
    "microsoft.graph.application": (APPLICATION, None),
    "microsoft.graph.serviceprincipal": (PRINCIPAL, None),
    "microsoft.graph.agentidentity": (PRINCIPAL, agent_rules.IDENTITY),
    "microsoft.graph.agentidentityblueprint": (APPLICATION, agent_rules.BLUEPRINT),
    "microsoft.graph.agentuser": (USER, agent_rules.AGENT_USER),
}
_ASSIGNMENTS = Collection("appRoleAssignments", "appRoleAssignment", {"principalId": False, "id": False})


def _get(tenant: Tenant, call: Call, path: Ids) -> Answer:
    found = tenant.anything(path["id"].lower())
    if found is None:
        raise absent(path["id"])
    call.needs(*_READ[found[0]])
    value = settling.reached(tenant, found[0], str(found[1]["id"]))
    return Answer(200, entity(call.root, "directoryObjects", shown(value, typed=True)))


def _by_ids(tenant: Tenant, call: Call, path: Ids) -> Answer:
    wanted = call.object().get("ids")
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise invalid_value("ids")
    if len(wanted) > MAX_IDS:
        raise bad(f"Too many ids: at most {MAX_IDS} in one request.")
    found = [one for one in (tenant.anything(each.lower()) for each in wanted) if one is not None]
    for kind, _ in found:
        call.needs(*_READ[kind])
    return Answer(200, {"value": [shown(value, typed=True) for _, value in found]})


def _deleted(tenant: Tenant, call: Call, path: Ids) -> Answer:
    kind, type_name = _CASTS[call.path[-1].lower()]
    call.needs(*_READ[kind])
    found = [value for _, value in tenant.store.all(DELETED) if hidden(value, "kind") == kind]
    return page(call, PEOPLE, [one for one in found if type_name in (None, one["@odata.type"])])


def _deleted_one(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = tenant.store.get(DELETED, path["id"].lower())
    if value is None:
        raise absent(path["id"])
    call.needs(*_READ[str(hidden(value, "kind"))])
    return Answer(200, entity(call.root, "directory/deletedItems", shown(value, typed=True)))


def _may_restore(tenant: Tenant, call: Call, path: Ids) -> str:
    value = tenant.store.get(DELETED, path["id"].lower())
    if value is None:
        raise absent(path["id"])
    call.needs(*_RESTORE[str(hidden(value, "kind"))])
    if hidden(value, "kind") == USER and tenant.user_named(str(value["userPrincipalName"])) is not None:
        raise bad("Another object with the same value for property userPrincipalName already exists.")
    return str(value["id"])


def _restore(tenant: Tenant, call: Call, path: Ids) -> Answer:
    back = tenant.restore(_may_restore(tenant, call, path))
    assert back is not None
    return Answer(200, entity(call.root, "directoryObjects", shown(back, typed=True)))


def _purge(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = tenant.store.get(DELETED, path["id"].lower())
    if value is None:
        raise absent(path["id"])
    call.needs(*_RESTORE[str(hidden(value, "kind"))])
    tenant.purge(str(value["id"]))
    return DONE


def _assign(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.ASSIGN_WRITE)
    body = agent_rules.plain(call.object())
    for name in ("principalId", "resourceId", "appRoleId"):
        if not isinstance(body.get(name), str):
            raise bad(f"A value is required for property '{name}' of resource 'AppRoleAssignment'.")
    own = path["id"].lower()
    if own != str(body["resourceId" if call.path[-1] == "appRoleAssignedTo" else "principalId"]).lower():
        raise bad("The id in the path does not match the body.")
    resource = settling.parent(
        tenant, tenant.find(PRINCIPAL, str(body["resourceId"]).lower()), body["resourceId"]
    )
    found = tenant.anything(str(body["principalId"]).lower())
    principal = settling.parent(tenant, None if found is None else found[1], body["principalId"])
    roles = resource.get("appRoles") or []
    role = next((one for one in roles if one.get("id") == body["appRoleId"]), None)
    if role is None and (roles or body["appRoleId"] != NO_ROLE):
        raise bad("Permission being assigned was not found on application.")
    if role is not None and not _assignable(role, principal):
        raise bad("Permission being assigned is not assignable to the principal's type.")
    made = _assignment(tenant, resource, principal, str(body["appRoleId"]))
    return Answer(201, entity(call.root, "appRoleAssignments", made))


def _assignable(role: Mapping[str, Any], principal: Mapping[str, Any]) -> bool:
    """Whether a role may go to users and groups, or to applications: allowedMemberTypes says so."""
    kind = str(principal["@odata.type"]).lower()
    wanted = "User" if kind.endswith(("user", "group")) else "Application"
    return wanted in (role.get("allowedMemberTypes") or ["User", "Application"])


def _assignment(
    tenant: Tenant, resource: Mapping[str, Any], principal: Mapping[str, Any], role: str
) -> dict[str, Any]:
    made = {
        "id": new_id(),
        "appRoleId": role,
        "createdDateTime": tenant.now_text(),
        "principalId": principal["id"],
        "principalDisplayName": principal["displayName"],
        "principalType": str(principal["@odata.type"]).rsplit(".", 1)[-1],
        "resourceId": resource["id"],
        "resourceDisplayName": resource["displayName"],
    }
    for _, other in tenant.store.all(ASSIGNMENTS):
        if all(other[name] == made[name] for name in ("appRoleId", "principalId", "resourceId")):
            raise bad("Permission being assigned already exists on the object")
    tenant.store.put(ASSIGNMENTS, str(made["id"]), made)
    return made


def _assignments(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = found_principal(tenant, call, path)
    side = "resourceId" if call.path[-1] == "appRoleAssignedTo" else "principalId"
    return page(
        call, _ASSIGNMENTS, [one for _, one in tenant.store.all(ASSIGNMENTS) if one[side] == value["id"]]
    )


def _unassign(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.ASSIGN_WRITE)
    if not tenant.store.delete(ASSIGNMENTS, path["other"]):
        raise absent(path["other"])
    return DONE


def operations() -> list[Operation]:
    """Directory-wide operations."""
    found = [
        Operation("GET", "directoryObjects/{id}", _get),
        Operation("POST", "directoryObjects/getByIds", _by_ids),
        *(Operation("GET", f"directory/deletedItems/{cast}", _deleted) for cast in _CASTS),
        Operation("GET", "directory/deletedItems/{id}", _deleted_one),
        Operation("DELETE", "directory/deletedItems/{id}", _purge),
        Operation("POST", "directory/deletedItems/{id}/restore", _restore),
    ]
    for side in ("appRoleAssignedTo", "appRoleAssignments"):
        found += [
            Operation("GET", f"servicePrincipals/{{id}}/{side}", _assignments),
            Operation("POST", f"servicePrincipals/{{id}}/{side}", _assign),
            Operation("DELETE", f"servicePrincipals/{{id}}/{side}/{{other}}", _unassign),
        ]
    return found
