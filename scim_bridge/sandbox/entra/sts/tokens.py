"""Access tokens of the tenant: written, and read back per request. Pure but for the key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from scim_bridge.sandbox.entra.tenant import GRAPH_APP_ID
from scim_bridge.sandbox.kit.clock import SECOND

GRAPH = "https://graph.microsoft.com"
GRAPH_NAMES = (GRAPH, f"{GRAPH}/", GRAPH_APP_ID, f"api://{GRAPH_APP_ID}")
EXCHANGE = "api://AzureADTokenExchange"
SKEW_SECONDS = 300


class BadToken(Exception):
    """A bearer token that is not accepted; the message says why, in Graph's words."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a Graph call comes from: an application (or agent identity) and the app roles it was granted."""

    app_id: str
    object_id: str
    roles: frozenset[str]
    kind: str = "application"


def issuer_of(tenant_id: str) -> str:
    """The issuer of v1.0 access tokens, which is what Graph takes."""
    return f"https://sts.windows.net/{tenant_id}/"


def access_token(
    key: RSAKey,
    tenant_id: str,
    *,
    app_id: str,
    object_id: str,
    name: str,
    roles: Sequence[str],
    kind: str,
    now: int,
    seconds: int,
    audience: str = GRAPH,
    issuer: str = "",
) -> str:
    """A token for Microsoft Graph (or another audience), valid for `seconds` from `now` (microseconds)."""
    begins = now // SECOND
    claims = {
        "aud": audience,
        "iss": issuer or issuer_of(tenant_id),
        "iat": begins,
        "nbf": begins,
        "exp": begins + seconds,
        "app_displayname": name,
        "appid": app_id,
        "appidacr": "1",
        "idtyp": "app",
        "oid": object_id,
        "roles": list(roles),
        "sub": object_id,
        "tid": tenant_id,
        "uti": secrets.token_urlsafe(16),
        "ver": "1.0",
        "xms_sandbox_kind": kind,
    }
    return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": key.kid}, claims, key)


def exchange_token(key: RSAKey, tenant_id: str, *, blueprint: str, path: str, now: int, seconds: int) -> str:
    """A blueprint's token for one of its agent identities (`path`), good only for the exchange."""
    begins = now // SECOND
    claims = {
        "aud": EXCHANGE,
        "iss": issuer_of(tenant_id),
        "iat": begins,
        "nbf": begins,
        "exp": begins + seconds,
        "appid": blueprint,
        "idtyp": "app",
        "sub": f"/eid1/c/pub/t/{tenant_id}/a/{blueprint}/{path}",
        "tid": tenant_id,
        "uti": secrets.token_urlsafe(16),
        "xms_sandbox_fmi": path,
    }
    return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": key.kid}, claims, key)


def read(key: RSAKey, tenant_id: str, token: str, now: int) -> Caller:
    """Who holds this token for Graph; BadToken when it is none, another's, or over."""
    if not token:
        raise BadToken("Access token is empty.")
    try:
        claims = jwt.decode(token, key, algorithms=["RS256"]).claims
    except (JoseError, ValueError) as error:
        malformed = token.count(".") != 2
        reason = "IDX14100: JWT is not well formed" if malformed else "Access token validation failure"
        raise BadToken(f"{reason}. ({type(error).__name__})") from None
    if claims.get("iss") != issuer_of(tenant_id) or claims.get("tid") != tenant_id:
        raise BadToken("Access token validation failure. Invalid issuer.")
    if claims.get("aud") not in GRAPH_NAMES:
        raise BadToken("Access token validation failure. Invalid audience.")
    _times(claims, now)
    roles = claims.get("roles") or []
    return Caller(
        str(claims["appid"]),
        str(claims["oid"]),
        frozenset(str(one) for one in roles),
        str(claims.get("xms_sandbox_kind", "application")),
    )


def _times(claims: Mapping[str, Any], now: int) -> None:
    seconds = now // SECOND
    if int(claims.get("exp", 0)) <= seconds:
        raise BadToken("Lifetime validation failed, the token is expired.")
    if int(claims.get("nbf", 0)) > seconds + SKEW_SECONDS:
        raise BadToken("Lifetime validation failed, the token is not yet valid.")
