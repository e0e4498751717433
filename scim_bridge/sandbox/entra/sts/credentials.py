"""What an application proves itself with: secrets (digest only) and certificates. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from scim_bridge.sandbox.entra.sts import errors
from scim_bridge.sandbox.kit.clock import SECOND, iso, parse_iso

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["PS256", "RS256"]
SKEW_SECONDS = 300


class _Registry(jws.JWSRegistry):
    # msal puts the whole certificate into the header (x5c).
    max_header_length = 16_384


_REGISTRY = _Registry(algorithms=ALGORITHMS)


def new_secret(key_id: str, name: str, start: int, end: int) -> tuple[str, dict[str, Any]]:
    """A fresh secret text, and the record to keep of it (no text, only its digest and first letters)."""
    text = secrets.token_urlsafe(30)
    return text, {
        "keyId": key_id,
        "displayName": name,
        "hint": text[:3],
        "startDateTime": iso(start),
        "endDateTime": iso(end),
        "digest": _digest(text),
    }


def check_secret(client_id: str, kept: Sequence[Mapping[str, Any]], text: str, now: int) -> str:
    """The keyId of the secret with this text; StsError when there is none, or it has expired."""
    for one in kept:
        if hmac.compare_digest(str(one["digest"]), _digest(text)):
            if parse_iso(str(one["endDateTime"])) <= now:
                raise errors.expired_secret(client_id)
            return str(one["keyId"])
    raise errors.wrong_secret(client_id)


def certificate_record(key_id: str, pem: str) -> dict[str, Any]:
    """The record to keep of a certificate; ValueError when it is none, or not an RSA one."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise ValueError("only certificates with an RSA key can sign assertions")
    raw = certificate.public_bytes(Encoding.DER)
    return {
        "keyId": key_id,
        "pem": pem,
        "x5t": _thumb(hashlib.sha1(raw).digest()),
        "x5t#S256": _thumb(hashlib.sha256(raw).digest()),
        "endDateTime": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def assertion_parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of an assertion, unverified; StsError when it is no JWT."""
    try:
        parsed = jws.extract_compact(assertion.encode(), registry=_REGISTRY)
        claims = orjson.loads(parsed.payload)
    except (JoseError, ValueError, binascii.Error, UnicodeEncodeError) as error:
        raise errors.bad_assertion(f"malformed ({type(error).__name__}).") from None
    if not isinstance(claims, dict):
        raise errors.bad_assertion("its payload is not an object.")
    return dict(parsed.headers()), claims


def check_certificate_assertion(
    client_id: str,
    kept: Sequence[Mapping[str, Any]],
    assertion: str,
    audiences: Sequence[str],
    now: int,
    *,
    claim: str = "sub",
) -> str:
    """The keyId of the registered certificate that signed this; StsError when none did, or it is not good.

    `claim` is the one that names the client.
    """
    header, claims = assertion_parts(assertion)
    if claims.get(claim) != client_id:
        raise errors.bad_assertion(f"'{claim}' must be the client id.")
    if claims.get("aud") not in audiences:
        raise errors.bad_assertion("'aud' is not this token endpoint.")
    signer = next((one for one in kept if _signed_with(header, one)), None)
    if signer is None:
        raise errors.bad_assertion("the thumbprint is unknown.")
    if parse_iso(str(signer["endDateTime"])) <= now:
        raise errors.bad_assertion("the certificate has expired.")
    verify(assertion, _public(str(signer["pem"])), "Signature validation failed.")
    check_times(claims, now)
    return str(signer["keyId"])


def verify(assertion: str, key: RSAKey, reason: str) -> dict[str, Any]:
    """The claims of a JWT this key signed; StsError with `reason` otherwise."""
    try:
        return dict(jwt.decode(assertion, key, registry=_REGISTRY).claims)
    except (JoseError, ValueError):
        raise errors.bad_assertion(reason) from None


def check_times(claims: Mapping[str, Any], now: int) -> None:
    """StsError unless `nbf` and `exp` (seconds) hold, five minutes of skew allowed."""
    seconds = now // SECOND
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or expires + SKEW_SECONDS < seconds:
        raise errors.stale_assertion()
    if isinstance(begins, int | float) and begins - SKEW_SECONDS > seconds:
        raise errors.stale_assertion()


def _signed_with(header: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    # msal leaves the padding at the thumbprint, which RFC 7515 does without; the real one takes both.
    given = {name: str(header.get(name, "")).rstrip("=") for name in ("x5t#S256", "x5t")}
    return any(value and value == record[name] for name, value in given.items())


def _public(pem: str) -> RSAKey:
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return RSAKey.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _thumb(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
