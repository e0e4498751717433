"""Attribute sets and definitions of custom security attributes."""

from __future__ import annotations

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import attribute_rules as rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.assigning import DEFINITIONS, SETS
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import GraphError, absent, bad, invalid_value
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.render import entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import Object, Tenant

_SETS = Collection("directory/attributeSets", "attributeSet", {"id": False}, sortable=("id",))
_DEFINITIONS = Collection(
    "directory/customSecurityAttributeDefinitions",
    "customSecurityAttributeDefinition",
    {"id": False, "name": False, "attributeSet": False, "status": False, "type": False},
    sortable=("id", "name"),
)


def _allowed(tenant: Tenant, call: Call, roles: tuple[str, ...]) -> None:
    call.needs(*roles)
    if not settings.load(tenant.store).attributes_licensed:
        raise GraphError(403, "Forbidden", "Tenant is not licensed for this feature.")


def _taken(name: str) -> GraphError:
    return GraphError(
        409,
        "Request_MultipleObjectsWithSameKeyValue",
        f"A conflicting object '{name}' is present in the directory.",
    )


def _list_sets(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_READ)
    return page(call, _SETS, [value for _, value in tenant.store.all(SETS)])


def _get_set(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_READ)
    return Answer(200, entity(call.root, "directory/attributeSets", shown(_found(tenant, SETS, path["id"]))))


def _create_set(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_WRITE)
    made = rules.attribute_set(call.object())
    key = str(made["id"]).lower()
    if tenant.store.get(SETS, key) is not None:
        raise _taken(str(made["id"]))
    if len(tenant.store.all(SETS)) >= rules.MAX_SETS:
        raise bad(f"A tenant has at most {rules.MAX_SETS} attribute sets.")
    tenant.store.put(SETS, key, made)
    return Answer(201, entity(call.root, "directory/attributeSets", made))


def _change_set(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_WRITE)
    value = _found(tenant, SETS, path["id"])
    body = {name: item for name, item in call.object().items() if "@odata." not in name}
    if "id" in body and body["id"] != value["id"]:
        raise bad("Property 'id' cannot be changed.")
    tenant.store.put(SETS, path["id"].lower(), rules.attribute_set({**value, **body}))
    return DONE


def _list_definitions(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_READ)
    return page(call, _DEFINITIONS, [value for _, value in tenant.store.all(DEFINITIONS)])


def _get_definition(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_READ)
    body = shown(_found(tenant, DEFINITIONS, path["id"]))
    return Answer(200, entity(call.root, "directory/customSecurityAttributeDefinitions", body))


def _create_definition(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_WRITE)
    body = call.object()
    if not isinstance(body.get("attributeSet", ""), str):
        raise invalid_value("attributeSet")
    made = rules.definition(body)
    owner = tenant.store.get(SETS, str(made["attributeSet"]).lower())
    if owner is None:
        raise bad(f"The attribute set '{made['attributeSet']}' does not exist.")
    made = {**made, "attributeSet": owner["id"], "id": f"{owner['id']}_{made['name']}"}
    key = str(made["id"]).lower()
    if tenant.store.get(DEFINITIONS, key) is not None:
        raise _taken(str(made["id"]))
    _check_room(tenant, owner)
    tenant.store.put(DEFINITIONS, key, made)
    return Answer(201, entity(call.root, "directory/customSecurityAttributeDefinitions", shown(made)))


def _check_room(tenant: Tenant, owner: Object) -> None:
    active = [value for _, value in tenant.store.all(DEFINITIONS) if value["status"] == "Available"]
    if len(active) >= rules.MAX_DEFINITIONS:
        raise bad(f"A tenant has at most {rules.MAX_DEFINITIONS} active attribute definitions.")
    most = owner.get("maxAttributesPerSet")
    if most is not None and sum(one["attributeSet"] == owner["id"] for one in active) >= most:
        raise bad(f"The attribute set '{owner['id']}' has its maximum of {most} attributes.")


def _change_definition(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _allowed(tenant, call, may.DEFINITION_WRITE)
    value = _found(tenant, DEFINITIONS, path["id"])
    tenant.store.put(DEFINITIONS, path["id"].lower(), rules.definition_changed(value, call.object()))
    return DONE


def _found(tenant: Tenant, kind: str, name: str) -> Object:
    value = tenant.store.get(kind, name.lower())
    if value is None:
        raise absent(name)
    return value


def operations() -> list[Operation]:
    """Sets and definitions; neither can be deleted, as in the real directory."""
    definitions = "directory/customSecurityAttributeDefinitions"
    return [
        Operation("GET", "directory/attributeSets", _list_sets),
        Operation("POST", "directory/attributeSets", _create_set),
        Operation("GET", "directory/attributeSets/{id}", _get_set),
        Operation("PATCH", "directory/attributeSets/{id}", _change_set),
        Operation("GET", definitions, _list_definitions),
        Operation("POST", definitions, _create_definition),
        Operation("GET", f"{definitions}/{{id}}", _get_definition),
        Operation("PATCH", f"{definitions}/{{id}}", _change_definition),
    ]
