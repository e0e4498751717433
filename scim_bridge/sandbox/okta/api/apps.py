"""/api/v1/apps: the one app that provisions by SCIM and who is assigned to it, and OIDC apps."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api import paging, views
from scim_bridge.sandbox.okta.api.client_credentials import app_routes
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.errors import OktaError, invalid, not_found
from scim_bridge.sandbox.okta.parts import Parts


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    org, assignments, oidc = parts.org, parts.assignments, parts.oidc_apps

    def the_app(request: Request) -> dict[str, Any]:
        key = request.path_params["app"]
        if org.app()["id"] != key:
            raise not_found(key, "AppInstance")
        return org.app()

    def need(request: Request) -> dict[str, Any]:
        the_app(request)
        user = parts.directory.need(request.path_params["user"])
        found = assignments.of(user["id"])
        if found is None:
            raise not_found(user["id"], "AppUser")
        return found

    async def list_apps(request: Request, caller: Caller) -> Response:
        limit = paging.limit_of(request, 20, 200)
        every = [org.app(), *oidc.all()]
        if request.query_params.get("filter"):
            every = [app for app in every if _named(request.query_params["filter"], app)]
        return paging.page(request, every, lambda app: views.app(org, app), org.url, limit)

    async def create_app(request: Request, caller: Caller) -> Response:
        body = await body_of(request)
        if not isinstance(body, dict) or body.get("signOnMode") != "OPENID_CONNECT":
            raise invalid("signOnMode", "signOnMode: This sandbox makes OPENID_CONNECT apps only")
        with org.store.transaction():
            made, secret = oidc.create(body)
        shown = views.app(org, made)
        if secret:
            # Shown once, as the Admin Console does.
            client = {**shown["credentials"]["oauthClient"], "client_secret": secret}
            shown["credentials"] = {"oauthClient": client}
        return answer(shown)

    def oidc_app(request: Request) -> dict[str, Any]:
        key = request.path_params["app"]
        found = oidc.find(key)
        if found is None:
            raise not_found(key, "AppInstance")
        return found

    async def get_app(request: Request, caller: Caller) -> Response:
        found = oidc.find(request.path_params["app"])
        return answer(views.app(org, found or the_app(request)))

    async def replace_app(request: Request, caller: Caller) -> Response:
        body = await body_of(request)
        with org.store.transaction():
            return answer(views.app(org, oidc.replace(oidc_app(request), body)))

    async def delete_app(request: Request, caller: Caller) -> Response:
        with org.store.transaction():
            oidc.delete(oidc_app(request))
        return nothing()

    async def activate_app(request: Request, caller: Caller) -> Response:
        oidc.switch(oidc_app(request), "ACTIVE")
        return answer({})

    async def deactivate_app(request: Request, caller: Caller) -> Response:
        oidc.switch(oidc_app(request), "INACTIVE")
        return answer({})

    async def list_app_users(request: Request, caller: Caller) -> Response:
        the_app(request)
        limit = paging.limit_of(request, 50, 500)
        return paging.page(request, assignments.all(), lambda item: views.app_user(org, item), org.url, limit)

    async def assign_app_user(request: Request, caller: Caller) -> Response:
        the_app(request)
        body = await body_of(request)
        if not isinstance(body, dict) or not isinstance(body.get("id"), str):
            raise invalid("id", "id: The field cannot be left blank")
        user = parts.directory.need(body["id"])
        with org.store.transaction():
            made, _ = assignments.assign(user, caller, body.get("profile"), body.get("scope") or "USER")
        return answer(views.app_user(org, made))

    async def get_app_user(request: Request, caller: Caller) -> Response:
        return answer(views.app_user(org, need(request)))

    async def update_app_user(request: Request, caller: Caller) -> Response:
        found, body = need(request), await body_of(request)
        profile = body.get("profile") if isinstance(body, dict) else None
        if not isinstance(profile, dict):
            raise OktaError("E0000003")
        after = {**found, "profile": {**found["profile"], **profile}, "lastUpdated": org.stamp()}
        org.store.put("appuser", found["id"], after)
        return answer(views.app_user(org, after))

    async def unassign_app_user(request: Request, caller: Caller) -> Response:
        found = need(request)
        with org.store.transaction():
            assignments.unassign(parts.directory.need(found["id"]), caller)
        return nothing()

    gate = parts.gate
    return [
        gate.route("/api/v1/apps", "apps", GET=list_apps, POST=create_app),
        gate.route("/api/v1/apps/{app}", "apps", GET=get_app, PUT=replace_app, DELETE=delete_app),
        gate.route("/api/v1/apps/{app}/lifecycle/activate", "apps", POST=activate_app),
        gate.route("/api/v1/apps/{app}/lifecycle/deactivate", "apps", POST=deactivate_app),
        *app_routes(parts),
        gate.route("/api/v1/apps/{app}/users", "apps", GET=list_app_users, POST=assign_app_user),
        gate.route(
            "/api/v1/apps/{app}/users/{user}",
            "apps",
            GET=get_app_user,
            POST=update_app_user,
            DELETE=unassign_app_user,
        ),
    ]


def _named(expression: str, app: dict[str, Any]) -> bool:
    """True when an app is of the name a filter asks for (`name eq "oidc_client"`), or of the status."""
    match = re.fullmatch(r'\s*(name|status)\s+eq\s+"([^"]*)"\s*', expression)
    if match is None:
        raise OktaError("E0000031")
    return bool(app[match[1]] == match[2])
