"""What a new credential is made of: a key pair, a certificate, or a long random secret; made here, in memory."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
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
from scim_bridge.registry.keeper import JWK

BITS = 2048
YEAR = 365


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


def new_key() -> rsa.RSAPrivateKey:
    """A new RSA key. It takes a moment: call it in a thread."""
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def certificate_request(name: str) -> tuple[str, rsa.RSAPrivateKey]:
    """A certificate request (PEM) for a new RSA key, and that key."""
    key = new_key()
    return request_for(key, name), key


def request_for(key: rsa.RSAPrivateKey, name: str) -> str:
    """A certificate request (PEM) for a key, signed with it: a common name and nothing else.

    Roles refuse what they do not expect in a subject; the authority gives the certificate a number itself.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject("", name))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def own_certificate(
    make: Callable[[], rsa.RSAPrivateKey], label: str, name: str, now: int, days: int, *, private: bool = True
) -> Made:
    """A certificate signed with its own key, for an IdP that asks for one and needs no authority.

    Without `private` the key stays where it is. The key takes a moment: call it in a thread.
    """
    key = make()
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
    text = certificate.public_bytes(Encoding.PEM).decode()
    return with_certificate(key, text) if private else Made(SecretText(""), public_of(text))


def with_certificate(key: rsa.RSAPrivateKey, certificate: str) -> Made:
    """Key and certificate as one PEM text, the key first; ValueError when they do not belong together."""
    public = public_of(certificate)
    found = x509.load_pem_x509_certificate(certificate.encode())
    if found.public_key() != key.public_key():
        raise ValueError("the certificate is for another key")
    private = key.private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Made(SecretText(private + public["certificate"]), public)


def public_of(certificate: str) -> dict[str, str]:
    """What may be known of a certificate (PEM, RSA): itself, its thumbprint, its key's; ValueError."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    public = found.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError("no RSA key")
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(found.public_bytes(Encoding.DER)).digest())
    pem = public.public_bytes(Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        # As it is kept: what came may lack the last line's end, or have more than one certificate.
        "certificate": found.public_bytes(Encoding.PEM).decode(),
        "thumbprint": thumbprint.rstrip(b"=").decode(),
        "key": RSAKey.import_key(pem).thumbprint(),
    }


def common_name(name: str) -> str:
    """What of a name fits into a certificate: X.520 allows 64, and bytes are counted."""
    return name.encode()[:64].decode(errors="ignore") or "agent"


def _subject(label: str, name: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name(name))]
    if label:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, label[:64]))
    return x509.Name(parts)


def made(kind: str, label: str) -> Made:
    """New material of a kind that needs nobody else: a key pair or a secret."""
    return made_jwk(label) if kind == JWK else made_secret()
