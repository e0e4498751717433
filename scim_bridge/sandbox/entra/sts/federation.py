"""Federated credentials: an assertion of somebody else that an application was told to trust. Pure.

Source: Graph resource federatedIdentityCredential; Entra "workload identity federation" and its error codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from scim_bridge.sandbox.entra.sts import errors
from scim_bridge.sandbox.entra.sts.credentials import assertion_parts, check_times, verify

AUDIENCE = "api://AzureADTokenExchange"
MOST = 20


def federated_record(wish: object) -> dict[str, Any]:
    """The record of one trusted issuer: issuer, subject, audiences, keys (a JWK set; none: this tenant's own).

    The real one fetches the issuer's keys; here they are given. ValueError names what is wrong.
    """
    if not isinstance(wish, Mapping):
        raise ValueError("a federated credential is an object")
    for name in ("issuer", "subject"):
        if not isinstance(wish.get(name), str) or not wish[name]:
            raise ValueError(f"a federated credential needs '{name}'")
    audiences, keys = wish.get("audiences", [AUDIENCE]), wish.get("keys")
    if not isinstance(audiences, list) or len(audiences) != 1:
        raise ValueError("'audiences' holds exactly one audience")
    if keys is not None:
        try:
            KeySet.import_key_set(keys)
        except (JoseError, ValueError, KeyError, TypeError):
            raise ValueError("'keys' is no JWK set") from None
    return {"issuer": wish["issuer"], "subject": wish["subject"], "audiences": audiences, "keys": keys}


def check_federated(kept: Sequence[Mapping[str, Any]], assertion: str, own: RSAKey, now: int) -> None:
    """StsError unless one of these records fits the assertion, its signature and its times."""
    header, claims = assertion_parts(assertion)
    issuer, subject = str(claims.get("iss")), str(claims.get("sub"))
    # Compared as they are written: a slash too many at the end of an issuer is another issuer.
    fitting = [one for one in kept if one["issuer"] == issuer]
    if not fitting:
        raise errors.no_federated_record(issuer, subject, 700211, "issuer")
    fitting = [one for one in fitting if one["subject"] == subject]
    if not fitting:
        raise errors.no_federated_record(issuer, subject, 700213, "subject")
    audiences = claims.get("aud") if isinstance(claims.get("aud"), list) else [claims.get("aud")]
    fitting = [one for one in fitting if set(one["audiences"]) & set(audiences or [])]
    if not fitting:
        raise errors.no_federated_record(issuer, subject, 700212, "audience")
    verify(
        assertion, _key(fitting[0].get("keys"), str(header.get("kid") or ""), own), "its signature is wrong."
    )
    check_times(claims, now)


def _key(keys: Any, kid: str, own: RSAKey) -> RSAKey:
    if keys is None:
        return own
    found = KeySet.import_key_set(keys).keys
    chosen = [one for one in found if one.kid == kid] or found
    if not chosen or not isinstance(chosen[0], RSAKey):
        raise errors.bad_assertion("no key of the issuer fits.")
    return chosen[0]
