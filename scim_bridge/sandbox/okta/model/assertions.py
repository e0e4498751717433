"""Client assertions (RFC 7523) as Okta takes them: RS256, for this org, for at most an hour, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

LONGEST = 3600
LEEWAY = 300
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class BadClient(Exception):
    """The client did not prove who it is: invalid_client, with this description."""


def claims_of(token: str, key: RSAKey | ECKey, algorithms: Sequence[str] = ("RS256",)) -> dict[str, Any]:
    """The claims of a signed assertion; BadClient when the signature or the algorithm is wrong."""
    try:
        signed = jws.deserialize_compact(token, key, algorithms=list(algorithms))
        claims = orjson.loads(signed.payload)
    except (JoseError, ValueError):
        raise BadClient("The client_assertion signature is invalid.") from None
    if not isinstance(claims, dict):
        raise BadClient("The client_assertion is not a JWT.")
    return claims


def issuer_of(token: str) -> tuple[str, str | None]:
    """Who a not yet verified assertion says it is from, and its key id; BadClient when it is no JWT."""
    try:
        opened = jws.extract_compact(token.encode())
        claims = orjson.loads(opened.payload)
        return str(claims["iss"]), opened.headers().get("kid")
    except (JoseError, ValueError, KeyError, TypeError):
        raise BadClient("The client_assertion token is malformed.") from None


def check_claims(claims: Mapping[str, Any], client_id: str, audience: str, now: float) -> str:
    """The assertion's jti; BadClient when a claim is missing or wrong. `now` is in seconds."""
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise BadClient("The issuer and subject of the client_assertion must be the client_id.")
    said = claims.get("aud")
    if audience not in (said if isinstance(said, list) else [said]):
        raise BadClient(
            "The audience claim for client_assertion must be the endpoint invoked for the request."
        )
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        raise BadClient("The client_assertion token must have an expiration.")
    if expires <= now:
        raise BadClient("The client_assertion token is expired.")
    if expires > now + LONGEST:
        raise BadClient("The client_assertion token has an expiration too far into the future.")
    for name in ("iat", "nbf"):
        issued = claims.get(name)
        if isinstance(issued, int | float) and issued > now + LEEWAY:
            raise BadClient(f"The client_assertion token is not valid yet ({name}).")
    return str(claims.get("jti") or "")
