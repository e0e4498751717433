"""Users and agent users: read by id or userPrincipalName, made, changed, deleted; their managers."""

from __future__ import annotations

from scim_bridge.sandbox.entra.graph import agent_rules, domains, settling, user_rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.assigning import assign
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent, bad
from scim_bridge.sandbox.entra.graph.links import GUID, referenced
from scim_bridge.sandbox.entra.graph.listing import Collection, page, selected
from scim_bridge.sandbox.entra.graph.render import ATTRIBUTES, entity, shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import (
    PRINCIPAL,
    USER,
    Object,
    Tenant,
    hidden,
    new_id,
    with_hidden,
)

FILTERABLE = {
    "id": False,
    "userPrincipalName": False,
    "mail": False,
    "displayName": False,
    "givenName": False,
    "surname": False,
    "accountEnabled": False,
    "mailNickname": False,
    "employeeId": False,
    "jobTitle": False,
    "department": False,
    "userType": False,
    "createdDateTime": False,
    "otherMails": False,
    "identityParentId": False,
    "employeeType": True,
    "companyName": True,
    "employeeLeaveDateTime": True,
}
EVERY = Collection(
    "users",
    "user",
    FILTERABLE,
    sortable=("displayName", "userPrincipalName"),
    selectable=frozenset(user_rules.SELECTABLE),
)
AGENTS = Collection("users/microsoft.graph.agentUser", "agentUser", FILTERABLE, typed=True)


def found_user(tenant: Tenant, call: Call, path: Ids) -> Object:
    """The user of a path, by id or userPrincipalName, of the type its cast says; 404 otherwise."""
    key = path["id"]
    found = tenant.find(USER, key.lower()) if GUID.fullmatch(key) else tenant.user_named(key)
    if found is None:
        raise absent(key)
    value = settling.reached(tenant, USER, str(found["id"]))
    cast = next((part for part in call.path if part.startswith("microsoft.graph.")), "")
    if cast and value["@odata.type"].lower() != f"#{cast.lower()}":
        raise absent(key)
    return value


def _may_see(call: Call) -> None:
    call.needs(*may.USER_READ)
    asked = call.query.get("$select", "") + call.query.get("$filter", "")
    if ATTRIBUTES in asked:
        call.needs(*may.ATTRIBUTE_READ)
    if "employeeLeaveDateTime" in asked:
        call.needs(*may.LEAVE_DATE_READ)


def _list(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _may_see(call)
    return page(call, EVERY, tenant.listing(USER))


def _list_agents(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _may_see(call)
    agents = [one for one in tenant.listing(USER) if one["@odata.type"] == agent_rules.AGENT_USER]
    return page(call, AGENTS, agents)


def _get(tenant: Tenant, call: Call, path: Ids) -> Answer:
    _may_see(call)
    value = found_user(tenant, call, path)
    body = shown(value, selected(call, EVERY))
    if call.query.get("$expand", "").split("(")[0] == "manager":
        boss = tenant.find(USER, str(hidden(value, "manager", "")))
        body["manager"] = None if boss is None else shown(boss, typed=True)
    return Answer(200, entity(call.root, "users", body))


def _create(tenant: Tenant, call: Call, path: Ids) -> Answer:
    body = call.object()
    kind = f"#{str(body.get('@odata.type', 'microsoft.graph.user')).lstrip('#')}".lower()
    if call.path[-1].lower() != "users" or kind == agent_rules.AGENT_USER.lower():
        return _create_agent(tenant, call, body)
    call.needs(*may.USER_WRITE)
    made = user_rules.user(body, {"id": new_id(), "createdDateTime": tenant.now_text()})
    return _made(tenant, call, made)


def _create_agent(tenant: Tenant, call: Call, body: Object) -> Answer:
    call.needs(*may.AGENT_USER_WRITE)
    given = {"id": new_id(), "createdDateTime": tenant.now_text()}
    made = agent_rules.agent_user(body, given)
    user_rules.check({name: value for name, value in made.items() if name not in (*given, "@odata.type")})
    _check_domain(tenant, str(made["userPrincipalName"]))
    parent_id = str(made["identityParentId"]).lower()
    parent = settling.parent(tenant, tenant.find(PRINCIPAL, parent_id), parent_id)
    if parent["@odata.type"] != agent_rules.IDENTITY:
        raise bad("Property 'identityParentId' must be the id of an agent identity.")
    all_needed = {"AgentIdUser.ReadWrite.All", "User.ReadWrite.All"}
    if not call.caller.roles & all_needed and parent["agentIdentityBlueprintId"] != call.caller.app_id:
        call.needs(*all_needed)
    if tenant.agent_user_of(parent_id) is not None:
        raise bad("Another object with the same value for property identityParentId already exists.")
    return _made(tenant, call, {**made, "identityParentId": parent_id})


def _check_domain(tenant: Tenant, name: str) -> None:
    """400 unless the name is at a domain of the tenant: its first one, or one that people are at."""
    if not domains.verified(tenant, name.rpartition("@")[2].lower()):
        raise bad(
            "The domain portion of the userPrincipalName property is invalid. You must use one of the verified "
            "domain names in your organization."
        )


def _made(tenant: Tenant, call: Call, made: Object) -> Answer:
    _check_free(tenant, made)
    kept = tenant.put(USER, made)
    settling.begin(tenant, str(made["id"]))
    return Answer(201, entity(call.root, "users", shown(kept)))


def _check_free(tenant: Tenant, value: Object) -> None:
    other = tenant.user_named(str(value["userPrincipalName"]))
    if other is not None and other["id"] != value["id"]:
        raise bad("Another object with the same value for property userPrincipalName already exists.")


def _change(tenant: Tenant, call: Call, path: Ids) -> Answer:
    wanted = agent_rules.plain(call.object())
    names = set(wanted)
    if ATTRIBUTES in names:
        call.needs(*may.ATTRIBUTE_WRITE)
        names.discard(ATTRIBUTES)
    if "employeeLeaveDateTime" in names:
        call.needs(*may.LEAVE_DATE_WRITE)
        names.discard("employeeLeaveDateTime")
    value = found_user(tenant, call, path)
    agent = value["@odata.type"] == agent_rules.AGENT_USER
    if names:
        may_change = may.USER_ENABLE if names == {"accountEnabled"} else may.USER_WRITE
        call.needs(*may_change, *(may.AGENT_USER_WRITE if agent else ()))
    if agent and "passwordProfile" in wanted:
        raise bad("Property 'passwordProfile' is not supported for agent users.")
    user_rules.check_change(wanted)
    attributes = wanted.pop(ATTRIBUTES, None)
    if attributes is not None:
        value = assign(tenant, value, attributes)
    wanted.pop("passwordProfile", None)
    after = {**value, **wanted}
    if agent and "userPrincipalName" in wanted:
        _check_domain(tenant, str(after["userPrincipalName"]))
    _check_free(tenant, after)
    tenant.put(USER, after)
    return DONE


def _delete(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = found_user(tenant, call, path)
    agent = value["@odata.type"] == agent_rules.AGENT_USER
    call.needs(*(may.AGENT_USER_WRITE if agent else may.USER_WRITE))
    tenant.delete(USER, str(value["id"]))
    return DONE


def _manager(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_READ)
    value = found_user(tenant, call, path)
    boss = tenant.find(USER, str(hidden(value, "manager", "")))
    if boss is None:
        raise absent("manager")
    return Answer(200, entity(call.root, "directoryObjects", shown(boss, selected(call, EVERY), typed=True)))


def _set_manager(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_WRITE)
    value = found_user(tenant, call, path)
    kind, boss = referenced(tenant, call.object())
    if kind != USER or boss["id"] == value["id"]:
        raise bad("The manager must be another user.")
    tenant.put(USER, with_hidden(value, manager=boss["id"]))
    return DONE


def _clear_manager(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.USER_WRITE)
    value = found_user(tenant, call, path)
    if not hidden(value, "manager"):
        raise absent("manager")
    tenant.put(USER, with_hidden(value, manager=""))
    return DONE


def operations() -> list[Operation]:
    """What can be done with users."""
    return [
        Operation("GET", "users", _list),
        Operation("POST", "users", _create),
        Operation("GET", "users/microsoft.graph.agentUser", _list_agents),
        Operation("POST", "users/microsoft.graph.agentUser", _create),
        *(
            Operation(method, template, run)
            for template in ("users/{id}", "users/{id}/microsoft.graph.agentUser")
            for method, run in (("GET", _get), ("PATCH", _change), ("DELETE", _delete))
        ),
        Operation("GET", "users/{id}/manager", _manager),
        Operation("PUT", "users/{id}/manager/$ref", _set_manager),
        Operation("DELETE", "users/{id}/manager/$ref", _clear_manager),
    ]
