"""What a new credential is made of: a key pair, a certificate, or a long random secret; made here, in memory."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, RSAKey

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.registry.keeper import CERTIFICATE, JWK

BITS = 2048
YEAR = 365
Authority = Callable[[str], Awaitable[str]]
"""Signs a certificate request (PEM) and answers with the certificate (PEM)."""


@dataclass(frozen=True, slots=True)
class Made:
    """A secret half and what may be known of it: `public` holds jwk or certificate, kid, thumbprint.

    Of a certificate `key` is the thumbprint of its key (RFC 7638), by which the private half is known again.
    """

    value: SecretText = field(repr=False)
    public: dict[str, str]


def made_jwk(label: str) -> Made:
    """A P-256 key pair for ES256; the kid is the label, by which it is found again at the IdP."""
    key = ECKey.generate_key("P-256", {"kid": label, "alg": "ES256", "use": "sig"}, private=True)
    private = orjson.dumps(key.as_dict(private=True)).decode()
    public = orjson.dumps(key.as_dict(private=False)).decode()
    return Made(SecretText(private), {"kid": label, "jwk": public, "thumbprint": key.thumbprint()})


def made_secret() -> Made:
    """384 random bits."""
    return Made(SecretText(secrets.token_urlsafe(48)), {})


def certificate_request(label: str, name: str) -> tuple[str, rsa.RSAPrivateKey]:
    """A certificate request (PEM) for a new RSA key, and that key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(_subject(label, name)).sign(key, hashes.SHA256())
    )
    return request.public_bytes(Encoding.PEM).decode(), key


def self_signed(label: str, name: str, now: int, days: int) -> Made:
    """A key and its own certificate, for an IdP that asks for a certificate and needs no authority."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    start = datetime.fromtimestamp(now // SECOND, UTC)
    subject = _subject(label, name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The IdP's clock may be behind ours.
        .not_valid_before(start - timedelta(minutes=5))
        .not_valid_after(start + timedelta(days=days or YEAR))
        .sign(key, hashes.SHA256())
    )
    return with_certificate(key, certificate.public_bytes(Encoding.PEM).decode())


def with_certificate(key: rsa.RSAPrivateKey, certificate: str) -> Made:
    """Key and certificate as one PEM text, the key first; ValueError when they do not belong together."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    if found.public_key() != key.public_key():
        raise ValueError("the certificate is for another key")
    private = key.private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    raw = found.public_bytes(Encoding.DER)
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
    pem = key.public_key().public_bytes(Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = {
        "certificate": certificate,
        "thumbprint": thumbprint,
        "key": RSAKey.import_key(pem).thumbprint(),
    }
    return Made(SecretText(private + certificate), public)


def _subject(label: str, name: str) -> x509.Name:
    # X.520 allows 64 characters in a common name.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64] or "agent"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, label[:64]),
        ]
    )


def made(kind: str, label: str, name: str, now: int, days: int) -> Made:
    """New material of a kind. Certificates take a moment: call it in a thread."""
    if kind == JWK:
        return made_jwk(label)
    if kind == CERTIFICATE:
        return self_signed(label, name, now, days)
    return made_secret()
