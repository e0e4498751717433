"""/api/v1/meta/schemas/user/{id|default}: read a schema, change it in part."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api import views
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of
from scim_bridge.sandbox.okta.errors import not_found
from scim_bridge.sandbox.okta.model import profiles, schemas
from scim_bridge.sandbox.okta.parts import Parts


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    org = parts.org

    def need(request: Request) -> dict[str, Any]:
        key = request.path_params["schema_id"]
        found = org.store.get("schema", org.default_type()["schema"] if key == "default" else key)
        if found is None:
            raise not_found(key, "UserSchema")
        return found

    def forget_values(schema: dict[str, Any], names: tuple[str, ...]) -> None:
        """A removed property takes its values along."""
        kinds = {key for key, value in org.store.all("usertype") if value["schema"] == schema["id"]}
        for user in parts.directory.everybody():
            if user["type"]["id"] in kinds and set(names) & set(user["profile"]):
                left = {name: value for name, value in user["profile"].items() if name not in names}
                org.store.put("user", user["id"], {**user, "profile": profiles.tidy(left)})

    async def get_user_schema(request: Request, caller: Caller) -> Response:
        return answer(views.schema(org, need(request)))

    async def update_user_schema(request: Request, caller: Caller) -> Response:
        before = need(request)
        after, lost = schemas.patched(before, await body_of(request))
        after["lastUpdated"] = org.stamp()
        with org.store.transaction():
            org.store.put("schema", after["id"], after)
            if lost:
                forget_values(after, lost)
            target = events.other_target("UserSchema", after["id"], after["title"])
            events.write(org, "user_schema.update", caller, [target])
        return answer(views.schema(org, after))

    return [
        parts.gate.route(
            "/api/v1/meta/schemas/user/{schema_id}", "schemas", GET=get_user_schema, POST=update_user_schema
        )
    ]
