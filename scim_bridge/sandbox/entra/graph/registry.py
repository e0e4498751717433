"""The agent registry of Agent 365 (beta): entries about agents. Source: Graph "Create agentRegistration"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import agent_rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import GraphError, absent, bad, invalid_value, unknown_segment
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.render import entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import PRINCIPAL, USER, Object, Tenant, new_id
from scim_bridge.sandbox.kit.clock import parse_iso

KIND = "agentRegistration"
BASE = "copilot/agentRegistrations"
REQUIRED = ("displayName", "createdBy", "sourceCreatedDateTime", "sourceLastModifiedDateTime")
TEXTS = (
    *REQUIRED,
    "description",
    "sourceAgentId",
    "originatingStore",
    "managedByAppId",
    "agentIdentityId",
    "agentIdentityBlueprintId",
)
_ENTRIES = Collection(BASE, "agentRegistration", {"id": False, "displayName": False})


def _open(tenant: Tenant, call: Call, roles: tuple[str, ...]) -> None:
    if call.version != "beta":
        raise unknown_segment("copilot")
    call.needs(*roles)
    if not settings.load(tenant.store).agent_registry:
        raise GraphError(403, "Forbidden", "Agent 365 is not enabled for this tenant.")


def _checked(tenant: Tenant, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in wanted.items():
        if name == "ownerIds":
            if not isinstance(value, list) or not all(tenant.find(USER, str(one)) for one in value):
                raise invalid_value("ownerIds")
        elif name in TEXTS:
            if value is not None and not isinstance(value, str):
                raise invalid_value(name)
            if name.endswith("DateTime"):
                _instant(name, value)
        elif name != "agentCard":
            raise bad(f"Invalid property '{name}'.")
    identity = wanted.get("agentIdentityId")
    found = tenant.find(PRINCIPAL, str(identity).lower()) if identity else None
    if identity and (found is None or found["@odata.type"] != agent_rules.IDENTITY):
        raise bad(f"Object with id {identity} not found.")
    return wanted


def _instant(name: str, value: Any) -> None:
    try:
        parse_iso(str(value))
    except ValueError:
        raise invalid_value(name) from None


def _list(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _open(tenant, call, may.REGISTRY_READ)
    return page(call, _ENTRIES, [value for _, value in tenant.store.all(KIND)])


def _create(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _open(tenant, call, may.REGISTRY_WRITE)
    wanted = agent_rules.plain(call.object())
    for name in REQUIRED:
        if wanted.get(name) in (None, ""):
            raise bad(f"A value is required for property '{name}' of resource 'agentRegistration'.")
    made = {**_checked(tenant, wanted), "id": new_id()}
    tenant.store.put(KIND, made["id"], made)
    return Answer(201, entity(call.root, BASE, {"id": made["id"]}))


def _found(tenant: Tenant, path: Ids) -> Object:
    value = tenant.store.get(KIND, path["id"].lower())
    if value is None:
        raise absent(path["id"])
    return value


def _get(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _open(tenant, call, may.REGISTRY_READ)
    return Answer(200, entity(call.root, BASE, shown(_found(tenant, path))))


def _change(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _open(tenant, call, may.REGISTRY_WRITE)
    value = _found(tenant, path)
    wanted = _checked(tenant, agent_rules.plain(call.object()))
    tenant.store.put(KIND, str(value["id"]), {**value, **wanted})
    return DONE


def _delete(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _open(tenant, call, may.REGISTRY_WRITE)
    tenant.store.delete(KIND, str(_found(tenant, path)["id"]))
    return DONE


def operations() -> list[Operation]:
    """Entries listed, made, read, changed and removed."""
    return [
        Operation("GET", BASE, _list),
        Operation("POST", BASE, _create),
        Operation("GET", f"{BASE}/{{id}}", _get),
        Operation("PATCH", f"{BASE}/{{id}}", _change),
        Operation("DELETE", f"{BASE}/{{id}}", _delete),
    ]
