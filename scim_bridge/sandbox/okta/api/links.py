"""Linked objects: definitions under /api/v1/meta/schemas/user/linkedObjects, values under each user."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.errors import invalid, not_found
from scim_bridge.sandbox.okta.model import links
from scim_bridge.sandbox.okta.parts import Parts

Definition = dict[str, Any]
BASE = "/api/v1/meta/schemas/user/linkedObjects"


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of definitions and values."""
    return [*_definitions(parts), *_values(parts)]


def _named(parts: Parts, name: str) -> tuple[Definition, str]:
    """The definition one of whose sides has this name, and which side it is."""
    for _, value in parts.org.store.all("linkedobject"):
        if (side := links.side_of(value, name)) is not None:
            return value, side
    raise not_found(name, "LinkedObject")


def _definitions(parts: Parts) -> list[BaseRoute]:
    org = parts.org

    def shown(value: Definition) -> Definition:
        here = f"{org.url}{BASE}/{value['primary']['name']}"
        return {**value, "_links": {"self": {"href": here}}}

    def known() -> list[Definition]:
        return [value for _, value in org.store.all("linkedobject")]

    async def list_linked_objects(request: Request, caller: Caller) -> Response:
        return answer([shown(value) for value in known()])

    async def create_linked_object(request: Request, caller: Caller) -> Response:
        taken = [value[side]["name"] for value in known() for side in ("primary", "associated")]
        made = links.read_definition(await body_of(request), taken)
        org.store.put("linkedobject", made["primary"]["name"], made)
        return answer(shown(made), 201)

    async def get_linked_object(request: Request, caller: Caller) -> Response:
        return answer(shown(_named(parts, request.path_params["name"])[0]))

    async def delete_linked_object(request: Request, caller: Caller) -> Response:
        name = _named(parts, request.path_params["name"])[0]["primary"]["name"]
        with org.store.transaction():
            org.store.delete("linkedobject", name)
            for key, value in org.store.all("link"):
                if value["definition"] == name:
                    org.store.delete("link", key)
        return nothing()

    gate = parts.gate
    return [
        gate.route(BASE, "linkedObjects", GET=list_linked_objects, POST=create_linked_object),
        gate.route(f"{BASE}/{{name}}", "linkedObjects", GET=get_linked_object, DELETE=delete_linked_object),
    ]


def _values(parts: Parts) -> list[BaseRoute]:
    org, directory = parts.org, parts.directory

    async def list_links(request: Request, caller: Caller) -> Response:
        user = directory.need(request.path_params["user"])
        definition, side = _named(parts, request.path_params["name"])
        mine = "associated" if side == "primary" else "primary"
        found = [
            value[side]
            for _, value in org.store.all("link")
            if value["definition"] == definition["primary"]["name"] and value[mine] == user["id"]
        ]
        links_to = [{"_links": {"self": {"href": f"{org.url}/api/v1/users/{key}"}}} for key in found]
        return answer(links_to)

    async def assign_primary(request: Request, caller: Caller) -> Response:
        associated = directory.need(request.path_params["user"])
        definition, side = _named(parts, request.path_params["name"])
        if side != "primary":
            raise invalid("linkedObject", "The relationship must be named by its primary side")
        primary = directory.need(request.path_params["primary"])
        if primary["id"] == associated["id"]:
            raise invalid("linkedObject", "A user cannot be linked to itself")
        name = definition["primary"]["name"]
        value = {"definition": name, "primary": primary["id"], "associated": associated["id"]}
        org.store.put("link", f"{name}:{associated['id']}", value)
        return nothing()

    async def delete_links(request: Request, caller: Caller) -> Response:
        user = directory.need(request.path_params["user"])
        definition, side = _named(parts, request.path_params["name"])
        if side != "primary":
            raise invalid("linkedObject", "The relationship must be named by its primary side")
        org.store.delete("link", f"{definition['primary']['name']}:{user['id']}")
        return nothing()

    gate = parts.gate
    return [
        gate.route("/api/v1/users/{user}/linkedObjects/{name}", "users", GET=list_links, DELETE=delete_links),
        gate.route("/api/v1/users/{user}/linkedObjects/{name}/{primary}", "users", PUT=assign_primary),
    ]
