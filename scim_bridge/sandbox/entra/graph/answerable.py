"""Owners and sponsors of blueprints, blueprint principals and agent identities: listed, added, removed."""

from __future__ import annotations

from typing import Literal

from scim_bridge.sandbox.entra.graph import agent_rules as rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.applications import found_application
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent, duplicate_reference
from scim_bridge.sandbox.entra.graph.links import Target, referenced
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.people_rules import check_owners, check_sponsors
from scim_bridge.sandbox.entra.graph.principals import found_principal
from scim_bridge.sandbox.entra.graph.route import Ids, Operation, Run
from scim_bridge.sandbox.entra.tenant import APPLICATION, PRINCIPAL, Object, Tenant, hidden, with_hidden

Relation = Literal["owners", "sponsors"]
PEOPLE = Collection("directoryObjects", "directoryObject", {"id": False, "displayName": False}, typed=True)
_ROLES = {
    rules.IDENTITY: (may.IDENTITY_READ, may.IDENTITY_WRITE),
    rules.PRINCIPAL: (may.PRINCIPAL_READ, may.PRINCIPAL_WRITE),
    rules.BLUEPRINT: (may.BLUEPRINT_READ, may.BLUEPRINT_WRITE),
}
_PLAIN = (may.APPLICATION_READ, may.APPLICATION_WRITE)


def _subject(tenant: Tenant, call: Call, path: Ids, relation: Relation, *, write: bool) -> tuple[str, Object]:
    if call.path[0].lower() == "applications":
        kind, value = APPLICATION, found_application(tenant, call, path)
    else:
        kind, value = PRINCIPAL, found_principal(tenant, call, path, reading=False)
    call.needs(*_ROLES.get(str(value["@odata.type"]), _PLAIN)[write])
    if relation == "sponsors" and value["@odata.type"] not in _ROLES:
        raise absent(path["id"])
    return kind, value


def _live(tenant: Tenant, value: Object, relation: Relation) -> list[Target]:
    """The people who are still in the directory: a deleted one is no longer listed."""
    found = (tenant.anything(one) for one in hidden(value, relation, []))
    return [one for one in found if one is not None]


def _listing(relation: Relation) -> Run:
    def run(tenant: Tenant, call: Call, path: Ids) -> Answer:
        _, value = _subject(tenant, call, path, relation, write=False)
        return page(call, PEOPLE, [one for _, one in _live(tenant, value, relation)])

    return run


def _adding(relation: Relation) -> Run:
    def run(tenant: Tenant, call: Call, path: Ids) -> Answer:
        kind, value = _subject(tenant, call, path, relation, write=True)
        added = referenced(tenant, call.object())
        present = _live(tenant, value, relation)
        if added[1]["id"] in [one["id"] for _, one in present]:
            raise duplicate_reference(relation)
        if relation == "sponsors":
            check_sponsors([*present, added], needed=True)
        else:
            check_owners([*present, added])
        after = [str(one["id"]) for _, one in [*present, added]]
        tenant.put(kind, with_hidden(value, **{relation: after}))
        return DONE

    return run


def _removing(relation: Relation) -> Run:
    def run(tenant: Tenant, call: Call, path: Ids) -> Answer:
        kind, value = _subject(tenant, call, path, relation, write=True)
        present = list(hidden(value, relation, []))
        if path["other"].lower() not in present:
            raise absent(path["other"])
        present.remove(path["other"].lower())
        tenant.put(kind, with_hidden(value, **{relation: present}))
        return DONE

    return run


def operations() -> list[Operation]:
    """Lists and references, under every type that has them."""
    bases = (
        "servicePrincipals/{id}",
        "servicePrincipals/{id}/microsoft.graph.agentIdentity",
        "servicePrincipals/{id}/microsoft.graph.agentIdentityBlueprintPrincipal",
        "applications/{id}",
        "applications/{id}/microsoft.graph.agentIdentityBlueprint",
    )
    relations: tuple[Relation, ...] = ("owners", "sponsors")
    found = []
    for base in bases:
        for relation in relations:
            found += [
                Operation("GET", f"{base}/{relation}", _listing(relation)),
                Operation("POST", f"{base}/{relation}/$ref", _adding(relation)),
                Operation("DELETE", f"{base}/{relation}/{{other}}/$ref", _removing(relation)),
            ]
    return found
