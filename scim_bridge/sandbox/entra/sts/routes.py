"""The token service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.entra.sts.errors import StsError, unknown_tenant
from scim_bridge.sandbox.entra.sts.service import TokenService
from scim_bridge.sandbox.entra.sts.sign_in import SignIn
from scim_bridge.sandbox.kit.control import json_answer


def routes(service: TokenService, people: SignIn) -> list[BaseRoute]:
    """Discovery, keys, the token endpoint, and where people sign in and out, by id or domain of the tenant."""

    def refused(error: StsError) -> Response:
        body = error.body(service.tenant.now(), service.tenant.base_url)
        return json_answer(body, error.status)

    def known(request: Request) -> None:
        tenant = str(request.path_params["tenant"])
        if tenant.lower() not in (service.tenant.id, service.tenant.domain):
            raise unknown_tenant(tenant)

    async def discovery(request: Request) -> Response:
        try:
            known(request)
        except StsError as error:
            return refused(error)
        return json_answer({**service.discovery(), **people.described()})

    async def keys(request: Request) -> Response:
        return json_answer(service.jwks())

    async def token(request: Request) -> Response:
        try:
            known(request)
            form = await _form(request)
            if form.get("grant_type") == "authorization_code":
                return _uncached(people.token(form, request.headers.get("authorization", "")))
            return _uncached(service.token(form))
        except StsError as error:
            return refused(error)

    async def authorize(request: Request) -> Response:
        try:
            known(request)
        except StsError as error:
            return refused(error)
        return people.authorize(request)

    async def logout(request: Request) -> Response:
        try:
            known(request)
        except StsError as error:
            return refused(error)
        return people.logout(request)

    return [
        Route("/{tenant}/oauth2/v2.0/authorize", authorize, methods=["GET"]),
        Route("/{tenant}/oauth2/v2.0/logout", logout, methods=["GET"]),
        Route("/{tenant}/v2.0/.well-known/openid-configuration", discovery, methods=["GET"]),
        Route("/{tenant}/discovery/v2.0/keys", keys, methods=["GET"]),
        Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
    ]


async def _form(request: Request) -> Mapping[str, str]:
    raw = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(raw, keep_blank_values=True))


def _uncached(content: Any) -> Response:
    answer = json_answer(content)
    answer.headers["cache-control"] = "no-store, no-cache"
    return answer
