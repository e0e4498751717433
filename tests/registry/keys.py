"""Keys for tests, good ones and those that cannot sign for a connection, with what is said of each."""

from __future__ import annotations

import datetime
import json
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey, RSAKey

PASSPHRASE = "open-sesame"


@cache
def made(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """An RSA key; another one for each number."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: str = "") -> str:
    """A private key in PEM form."""
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, form, locked).decode())


def jwk(private: bool = True, **changes: Any) -> str:
    """A key in JWK form; None takes a member away."""
    told = RSAKey.import_key(pem(made())).as_dict(private=private) | changes
    return json.dumps({name: value for name, value in told.items() if value is not None})


def certificate(key: rsa.RSAPrivateKey) -> str:
    """A certificate of a key, PEM."""
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "bridge")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 7, begin, begin.replace(year=2027))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def public() -> str:
    """The public half, PEM."""
    return made().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def unusable() -> dict[str, tuple[str, str]]:
    """Texts that are no key an Okta service app can sign with, and what is said of each."""
    whole = pem(made())
    return {
        "text": ("0a1b2c3d4e5f", "is no private key in PEM form"),
        "path": ("/etc/hostname", "is no private key in PEM form"),
        "public": (public(), "is a public key only"),
        "ssh": ("ssh-rsa AAAAB3NzaC1yc2E= ada@corp", "is a public key only"),
        "certificate": (certificate(made()), "is a certificate"),
        "locked": (pem(made(), passphrase=PASSPHRASE), "is locked with a passphrase"),
        "locked-old": (
            pem(made(), PrivateFormat.TraditionalOpenSSL, PASSPHRASE),
            "is locked with a passphrase",
        ),
        "openssh": (pem(made(), PrivateFormat.OpenSSH), "is in OpenSSH's own form"),
        "ec": (pem(ec.generate_private_key(ec.SECP256R1())), "is an EC key, where an RSA key is needed"),
        "dsa": (pem(dsa.generate_private_key(1024)), "is a DSA key, where an RSA key is needed"),
        "ed25519": (pem(ed25519.Ed25519PrivateKey.generate()), "is a key of another kind"),
        "short": (pem(made(1024)), "of 1024 bits, which is too short"),
        "cut": (whole[:400], "is cut off"),
        "damaged": (whole[:400] + whole[480:], "is damaged"),
        "escaped": (whole.replace("\n", "\\n"), "has \\n in it"),
        "accent": (whole.replace("A", "Ä", 1), "holds a character that no key has"),
        "endless": (whole * 6, "has more than 8,000 characters"),
        "jwk-broken": (jwk()[:-20], "begins as a JWK and is no JSON"),
        "jwk-deep": ('{"a":' * 1_500, "begins as a JWK and is no JSON"),
        "jwk-public": (jwk(private=False), "is a public key only"),
        "jwk-set": (json.dumps({"keys": [json.loads(jwk())]}), "is a set of keys"),
        "jwk-ec": (json.dumps(ECKey.generate_key("P-256").as_dict(private=True)), "is an EC key"),
        "jwk-symmetric": (json.dumps({"kty": "oct", "k": "c2VjcmV0"}), "is a symmetric key"),
        "jwk-half": (jwk(p=None, q=None), "members that are missing"),
        "jwk-list": (jwk(key_ops=["sign"]), "no texts"),
        "jwk-damaged": (jwk(p="AQAB"), "is a damaged JWK"),
        "jwk-odd": (jwk(d="?"), "is a damaged JWK"),
    }
