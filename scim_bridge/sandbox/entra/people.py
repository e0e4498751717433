"""The tenant's people, agents' user accounts and groups, filled by the control API. One call, one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph import user_rules
from scim_bridge.sandbox.entra.graph.errors import GraphError
from scim_bridge.sandbox.entra.tenant import GROUP, USER, Object, Tenant, new_id, with_hidden
from scim_bridge.sandbox.kit.control import Refusal

GROUP_FACTS = (
    "description",
    "groupTypes",
    "isAssignableToRole",
    "mailEnabled",
    "securityEnabled",
    "onPremisesSyncEnabled",
)


def fill(tenant: Tenant, body: Mapping[str, Any]) -> dict[str, Any]:
    """Upsert `users` (by userPrincipalName) and `groups` (by displayName); nothing when one is wrong.

    Users carry Graph's property names; `manager` is a userPrincipalName. Groups: displayName, `members`
    (userPrincipalNames; the whole membership), any of GROUP_FACTS.
    """
    users, groups = _list(body, "users"), _list(body, "groups")
    with tenant.store.transaction():
        for one in users:
            _put_user(tenant, one)
        for one in users:
            _set_manager(tenant, one)
        for one in groups:
            _put_group(tenant, one)
    return {"ok": True, "users": len(users), "groups": len(groups)}


def user_of(tenant: Tenant, name: object) -> Object:
    """A user by userPrincipalName; Refusal when there is none."""
    found = tenant.user_named(name) if isinstance(name, str) else None
    if found is None:
        raise Refusal(f"There is no user {name!r} in the directory.")
    return found


def group_of(tenant: Tenant, name: object) -> Object:
    """A group by displayName; Refusal when there is none."""
    found = next((one for one in tenant.every(GROUP) if one["displayName"] == name), None)
    if found is None:
        raise Refusal(f"There is no group {name!r} in the directory.")
    return found


def _put_user(tenant: Tenant, wish: Mapping[str, Any]) -> None:
    name = wish.get("userPrincipalName")
    if not isinstance(name, str):
        raise Refusal("Every user has a 'userPrincipalName'.")
    members = {key: value for key, value in wish.items() if key != "manager"}
    known = tenant.user_named(name)
    fresh: Object = {
        "@odata.type": user_rules.USER,
        "id": new_id(),
        "createdDateTime": tenant.now_text(),
        "accountEnabled": True,
        "displayName": name.split("@")[0],
        "mailNickname": name.split("@")[0][:64],
        "mail": None,
        "businessPhones": [],
        "userType": "Member",
    }
    try:
        user_rules.check(members)
    except GraphError as error:
        raise Refusal(f"User {name!r}: {error}") from None
    tenant.put(USER, {**(known or fresh), **members})


def _set_manager(tenant: Tenant, wish: Mapping[str, Any]) -> None:
    if "manager" in wish:
        value = user_of(tenant, wish["userPrincipalName"])
        boss = user_of(tenant, wish["manager"])["id"] if wish["manager"] else ""
        tenant.put(USER, with_hidden(value, manager=boss))


def _put_group(tenant: Tenant, wish: Mapping[str, Any]) -> None:
    name = wish.get("displayName")
    if not isinstance(name, str) or not name:
        raise Refusal("Every group has a 'displayName'.")
    known = next((one for one in tenant.every(GROUP) if one["displayName"] == name), None)
    fresh: Object = {
        "@odata.type": "#microsoft.graph.group",
        "id": new_id(),
        "createdDateTime": tenant.now_text(),
        "displayName": name,
        "description": None,
        "groupTypes": [],
        "mailEnabled": False,
        "mailNickname": name.replace(" ", "-")[:64],
        "securityEnabled": True,
    }
    given = {key: wish[key] for key in GROUP_FACTS if key in wish}
    members = [str(user_of(tenant, one)["id"]) for one in _names(wish)]
    tenant.put(GROUP, with_hidden({**(known or fresh), **given}, members=list(dict.fromkeys(members))))


def _names(wish: Mapping[str, Any]) -> list[Any]:
    members = wish.get("members", [])
    if not isinstance(members, list):
        raise Refusal("'members' is a list of userPrincipalNames.")
    return members


def _list(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise Refusal(f"'{name}' is a list of objects.")
    return value
