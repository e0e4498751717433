"""/api/v1/meta/types/user: the types of users and their names."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api import views
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.errors import invalid, not_found
from scim_bridge.sandbox.okta.model import types
from scim_bridge.sandbox.okta.parts import Parts


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    org = parts.org

    def known() -> list[dict[str, Any]]:
        return [value for _, value in org.store.all("usertype")]

    def need(request: Request) -> dict[str, Any]:
        key = request.path_params["type_id"]
        found = org.default_type() if key == "default" else org.store.get("usertype", key)
        if found is None:
            raise not_found(key, "UserType")
        return found

    def tell(kind: str, caller: Caller, value: dict[str, Any]) -> None:
        target = events.other_target("UserType", value["id"], value["displayName"])
        events.write(org, kind, caller, [target])

    async def list_user_types(request: Request, caller: Caller) -> Response:
        return answer([views.user_type(org, value) for value in known()])

    async def create_user_type(request: Request, caller: Caller) -> Response:
        fields = types.read_new(await body_of(request), known())
        with org.store.transaction():
            made = org.add_type(fields)
            tell("user_type.create", caller, made)
        return answer(views.user_type(org, made))

    async def get_user_type(request: Request, caller: Caller) -> Response:
        return answer(views.user_type(org, need(request)))

    async def update_user_type(request: Request, caller: Caller) -> Response:
        before = need(request)
        after = types.updated(before, await body_of(request), whole=request.method == "PUT")
        after |= {"lastUpdated": org.stamp(), "lastUpdatedBy": caller.id}
        with org.store.transaction():
            org.store.put("usertype", after["id"], after)
            tell("user_type.update", caller, after)
        return answer(views.user_type(org, after))

    async def delete_user_type(request: Request, caller: Caller) -> Response:
        found = need(request)
        if found["default"]:
            raise invalid("type", "The default user type cannot be deleted")
        if any(user["type"]["id"] == found["id"] for user in parts.directory.everybody()):
            raise invalid("type", "A user type that is assigned to users cannot be deleted")
        with org.store.transaction():
            org.store.delete("usertype", found["id"])
            org.store.delete("schema", found["schema"])
            tell("user_type.delete", caller, found)
        return nothing()

    return [
        parts.gate.route("/api/v1/meta/types/user", "userTypes", GET=list_user_types, POST=create_user_type),
        parts.gate.route(
            "/api/v1/meta/types/user/{type_id}",
            "userTypes",
            GET=get_user_type,
            POST=update_user_type,
            PUT=update_user_type,
            DELETE=delete_user_type,
        ),
    ]
