"""A sandbox's signing key: a file of its directory, the same one after a restart."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey


def signing_key(directory: Path) -> RSAKey:
    """The RSA key tokens are signed with, made on first use (0600); its `kid` is its thumbprint."""
    file = directory / "sts-key.pem"
    if not file.exists():
        fresh = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made = file.with_suffix(".new")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(pem)
        made.replace(file)
    raw = file.read_bytes()
    return RSAKey.import_key(raw, {"kid": _kid(raw), "use": "sig", "alg": "RS256"})


def _kid(raw: bytes) -> str:
    public = RSAKey.import_key(raw).as_pem(private=False)
    return base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:20]).rstrip(b"=").decode()
