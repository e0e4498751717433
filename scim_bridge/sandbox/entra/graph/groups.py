"""Groups and their members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph import agent_rules, settling
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.answerable import PEOPLE
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import (
    GraphError,
    absent,
    bad,
    denied,
    duplicate_reference,
    invalid_value,
)
from scim_bridge.sandbox.entra.graph.links import Target, bound, ids, referenced
from scim_bridge.sandbox.entra.graph.listing import Collection, page, selected
from scim_bridge.sandbox.entra.graph.render import entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.graph.users import found_user
from scim_bridge.sandbox.entra.tenant import (
    APPLICATION,
    GROUP,
    PRINCIPAL,
    Object,
    Tenant,
    hidden,
    new_id,
    with_hidden,
)

MAX_BOUND = 20
FILTERABLE = {
    "id": False,
    "displayName": False,
    "mailNickname": False,
    "securityEnabled": False,
    "mailEnabled": False,
    "groupTypes": False,
    "mail": False,
}
EVERY = Collection("groups", "group", FILTERABLE)
SETTABLE = (
    "displayName",
    "description",
    "mailEnabled",
    "mailNickname",
    "securityEnabled",
    "groupTypes",
    "isAssignableToRole",
    "membershipRule",
    "membershipRuleProcessingState",
    "visibility",
    "uniqueName",
)


def _check(wanted: Mapping[str, Any]) -> None:
    for name in wanted:
        if name not in SETTABLE:
            raise bad(f"Invalid property '{name}'.")
    agent_rules.check_name(wanted)
    agent_rules.check_text(wanted, "description", 1024)
    for name in ("mailEnabled", "securityEnabled", "isAssignableToRole"):
        agent_rules.check_flag(wanted, name)
    types = wanted.get("groupTypes", [])
    if not isinstance(types, list) or not set(types) <= {"Unified", "DynamicMembership"}:
        raise invalid_value("groupTypes")


def _reached_group(tenant: Tenant, path: Ids) -> Object:
    """The group of a path, by id or by its alternate key; 404 otherwise."""
    name, separator, text = path["id"].partition("=")
    if not separator:
        return settling.reached(tenant, GROUP, path["id"].lower())
    wanted = text.strip("'")
    found = next((one for one in tenant.every(GROUP) if wanted and one.get(name) == wanted), None)
    if found is None:
        raise absent(path["id"])
    return settling.reached(tenant, GROUP, str(found["id"]))


def _check_members(group: Mapping[str, Any], added: list[Target]) -> None:
    """400 or 403 unless these may become members (Graph, "Add members")."""
    if group.get("onPremisesSyncEnabled"):
        raise bad(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects "
            "currently undergoing migration."
        )
    if group.get("isAssignableToRole") and added:
        # RoleManagement.ReadWrite.Directory would be needed, which no app of the bridge is given.
        if any(value["@odata.type"] == agent_rules.AGENT_USER for _, value in added):
            raise bad("Agent users cannot be members of role-assignable groups.")
        raise denied()
    if "Unified" in (group.get("groupTypes") or []) and any(kind == PRINCIPAL for kind, _ in added):
        raise bad("A service principal cannot be a member of a Microsoft 365 group.")
    if "DynamicMembership" in (group.get("groupTypes") or []):
        raise bad(
            "Insufficient privileges to complete the operation: the membership of this group is dynamic."
        )
    for kind, value in added:
        if kind == APPLICATION:
            raise bad(
                f"The reference '{value['id']}' is not valid: an application cannot be a member of a group."
            )


def _list(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.GROUP_READ)
    return page(call, EVERY, tenant.listing(GROUP))


def _get(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.GROUP_READ)
    value = _reached_group(tenant, path)
    return Answer(200, entity(call.root, "groups", shown(value, selected(call, EVERY))))


def _create(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.GROUP_WRITE)
    return _made(tenant, call, call.object())


def _made(tenant: Tenant, call: Call, body: Object) -> Answer:
    members, owners = _bound_members(tenant, body), bound(tenant, body, "owners")
    wanted = agent_rules.plain(body)
    for name in ("displayName", "mailEnabled", "mailNickname", "securityEnabled"):
        if wanted.get(name) in (None, ""):
            raise bad(f"A value is required for property '{name}' of resource 'Group'.")
    _check(wanted)
    made = {"@odata.type": "#microsoft.graph.group", "description": None, "groupTypes": [], **wanted}
    made |= {"id": new_id(), "createdDateTime": tenant.now_text()}
    _check_members(made, members)
    kept = tenant.put(GROUP, with_hidden(made, members=ids(members), owners=ids(owners)))
    settling.begin(tenant, str(made["id"]))
    return Answer(201, entity(call.root, "groups", shown(kept)))


def _bound_members(tenant: Tenant, body: Object) -> list[Target]:
    found = bound(tenant, body, "members")
    if len(found) > MAX_BOUND:
        raise bad(f"Too many references in 'members@odata.bind': at most {MAX_BOUND} in one request.")
    return found


def _change(tenant: Tenant, call: Call, path: Ids) -> Answer:
    body = call.object()
    only_members = set(body) == {"members@odata.bind"}
    call.needs(*(may.MEMBER_WRITE if only_members else may.GROUP_WRITE))
    try:
        value = _reached_group(tenant, path)
    except GraphError:
        name, _, text = path["id"].partition("=")
        if name == "uniqueName" and "create-if-missing" in call.headers.get("prefer", ""):
            return _made(tenant, call, {**body, "uniqueName": text.strip("'")})
        raise
    members = _bound_members(tenant, body)
    wanted = agent_rules.plain(body)
    _check(wanted)
    if members:
        value = _with_members(value, members)
    tenant.put(GROUP, {**value, **wanted})
    return DONE


def _with_members(group: Object, added: list[Target]) -> Object:
    _check_members(group, added)
    present = list(hidden(group, "members", []))
    known = set(present)
    for object_id in ids(added):
        if object_id in known:
            raise duplicate_reference("members")
        known.add(object_id)
        present.append(object_id)
    return with_hidden(group, members=present)


def _delete(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.GROUP_WRITE)
    value = _reached_group(tenant, path)
    tenant.delete(GROUP, str(value["id"]))
    return DONE


def _members(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.MEMBER_READ)
    value = _reached_group(tenant, path)
    found = (tenant.anything(one) for one in hidden(value, "members", []))
    return page(call, PEOPLE, [one[1] for one in found if one is not None])


def _add_member(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.MEMBER_WRITE)
    value = _reached_group(tenant, path)
    tenant.put(GROUP, _with_members(value, [referenced(tenant, call.object())]))
    return DONE


def _remove_member(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.MEMBER_WRITE)
    value = _reached_group(tenant, path)
    present = list(hidden(value, "members", []))
    if path["other"].lower() not in present:
        raise absent(path["other"])
    present.remove(path["other"].lower())
    tenant.put(GROUP, with_hidden(value, members=present))
    return DONE


def _member_of(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.MEMBER_READ)
    own = found_user(tenant, call, path)["id"] if call.path[0].lower() == "users" else path["id"].lower()
    return page(call, PEOPLE, [one for one in tenant.listing(GROUP) if own in hidden(one, "members", [])])


def operations() -> list[Operation]:
    """What can be done with groups; a member is never removed without `$ref`."""
    return [
        Operation("GET", "groups", _list),
        Operation("POST", "groups", _create),
        Operation("GET", "groups/{id}", _get),
        Operation("PATCH", "groups/{id}", _change),
        Operation("DELETE", "groups/{id}", _delete),
        Operation("GET", "groups/{id}/members", _members),
        Operation("POST", "groups/{id}/members/$ref", _add_member),
        Operation("DELETE", "groups/{id}/members/{other}/$ref", _remove_member),
        Operation("GET", "users/{id}/memberOf", _member_of),
        Operation("GET", "servicePrincipals/{id}/memberOf", _member_of),
    ]
