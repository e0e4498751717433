"""Where people sign in at the org: discovery, keys, /oauth2/v1/authorize and logout; and the form that makes an app."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.okta.api.gate import answer
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.parts import Parts
from scim_bridge.sandbox.okta.sign_in import AUTHORIZE, FILTERS, KEYS, LOGOUT


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of people, and /sandbox/sign-in-apps."""
    people = parts.sign_in

    async def discovery(request: Request) -> Response:
        return answer(people.discovery())

    async def keys(request: Request) -> Response:
        return answer({"keys": [people.key.as_dict(private=False)]})

    async def authorize(request: Request) -> Response:
        return people.authorize(request)

    async def logout(request: Request) -> Response:
        return people.logout(request)

    async def make(request: Request) -> Any:
        return _made(parts, await read_object(request))

    return [
        Route("/.well-known/openid-configuration", discovery, methods=["GET"]),
        Route(KEYS, keys, methods=["GET"]),
        Route(AUTHORIZE, authorize, methods=["GET"]),
        Route(LOGOUT, logout, methods=["GET"]),
        control_route("/sign-in-apps", make, ["POST"]),
    ]


def _made(parts: Parts, wish: dict[str, Any]) -> dict[str, Any]:
    """What an admin does in the Admin Console: a web app with its addresses, assigned groups and groups claim.

    `label`, `redirect_uris`, `logout_uris`, `groups` (names), `groups_claim` ({"type": "STARTS_WITH", "value": …}).
    Answers issuer, client_id and client_secret (only here).
    """
    claim = wish.get("groups_claim") or {}
    if claim and (claim.get("type") not in FILTERS or not isinstance(claim.get("value"), str)):
        raise Refusal(f"'groups_claim' has a type ({', '.join(FILTERS)}) and a value.")
    groups = []
    for name in _texts(wish, "groups"):
        group = parts.groups.named(name)
        if group is None:
            raise Refusal(f"There is no group {name!r}.")
        groups.append(group["id"])
    settings = {
        "application_type": "web",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "redirect_uris": _texts(wish, "redirect_uris"),
        "post_logout_redirect_uris": _texts(wish, "logout_uris"),
    }
    body = {"label": str(wish.get("label") or "scim-bridge"), "settings": {"oauthClient": settings}}
    try:
        with parts.org.store.transaction():
            app, secret = parts.oidc_apps.create(body)
            parts.sign_in.open_to(app, groups, claim)
    except OktaError as error:
        raise Refusal(f"{error.code} {error.summary}") from None
    return {"ok": True, "issuer": parts.org.url, "client_id": app["id"], "client_secret": secret}


def _texts(wish: dict[str, Any], name: str) -> list[str]:
    found = wish.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Refusal(f"{name!r} is a list of texts.")
    return found
