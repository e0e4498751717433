"""How users, types, groups and app users are shown: without what is ours, with links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.org import Org

Json = dict[str, Any]


def user(org: Org, value: Mapping[str, Any], *, alone: bool) -> Json:
    """A user; alone it has a link for every call that would be followed, in a list only itself."""
    here = f"{org.url}/api/v1/users/{value['id']}"
    links: Json = {"self": {"href": here}}
    if alone:
        kind = org.store.get("usertype", value["type"]["id"]) or {}
        links["schema"] = {"href": f"{org.url}/api/v1/meta/schemas/user/{kind.get('schema')}"}
        links["type"] = {"href": f"{org.url}/api/v1/meta/types/user/{value['type']['id']}"}
        for action in statuses.allowed(value["status"], value["credentials"]):
            links[action] = {"href": f"{here}/lifecycle/{action}", "method": "POST"}
    shown = {name: item for name, item in value.items() if name != "transition_due"}
    return {**shown, "_links": links}


def user_type(org: Org, value: Mapping[str, Any]) -> Json:
    """A user type with the link to its schema."""
    here = f"{org.url}/api/v1/meta/types/user/{value['id']}"
    shown = {name: item for name, item in value.items() if name != "schema"}
    return {
        **shown,
        "_links": {
            "self": {"rel": "self", "href": here, "method": "GET"},
            "schema": {
                "rel": "schema",
                "href": f"{org.url}/api/v1/meta/schemas/user/{value['schema']}",
                "method": "GET",
            },
        },
    }


def schema(org: Org, value: Mapping[str, Any]) -> Json:
    """A user schema."""
    here = f"{org.url}/api/v1/meta/schemas/user/{value['id']}"
    parts = [{"$ref": f"#/definitions/{part}"} for part in ("custom", "base")]
    return {
        **value,
        "id": here,
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"profile": {"allOf": parts}},
        "_links": {"self": {"rel": "self", "href": here, "method": "GET"}},
    }


def group(org: Org, value: Mapping[str, Any]) -> Json:
    """A group."""
    here = f"{org.url}/api/v1/groups/{value['id']}"
    return {
        **value,
        "_links": {
            "self": {"href": here},
            "users": {"href": f"{here}/users"},
            "apps": {"href": f"{here}/apps"},
        },
    }


def app(org: Org, value: Mapping[str, Any]) -> Json:
    """An app."""
    here = f"{org.url}/api/v1/apps/{value['id']}"
    return {**value, "_links": {"self": {"href": here}, "users": {"href": f"{here}/users"}}}


def app_user(org: Org, value: Mapping[str, Any]) -> Json:
    """An assignment of a user to the app."""
    shown = {name: item for name, item in value.items() if name not in ("user", "app")}
    return {
        **shown,
        "_links": {
            "app": {"href": f"{org.url}/api/v1/apps/{value['app']}"},
            "user": {"href": f"{org.url}/api/v1/users/{value['id']}"},
        },
    }


def event(value: Mapping[str, Any]) -> Json:
    """A System Log event."""
    return {name: item for name, item in value.items() if name != "key"}
