"""The ID token: believed only when every check of OpenID Connect Core 1.0 section 3.1.3.7 holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from scim_bridge.console.sso.flow import Flow
from scim_bridge.console.sso.provider import ALGORITHM, Provider, SignInRefused
from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.kernel.crypto import equal

MAX_BYTES = 32_768
# How far the IdP's clock may be from ours.
CLOCKS = 2 * MINUTE
OLDEST = 10 * MINUTE
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)


async def proven(provider: Provider, token: str, flow: Flow, now: int) -> Mapping[str, Any]:
    """The claims of an ID token made for this sign-in; SignInRefused says which check failed."""
    header, claims = _read(token)
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise _wrong("alg", f"is not signed with {ALGORITHM}")
    kid = header.get("kid", "")
    key = await provider.key(kid) if isinstance(kid, str) else None
    if key is None:
        raise _wrong("key", "is signed with a key the IdP does not publish")
    try:
        jws.deserialize_compact(token, RSAKey.import_key(dict(key)), registry=_REGISTRY)
    except (JoseError, ValueError, TypeError) as error:
        raise _wrong("signature", "has a signature that does not verify") from error
    check(claims, provider.settings.issuer, provider.settings.client_id, flow, now)
    return claims


def check(claims: Mapping[str, Any], issuer: str, client_id: str, flow: Flow, now: int) -> None:
    """SignInRefused unless these signed claims are for us, for this sign-in, and of now."""
    if claims.get("iss") != issuer:
        raise _wrong("iss", "is another issuer's")
    audience = claims.get("aud")
    # Of others in the audience we know nothing, so none is trusted.
    if audience != client_id and audience != [client_id]:
        raise _wrong("aud", "is not for this application alone")
    if claims.get("azp", client_id) != client_id:
        raise _wrong("azp", "was made for another application")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _wrong("sub", "names nobody")
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires + CLOCKS <= now:
        raise _wrong("expired", "has expired")
    if issued > now + CLOCKS or issued < flow.begun - OLDEST:
        raise _wrong("iat", "was not made now: compare the clocks")
    if "nbf" in claims and _instant(claims, "nbf") > now + CLOCKS:
        raise _wrong("nbf", "is not valid yet: compare the clocks")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not equal(nonce, flow.nonce):
        raise _wrong("nonce", "was made for another sign-in")
    if flow.again:
        _asked_again(authenticated(claims), flow)


def _asked_again(proven_at: int | None, flow: Flow) -> None:
    if proven_at is None:
        raise SignInRefused(
            "auth-time",
            "The IdP did not say when you proved who you are.",
            "At Entra, add the optional claim auth_time to the application's ID token.",
        )
    if proven_at < flow.begun - CLOCKS:
        raise SignInRefused("not-again", "The IdP let you in without asking again.")


def authenticated(claims: Mapping[str, Any]) -> int | None:
    """When they proved who they are, in microseconds; None when the IdP does not say."""
    said = claims.get("auth_time")
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < 1e11:
        return None
    return int(said) * SECOND


def _instant(claims: Mapping[str, Any], name: str) -> int:
    said = claims.get(name)
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < 1e11:
        raise _wrong(name, f"has no {name}")
    return int(said) * SECOND


def _read(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if len(token) > MAX_BYTES or not token.isascii():
        raise _wrong("form", "is not a JWT")
    try:
        parsed = jws.extract_compact(token.encode(), registry=_REGISTRY)
        claims = orjson.loads(parsed.payload)
        header = parsed.headers()
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _wrong("form", "is not a JWT this program believes") from error
    if not isinstance(claims, dict):
        raise _wrong("form", "holds no claims")
    return header, claims


def _wrong(why: str, what: str) -> SignInRefused:
    return SignInRefused(why, f"The ID token of the IdP {what}.")
