"""…/credentials/secrets and …/credentials/jwks, below an OIDC app and below an AI agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.client_credentials import ACTIVE, INACTIVE, KEY, SECRET, Item, shown
from scim_bridge.sandbox.okta.errors import OktaError, not_found
from scim_bridge.sandbox.okta.parts import Parts

Owner = Callable[[Request], str]


def app_routes(parts: Parts) -> list[BaseRoute]:
    """The credentials of OIDC apps: plain lists."""

    def owner(request: Request) -> str:
        key = request.path_params["app"]
        if parts.oidc_apps.find(key) is None:
            raise not_found(key, "AppInstance")
        return str(key)

    base = "/api/v1/apps/{app}/credentials"
    return [
        *_routes(parts, f"{base}/secrets", SECRET, owner, "apps", "", bare=True),
        *_routes(parts, f"{base}/jwks", KEY, owner, "apps", "", bare=True),
    ]


def agent_routes(parts: Parts, base: str, resource: str, licence: str) -> list[BaseRoute]:
    """The credentials of AI agents: lists below `data`."""

    def owner(request: Request) -> str:
        return str(parts.ai_agents.need(request.path_params["agent"])["id"])

    here = f"{base}/ai-agents/{{agent}}/credentials"
    return [
        *_routes(parts, f"{here}/secrets", SECRET, owner, resource, licence, bare=False),
        *_routes(parts, f"{here}/jwks", KEY, owner, resource, licence, bare=False),
    ]


def _routes(
    parts: Parts, here: str, kind: str, owner: Owner, resource: str, licence: str, *, bare: bool
) -> list[BaseRoute]:
    store, credentials = parts.org.store, parts.client_credentials

    def of(request: Request) -> list[Item]:
        key = owner(request)
        return credentials.secrets(key) if kind == SECRET else credentials.keys(key)

    def need(request: Request) -> Item:
        return credentials.need(kind, owner(request), request.path_params["key"])

    async def list_client_credentials(request: Request, caller: Caller) -> Response:
        found: Any = [shown(item) for item in of(request)]
        return answer(found if bare else {"data": found, "_links": {}})

    async def add_client_credential(request: Request, caller: Caller) -> Response:
        raw = await request.body()
        body = await body_of(request) if raw.strip() else {}
        if not isinstance(body, dict):
            raise OktaError("E0000003")
        with store.transaction():
            if kind == SECRET:
                status = str(body.get("status") or ACTIVE)
                return answer(
                    shown(credentials.add_secret(owner(request), body.get("client_secret"), status)), 201
                )
            return answer(shown(credentials.add_key(owner(request), body)), 201)

    async def get_client_credential(request: Request, caller: Caller) -> Response:
        return answer(shown(need(request)))

    async def delete_client_credential(request: Request, caller: Caller) -> Response:
        credentials.delete(kind, need(request))
        return nothing()

    async def activate_client_credential(request: Request, caller: Caller) -> Response:
        return answer(shown(credentials.switch(kind, need(request), ACTIVE)))

    async def deactivate_client_credential(request: Request, caller: Caller) -> Response:
        return answer(shown(credentials.switch(kind, need(request), INACTIVE)))

    def route(path: str, **handlers: Any) -> BaseRoute:
        return parts.gate.route(f"{here}{path}", resource, licence=licence, **handlers)

    return [
        route("", GET=list_client_credentials, POST=add_client_credential),
        route("/{key}", GET=get_client_credential, DELETE=delete_client_credential),
        route("/{key}/lifecycle/activate", POST=activate_client_credential),
        route("/{key}/lifecycle/deactivate", POST=deactivate_client_credential),
    ]
