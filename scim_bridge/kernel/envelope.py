"""A value encrypted for its receiver: compact JWE (RFC 7516) with AES-256-GCM, by the receiver's public key."""

from __future__ import annotations

from typing import Any

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

# By type and curve: how the content key is agreed on.
WAYS: dict[tuple[str, str], tuple[Any, str]] = {
    ("RSA", ""): (RSAKey, "RSA-OAEP-256"),
    ("EC", "P-256"): (ECKey, "ECDH-ES+A256KW"),
    ("OKP", "X25519"): (OKPKey, "ECDH-ES+A256KW"),
}
ENCRYPTION = "A256GCM"
SHORTEST_RSA = 2048


def receiver_key(text: str) -> tuple[Any, str, str]:
    """(the key, how to agree with it, its id) from a JWK in JSON; ValueError for any other or a private one."""
    try:
        said = orjson.loads(text)
        if not isinstance(said, dict) or "d" in said:
            raise ValueError("a public key is needed")
        kind, algorithm = WAYS[said.get("kty", ""), said.get("crv", "")]
        key = kind.import_key(said)
    except (orjson.JSONDecodeError, JoseError, KeyError, TypeError) as error:
        raise ValueError("no public key that can be used") from error
    if isinstance(key, RSAKey) and key.public_key.key_size < SHORTEST_RSA:
        raise ValueError("an RSA key of less than 2048 bits")
    return key, algorithm, str(said.get("kid", ""))


def encrypted(text: str, key: tuple[Any, str, str]) -> str:
    """The text for the holder of the private key alone."""
    found, algorithm, kid = key
    header = {"alg": algorithm, "enc": ENCRYPTION} | ({"kid": kid} if kid else {})
    registry = jwe.JWERegistry(algorithms=[algorithm, ENCRYPTION])
    return jwe.encrypt_compact(header, text, found, registry=registry)
