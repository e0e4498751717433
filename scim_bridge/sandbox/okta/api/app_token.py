"""/oauth2/default/v1/token: client credentials of OIDC apps and AI agents at the org's custom server."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any
from urllib.parse import unquote

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.okta.ai_agents import ACTIVE as AGENT_ACTIVE
from scim_bridge.sandbox.okta.api.gate import answer
from scim_bridge.sandbox.okta.api.oauth import LIFETIME, Refused
from scim_bridge.sandbox.okta.client_credentials import ACTIVE
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import assertions
from scim_bridge.sandbox.okta.model.assertions import BadClient
from scim_bridge.sandbox.okta.oidc_apps import BY_KEY
from scim_bridge.sandbox.okta.parts import Parts

PATH = "/oauth2/default/v1/token"
ALGORITHMS = ("RS256", "ES256")
MANY = 10_000


def routes(parts: Parts) -> list[BaseRoute]:
    """The token endpoint of the custom authorization server "default"."""
    seen = Seen()

    async def issue_app_token(request: Request) -> Response:
        async def act() -> Response:
            if request.method != "POST":
                raise OktaError("E0000022")
            form = {name: str(value) for name, value in (await request.form()).items()}
            try:
                _given(form, request.headers.get("authorization", ""))
                return answer(_grant(parts, form, seen))
            except Refused as refused:
                told = {"error": refused.error, "error_description": str(refused)}
                return answer(told, refused.status)

        return await parts.gate.guarded(request, act)

    token = Route(PATH, issue_app_token)
    token.methods = None
    return [token]


class Seen:
    """Assertions that were used, until they expire: each is good once."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def once(self, key: str, expires: float, now: float) -> None:
        """Remember one; BadClient when it was used before."""
        if key in self._until:
            raise BadClient("The client_assertion token has already been used.")
        if len(self._until) > MANY:
            self._until = {name: until for name, until in self._until.items() if until > now}
        self._until[key] = expires


def _given(form: dict[str, str], authorization: str) -> None:
    """Put a client named in the Authorization header into the form (client_secret_basic)."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Refused("invalid_client", "The Authorization header cannot be read.", 401) from None
    form |= {"client_id": unquote(name), "client_secret": unquote(secret)}


def _grant(parts: Parts, form: dict[str, str], seen: Seen) -> dict[str, Any]:
    if form.get("grant_type") != "client_credentials":
        raise Refused("unsupported_grant_type", "The authorization grant type is not supported.")
    try:
        _proved(parts, form, seen)
    except BadClient as bad:
        raise Refused("invalid_client", str(bad), 401) from None
    scope = form.get("scope", "").split()
    if not scope:
        raise Refused(
            "invalid_scope", "The authorization server resource does not have any configured default scopes."
        )
    if any(name.startswith("okta.") for name in scope):
        raise Refused("invalid_scope", "One or more scopes are not configured for this server.")
    token = secrets.token_urlsafe(48)
    return {
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "access_token": token,
        "scope": " ".join(scope),
    }


def _proved(parts: Parts, form: dict[str, str], seen: Seen) -> None:
    """Nothing when the client proved who it is; BadClient otherwise."""
    assertion = form.get("client_assertion", "")
    if assertion and form.get("client_assertion_type") != assertions.TYPE:
        raise BadClient("Unknown client_assertion_type.")
    client_id, kid = assertions.issuer_of(assertion) if assertion else (form.get("client_id", ""), None)
    by_key = _usable(parts, client_id)
    if by_key is not bool(assertion):
        raise BadClient("The client is registered for another token_endpoint_auth_method.")
    if not assertion:
        if not parts.client_credentials.proves(client_id, form.get("client_secret", "")):
            raise BadClient("The client secret supplied for a confidential client is invalid.")
        return
    key = _key(parts, client_id, kid)
    now = parts.org.seconds()
    claims = assertions.claims_of(assertion, key, ALGORITHMS)
    jti = assertions.check_claims(claims, client_id, f"{parts.org.url}{PATH}", now)
    if jti:
        seen.once(f"{client_id}:{jti}", float(claims["exp"]), now)


def _usable(parts: Parts, client_id: str) -> bool:
    """Whether the client proves itself with keys; BadClient when there is none, or it is off."""
    app = parts.oidc_apps.find(client_id)
    if app is not None and app["status"] == "ACTIVE":
        method = app["credentials"]["oauthClient"]["token_endpoint_auth_method"]
        return bool(method == BY_KEY)
    agent = parts.org.store.get("aiagent", client_id) if app is None else None
    if agent is not None and agent["status"] == AGENT_ACTIVE:
        return True
    raise BadClient("Invalid value for 'client_id' parameter.")


def _key(parts: Parts, client_id: str, kid: str | None) -> RSAKey | ECKey:
    for jwk in parts.client_credentials.keys(client_id):
        if jwk["status"] != ACTIVE or (kid is not None and jwk["kid"] != kid):
            continue
        members: dict[str, Any] = {
            name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk
        }
        try:
            return (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(members)
        except (JoseError, ValueError):
            continue
    raise BadClient("The client_assertion was signed with a key this client does not have.")
