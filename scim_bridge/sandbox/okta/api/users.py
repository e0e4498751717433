"""/api/v1/users: create, read, list, partial and whole update, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api import paging, views
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing, wants_async
from scim_bridge.sandbox.okta.api.listing import matching
from scim_bridge.sandbox.okta.directory import User
from scim_bridge.sandbox.okta.errors import OktaError, invalid
from scim_bridge.sandbox.okta.model import profiles, statuses
from scim_bridge.sandbox.okta.parts import Parts


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    org, directory, lifecycle = parts.org, parts.directory, parts.lifecycle

    def shown(user: User) -> Response:
        return answer(views.user(org, user, alone=True))

    async def list_users(request: Request, caller: Caller) -> Response:
        users, limit = matching(parts, request)
        return paging.page(request, users, lambda user: views.user(org, user, alone=False), org.url, limit)

    async def create_user(request: Request, caller: Caller) -> Response:
        body = _object(await body_of(request))
        activate = _flag(request, "activate", True)
        credentials = _credentials(body, _flag(request, "provider", False))
        status = statuses.created(
            activate=activate,
            credentials=credentials,
            change_password=request.query_params.get("nextLogin") == "changePassword",
        )
        with org.store.transaction():
            made = directory.create(
                _profile(body), status=status, credentials=credentials, type_id=_type(parts, body)
            )
            target = [events.user_target(made)]
            events.write(org, "user.lifecycle.create", caller, target)
            if activate:
                events.write(org, "user.lifecycle.activate", caller, target)
            for group_id in body.get("groupIds") or []:
                parts.groups.add(parts.groups.need(group_id), made, caller)
            parts.groups.welcome(made, caller)
        return shown(made)

    async def get_user(request: Request, caller: Caller) -> Response:
        return shown(directory.need(request.path_params["name"]))

    async def update_user(request: Request, caller: Caller) -> Response:
        body = _object(await body_of(request))
        user = directory.need(request.path_params["name"])
        if _type(parts, body) not in (None, user["type"]["id"]):
            raise invalid("type", "type: The user type can only be changed by a full update (PUT)")
        after = {**user, "credentials": {**user["credentials"], **_password(body)}}
        if "profile" in body:
            after["profile"] = profiles.merged(user["profile"], _profile(body))
        with org.store.transaction():
            return shown(lifecycle.change(user, after, caller))

    async def replace_user(request: Request, caller: Caller) -> Response:
        body = _object(await body_of(request))
        user = directory.need(request.path_params["name"])
        after = {**user, "credentials": {**user["credentials"], **_password(body)}}
        if (type_id := _type(parts, body)) is not None:
            after["type"] = {"id": type_id}
        if "profile" in body or type_id is not None:
            after["profile"] = _profile(body)
        with org.store.transaction():
            return shown(lifecycle.change(user, after, caller))

    async def delete_user(request: Request, caller: Caller) -> Response:
        user = directory.need(request.path_params["name"])
        with org.store.transaction():
            lifecycle.delete(user, caller, later=wants_async(request))
        return nothing()

    async def list_user_groups(request: Request, caller: Caller) -> Response:
        user = directory.need(request.path_params["name"])
        return answer([views.group(org, group) for group in parts.groups.of(user)])

    gate = parts.gate
    return [
        gate.route("/api/v1/users", "users", GET=list_users, POST=create_user),
        gate.route(
            "/api/v1/users/{name}",
            "users",
            GET=get_user,
            POST=update_user,
            PUT=replace_user,
            DELETE=delete_user,
        ),
        gate.route("/api/v1/users/{name}/groups", "users", GET=list_user_groups),
    ]


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise OktaError("E0000003")
    return body


def _profile(body: Mapping[str, Any]) -> dict[str, Any]:
    profile = body.get("profile")
    if not isinstance(profile, dict):
        raise invalid("profile", "profile: The field cannot be left blank")
    return profile


def _flag(request: Request, name: str, otherwise: bool) -> bool:
    given = request.query_params.get(name)
    return otherwise if given is None else given.casefold() == "true"


def _type(parts: Parts, body: Mapping[str, Any]) -> str | None:
    """The id of the type a request names; E0000001 when there is no such type."""
    given = body.get("type")
    if given is None:
        return None
    type_id = given.get("id") if isinstance(given, dict) else None
    if type_id == "default":
        return str(parts.org.default_type()["id"])
    if not isinstance(type_id, str) or parts.org.store.get("usertype", type_id) is None:
        raise invalid("type", "type: The user type does not exist")
    return type_id


def _password(body: Mapping[str, Any]) -> dict[str, Any]:
    """That a password was set; it is never kept."""
    credentials = body.get("credentials")
    has = isinstance(credentials, dict) and isinstance(credentials.get("password"), dict)
    return {"password": {}} if has and credentials["password"] else {}  # type: ignore[index]


def _credentials(body: Mapping[str, Any], with_provider: bool) -> dict[str, Any]:
    found = _password(body)
    given = body.get("credentials")
    provider = given.get("provider") if isinstance(given, dict) else None
    if with_provider and isinstance(provider, dict):
        if provider.get("type") not in ("FEDERATION", "SOCIAL", "OKTA"):
            raise invalid("provider", "provider: The type must be FEDERATION or SOCIAL")
        if provider["type"] != "OKTA" and found:
            raise invalid("provider", "provider: Such a user has no password")
        found["provider"] = {"type": provider["type"], "name": str(provider.get("name") or provider["type"])}
    return found
