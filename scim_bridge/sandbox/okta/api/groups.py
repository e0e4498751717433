"""/api/v1/groups: groups, their members and owners."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api import paging, views
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.errors import OktaError, invalid
from scim_bridge.sandbox.okta.model import expressions
from scim_bridge.sandbox.okta.parts import Parts

MAX_LISTED = 10_000


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    return [*_groups(parts), *_members(parts), *_owners(parts)]


async def _profile(request: Request) -> dict[str, Any]:
    body = await body_of(request)
    profile = body.get("profile") if isinstance(body, dict) else None
    if not isinstance(profile, dict):
        raise invalid("profile", "profile: The field cannot be left blank")
    return profile


def _groups(parts: Parts) -> list[BaseRoute]:
    org, groups = parts.org, parts.groups

    async def list_groups(request: Request, caller: Caller) -> Response:
        found = groups.all()
        query = request.query_params
        if (start := query.get("q")) is not None:
            found = [g for g in found if g["profile"]["name"].casefold().startswith(start.casefold())]
        for name in ("filter", "search"):
            if expression := query.get(name):
                test = expressions.compiled(expression, expressions.group_search())
                found = [group for group in found if test(group)]
        limit = paging.limit_of(request, MAX_LISTED, MAX_LISTED)
        return paging.page(request, found, lambda group: views.group(org, group), org.url, limit)

    async def add_group(request: Request, caller: Caller) -> Response:
        profile = await _profile(request)
        with org.store.transaction():
            return answer(views.group(org, groups.create(profile, caller)))

    async def get_group(request: Request, caller: Caller) -> Response:
        return answer(views.group(org, groups.need(request.path_params["group"])))

    async def replace_group(request: Request, caller: Caller) -> Response:
        profile = await _profile(request)
        group = groups.need(request.path_params["group"])
        with org.store.transaction():
            return answer(views.group(org, groups.change(group, profile, caller)))

    async def delete_group(request: Request, caller: Caller) -> Response:
        group = groups.need(request.path_params["group"])
        with org.store.transaction():
            groups.delete(group, caller)
        return nothing()

    gate = parts.gate
    return [
        gate.route("/api/v1/groups", "groups", GET=list_groups, POST=add_group),
        gate.route("/api/v1/groups/{group}", "groups", GET=get_group, PUT=replace_group, DELETE=delete_group),
    ]


def _members(parts: Parts) -> list[BaseRoute]:
    org, groups = parts.org, parts.groups

    async def list_group_users(request: Request, caller: Caller) -> Response:
        found = groups.members(groups.need(request.path_params["group"]))
        limit = paging.limit_of(request, 1000, 1000)
        return paging.page(request, found, lambda user: views.user(org, user, alone=False), org.url, limit)

    async def add_member(request: Request, caller: Caller) -> Response:
        group = groups.need(request.path_params["group"])
        user = parts.directory.need(request.path_params["user"])
        with org.store.transaction():
            groups.add(group, user, caller)
        return nothing()

    async def remove_member(request: Request, caller: Caller) -> Response:
        group = groups.need(request.path_params["group"])
        user = parts.directory.need(request.path_params["user"])
        with org.store.transaction():
            groups.remove(group, user, caller)
        return nothing()

    gate = parts.gate
    return [
        gate.route("/api/v1/groups/{group}/users", "groups", GET=list_group_users),
        gate.route("/api/v1/groups/{group}/users/{user}", "groups", PUT=add_member, DELETE=remove_member),
    ]


def _owners(parts: Parts) -> list[BaseRoute]:
    org, groups = parts.org, parts.groups

    def shown(value: dict[str, Any]) -> dict[str, Any]:
        return {name: item for name, item in value.items() if name not in ("group", "user")}

    async def list_group_owners(request: Request, caller: Caller) -> Response:
        group = groups.need(request.path_params["group"])
        found = [value for _, value in org.store.all("groupowner") if value["group"] == group["id"]]
        return paging.page(request, found, shown, org.url, paging.limit_of(request, 1000, 1000))

    async def assign_group_owner(request: Request, caller: Caller) -> Response:
        group = groups.need(request.path_params["group"])
        body = await body_of(request)
        if not isinstance(body, dict) or body.get("type") not in ("USER", "GROUP") or not body.get("id"):
            raise invalid("owner", "id and type (USER or GROUP) are required")
        if body["type"] == "USER":
            owner = parts.directory.need(body["id"])
            name = f"{owner['profile']['firstName']} {owner['profile']['lastName']}"
        else:
            owner = groups.need(body["id"])
            name = owner["profile"]["name"]
        key = f"{group['id']}:{owner['id']}"
        if org.store.get("groupowner", key) is not None:
            raise OktaError("E0000001", "owner", ["The owner is already assigned to the group"])
        value = {
            "id": owner["id"],
            "type": body["type"],
            "resolved": True,
            "originId": None,
            "originType": "OKTA_DIRECTORY",
            "displayName": name,
            "lastUpdated": org.stamp(),
        }
        org.store.put("groupowner", key, {**value, "group": group["id"], "user": owner["id"]})
        return answer(value, 201)

    async def delete_group_owner(request: Request, caller: Caller) -> Response:
        group = groups.need(request.path_params["group"])
        if not org.store.delete("groupowner", f"{group['id']}:{request.path_params['owner']}"):
            raise OktaError("E0000007", f"{request.path_params['owner']} (GroupOwner)")
        return nothing()

    gate = parts.gate
    return [
        gate.route("/api/v1/groups/{group}/owners", "groups", GET=list_group_owners, POST=assign_group_owner),
        gate.route("/api/v1/groups/{group}/owners/{owner}", "groups", DELETE=delete_group_owner),
    ]
