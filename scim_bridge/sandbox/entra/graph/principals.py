"""Service principals: applications' own, blueprints', and agent identities; read, changed, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph import agent_rules as rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.assigning import assign
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.cascade import delete_identity, delete_principal
from scim_bridge.sandbox.entra.graph.errors import absent, bad
from scim_bridge.sandbox.entra.graph.listing import Collection, page, selected
from scim_bridge.sandbox.entra.graph.render import ATTRIBUTES, PLAIN_PRINCIPAL, entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.graph.settling import reached
from scim_bridge.sandbox.entra.tenant import PRINCIPAL, Object, Tenant

FILTERABLE = {
    "id": False,
    "displayName": False,
    "appId": False,
    "accountEnabled": False,
    "servicePrincipalType": False,
    "agentIdentityBlueprintId": False,
    "createdByAppId": True,
    "createdDateTime": True,
    "tags": False,
}
EVERY = Collection("servicePrincipals", "servicePrincipal", FILTERABLE, typed=True)
IDENTITIES = Collection(
    "servicePrincipals/microsoft.graph.agentIdentity", "agentIdentity", FILTERABLE, most=100, typed=True
)
PRINCIPALS = Collection(
    "servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal",
    "agentIdentityBlueprintPrincipal",
    FILTERABLE,
    typed=True,
)
# No quote inside: what is written otherwise takes the long way and finds the same.
_ONE_TAG = re.compile(r"tags/any\((?P<name>\w+):(?P=name) eq '(?P<tag>[^']*)'\)")
_READ: Mapping[str, tuple[str, ...]] = {
    rules.IDENTITY: may.IDENTITY_READ,
    rules.PRINCIPAL: may.PRINCIPAL_READ,
    PLAIN_PRINCIPAL: may.APPLICATION_READ,
}


def found_principal(tenant: Tenant, call: Call, ids: Ids, *, reading: bool = True) -> Object:
    """The service principal of a path, of the type its cast says; 404 otherwise, 403 when it may not be read."""
    key = ids["id"]
    if key.startswith("appId="):
        own = tenant.principal_of(key.removeprefix("appId=").strip("'"))
        if own is None:
            raise absent(key)
        key = str(own["id"])
    value = reached(tenant, PRINCIPAL, key.lower())
    cast = next((part for part in call.path if part.startswith("microsoft.graph.")), "")
    if cast and value["@odata.type"].lower() != f"#{cast.lower()}":
        raise absent(ids["id"])
    if reading:
        call.needs(*_READ[value["@odata.type"]])
    return value


class _Inherited:
    """The tags agent identities have from their blueprints; each blueprint is read once."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._known: dict[str, list[str]] = {}

    def tags(self, value: Object) -> list[str]:
        """What this one inherits."""
        if value["@odata.type"] != rules.IDENTITY:
            return []
        blueprint_id = str(value["agentIdentityBlueprintId"])
        if blueprint_id not in self._known:
            blueprint = self._tenant.application_of(blueprint_id)
            self._known[blueprint_id] = [] if blueprint is None else blueprint.get("tags") or []
        return self._known[blueprint_id]

    def shown(self, value: Object) -> Object:
        """The object with what it inherits: an agent identity shows its blueprint's tags too."""
        if value["@odata.type"] != rules.IDENTITY:
            return value
        return {**value, "tags": rules.all_tags(value.get("tags") or [], self.tags(value))}

    def tagged(self, wanted: str, found: list[Object]) -> list[Object]:
        """Those that may have a tag, in any case; the filter itself still has the last word."""
        return [
            one
            for one in found
            if wanted in map(str.lower, one.get("tags") or ()) or wanted in map(str.lower, self.tags(one))
        ]


def visible(tenant: Tenant, value: Object) -> Object:
    """One object with what it inherits."""
    return _Inherited(tenant).shown(value)


def _attributes_allowed(call: Call) -> None:
    if ATTRIBUTES in call.query.get("$select", "") or ATTRIBUTES in call.query.get("$filter", ""):
        call.needs(*may.ATTRIBUTE_READ)


def _list(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    call.needs(*may.APPLICATION_READ)
    _attributes_allowed(call)
    return _page(tenant, call, EVERY, tenant.listing(PRINCIPAL))


def _list_identities(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    call.needs(*may.IDENTITY_LIST)
    _attributes_allowed(call)
    return _page(tenant, call, IDENTITIES, _of_type(tenant, rules.IDENTITY))


def _list_principals(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    call.needs(*may.PRINCIPAL_LIST)
    _attributes_allowed(call)
    return page(call, PRINCIPALS, _of_type(tenant, rules.PRINCIPAL))


def _page(tenant: Tenant, call: Call, collection: Collection, found: list[Object]) -> Answer:
    inherited, text = _Inherited(tenant), call.query.get("$filter", "")
    if "tags" in text:
        if one_tag := _ONE_TAG.fullmatch(text):
            # A mark among ten thousand is asked for by each write of a sync.
            found = inherited.tagged(one_tag["tag"].lower(), found)
        found = [inherited.shown(one) for one in found]
    return page(call, collection, found, inherited.shown)


def _of_type(tenant: Tenant, kind: str) -> list[Object]:
    return [one for one in tenant.listing(PRINCIPAL) if one["@odata.type"] == kind]


def _get(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    value = found_principal(tenant, call, ids)
    _attributes_allowed(call)
    body = shown(visible(tenant, value), selected(call, EVERY))
    return Answer(200, entity(call.root, "servicePrincipals", body))


def _change(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    body = call.object()
    wanted = rules.plain(body)
    value = found_principal(tenant, call, ids, reading=False)
    kind = str(value["@odata.type"])
    _permit_change(call, value, wanted)
    if kind == rules.IDENTITY:
        rules.check_identity(wanted)
    elif kind == rules.PRINCIPAL:
        rules.check_principal(wanted)
    else:
        _check_plain(wanted)
    attributes = wanted.pop(ATTRIBUTES, None)
    if attributes is not None:
        value = assign(tenant, value, attributes)
    tenant.put(PRINCIPAL, {**value, **wanted})
    return DONE


def _check_plain(wanted: Mapping[str, Any]) -> None:
    for name in wanted:
        if name not in (*rules.PRINCIPAL_SETTABLE, "displayName", "notes"):
            raise bad(f"Invalid property '{name}'.")
    rules.check_name(wanted)
    rules.check_tags(wanted)
    rules.check_flag(wanted, "accountEnabled")


def _permit_change(call: Call, value: Object, wanted: Mapping[str, Any]) -> None:
    names = set(wanted)
    if ATTRIBUTES in names:
        call.needs(*may.ATTRIBUTE_WRITE)
        names.discard(ATTRIBUTES)
    kind = value["@odata.type"]
    if not names or (kind == rules.IDENTITY and manages(call, value)):
        return
    write, enable = {
        rules.IDENTITY: (may.IDENTITY_WRITE, may.IDENTITY_ENABLE),
        rules.PRINCIPAL: (may.PRINCIPAL_WRITE, may.PRINCIPAL_ENABLE),
    }.get(kind, (may.APPLICATION_WRITE, may.APPLICATION_WRITE))
    call.needs(*(enable if names == {"accountEnabled"} else write))


def manages(call: Call, value: Object) -> bool:
    """True when the caller is the blueprint of this agent identity, granted to manage its own."""
    return may.AS_MANAGER in call.caller.roles and value.get("agentIdentityBlueprintId") == call.caller.app_id


def _delete(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    value = found_principal(tenant, call, ids, reading=False)
    kind = value["@odata.type"]
    if kind == rules.IDENTITY:
        if not manages(call, value):
            call.needs(*may.IDENTITY_DELETE)
        delete_identity(tenant, value)
        return DONE
    call.needs(*(may.PRINCIPAL_DELETE if kind == rules.PRINCIPAL else may.APPLICATION_WRITE))
    delete_principal(tenant, value)
    return DONE


def operations() -> list[Operation]:
    """What can be done with service principals of every type."""
    identity = "servicePrincipals/{id}/microsoft.graph.agentIdentity"
    blueprint = "servicePrincipals/{id}/microsoft.graph.agentIdentityBlueprintPrincipal"
    return [
        Operation("GET", "servicePrincipals", _list),
        Operation("GET", "servicePrincipals/microsoft.graph.agentIdentity", _list_identities),
        Operation(
            "GET", "servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal", _list_principals
        ),
        *(
            Operation(method, template, run)
            for template in ("servicePrincipals/{id}", identity, blueprint)
            for method, run in (("GET", _get), ("PATCH", _change), ("DELETE", _delete))
        ),
    ]
