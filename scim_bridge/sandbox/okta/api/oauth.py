"""/oauth2/v1/token: client credentials with a signed assertion; and the org's public metadata."""

from __future__ import annotations

import secrets
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import Caller, answer, digest
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import assertions
from scim_bridge.sandbox.okta.model.assertions import BadClient
from scim_bridge.sandbox.okta.model.proofs import BadProof
from scim_bridge.sandbox.okta.org import ORG_ID
from scim_bridge.sandbox.okta.parts import Parts

LIFETIME = 3600
TOKEN_PATH = "/oauth2/v1/token"


class Refused(Exception):
    """A refusal in OAuth's words (RFC 6749 section 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.status = error, status


def routes(parts: Parts) -> list[BaseRoute]:
    """The token endpoint and the org's metadata."""
    org = parts.org

    async def issue_token(request: Request) -> Response:
        async def act() -> Response:
            if request.method != "POST":
                raise OktaError("E0000022")
            form = await request.form()
            given = {name: str(value) for name, value in form.items()}
            if given.get("grant_type") == "authorization_code":
                status, told = parts.sign_in.token(given, request.headers.get("authorization", ""))
                return answer(told, status)
            try:
                return answer(_grant(parts, given, request.headers.get("dpop")))
            except BadProof as bad:
                told = {"error": bad.error, "error_description": str(bad)}
                nonce = {"dpop-nonce": parts.proofs.nonce()} if bad.error == "use_dpop_nonce" else {}
                return answer(told, 400, nonce)
            except Refused as refused:
                told = {"error": refused.error, "error_description": str(refused)}
                return answer(told, refused.status)

        return await parts.gate.guarded(request, act)

    async def org_metadata(request: Request) -> Response:
        async def act() -> Response:
            shown = {"id": ORG_ID, "pipeline": "idx"}
            return answer({**shown, "_links": {"organization": {"href": org.url}}})

        return await parts.gate.guarded(request, act)

    token = Route(TOKEN_PATH, issue_token)
    token.methods = None
    return [token, Route("/.well-known/okta-organization", org_metadata)]


def _grant(parts: Parts, form: dict[str, str], proof: str | None) -> dict[str, Any]:
    if form.get("grant_type") != "client_credentials":
        raise Refused("unsupported_grant_type", "The authorization grant type is not supported.")
    client = _client(parts, form)
    bound = None
    if client.get("dpop") or proof:
        bound = parts.proofs.checked(proof, "POST", f"{parts.org.url}{TOKEN_PATH}", nonce=True)
    asked = form.get("scope", "").split()
    if not asked:
        raise Refused(
            "invalid_scope", "The authorization server resource does not have any configured default scopes."
        )
    denied = [scope for scope in asked if scope not in client["scopes"]]
    if denied:
        raise Refused("invalid_scope", f"The client is not granted the scopes: {' '.join(denied)}")
    token = secrets.token_urlsafe(48)
    expires = parts.org.seconds() + LIFETIME
    grant = {"client_id": client["client_id"], "scopes": asked, "expires": expires, "jkt": bound}
    with parts.org.store.transaction():
        parts.org.store.put("accesstoken", digest(token), grant)
        caller = Caller(client["client_id"], client["name"], "PublicClientApp", None)
        target = events.other_target("access_token", digest(token)[:20], "Access Token")
        events.write(parts.org, "app.oauth2.token.grant.access_token", caller, [target])
    kind = "DPoP" if bound else "Bearer"
    return {"token_type": kind, "expires_in": LIFETIME, "access_token": token, "scope": " ".join(asked)}


def _client(parts: Parts, form: dict[str, str]) -> dict[str, Any]:
    """The client that proved who it is; invalid_client otherwise."""
    try:
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != assertions.TYPE or not assertion:
            raise BadClient("Client authentication must be private_key_jwt.")
        client_id, kid = assertions.issuer_of(assertion)
        client = parts.org.store.get("apiclient", client_id)
        if client is None:
            raise BadClient("Invalid value for 'client_id' parameter.")
        claims = assertions.claims_of(assertion, _key(client, kid))
        jti = assertions.check_claims(claims, client_id, f"{parts.org.url}{TOKEN_PATH}", parts.org.seconds())
        _once(parts, client_id, jti, claims["exp"])
    except BadClient as bad:
        raise Refused("invalid_client", str(bad), 401) from None
    return client


def _key(client: dict[str, Any], kid: str | None) -> RSAKey:
    for jwk in client["keys"]:
        if kid is None or jwk.get("kid") in (None, kid):
            try:
                return RSAKey.import_key(jwk)
            except (JoseError, ValueError):
                break
    raise BadClient("The client_assertion was signed with a key this client does not have.")


def _once(parts: Parts, client_id: str, jti: str, expires: float) -> None:
    """Remember an assertion until it expires; BadClient when it was used before."""
    if not jti:
        return
    store, key = parts.org.store, f"{client_id}:{jti}"
    with store.transaction():
        for old, value in store.all("jti"):
            if value["expires"] <= parts.org.seconds():
                store.delete("jti", old)
        if store.get("jti", key) is not None:
            raise BadClient("The client_assertion token has already been used.")
        store.put("jti", key, {"expires": expires})
