"""Signatures and the keys they are made with, which rest sealed by the master key (`master_key.py`).

Statements are compact JWS with Ed25519 (RFC 8037), algorithm pinned.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from scim_bridge.kernel.errors import BadFile
from scim_bridge.kernel.master_key import MasterKey as MasterKey
from scim_bridge.kernel.master_key import Tampered as Tampered
from scim_bridge.kernel.master_key import create_key as create_key
from scim_bridge.kernel.master_key import load_key as load_key
from scim_bridge.kernel.work import Work

ALGORITHM = "Ed25519"
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM, "EdDSA"])


def equal(left: str, right: str) -> bool:
    """Compare two strings in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair with its id; signs compact JWS."""

    kid: str
    key: OKPKey

    def sign(self, payload: dict[str, Any], typ: str) -> str:
        """A compact JWS over the canonical JSON of `payload`."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": typ}
        body = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
        return jws.serialize_compact(header, body, self.key, registry=_REGISTRY)

    def public(self) -> dict[str, Any]:
        """The public half as a JWK (RFC 8037)."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": ALGORITHM, "use": "sig"}


@lru_cache(maxsize=64)
def _public(kty: str, crv: str, x: str) -> OKPKey:
    """A public key, imported once for the thousands of statements it signed."""
    return OKPKey.import_key({"kty": kty, "crv": crv, "x": x})


def verify(token: str, jwks: dict[str, dict[str, Any]], typ: str) -> dict[str, Any]:
    """The payload of a compact JWS signed by one of `jwks` (by kid); Tampered otherwise."""
    try:
        parsed = jws.extract_compact(token.encode())
        header = parsed.headers()
        if header.get("typ") != typ or header.get("kid") not in jwks:
            raise Tampered("signature", "The signature is by an unknown key or of another kind.")
        jwk = jwks[header["kid"]]
        key = _public(str(jwk["kty"]), str(jwk["crv"]), str(jwk["x"]))
        checked = jws.deserialize_compact(token, key, registry=_REGISTRY)
        payload = orjson.loads(checked.payload)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Tampered("signature", "The signature does not verify.") from error
    if not isinstance(payload, dict):
        raise Tampered("signature", "The signed content is not an object.")
    return payload


async def signing_key(work: Work, master: MasterKey, purpose: str) -> SigningKey:
    """The current signing key of a purpose ("audit", "receipt", "attestation"), made on first use."""
    row = await work.tx.one(
        "SELECT kid, private FROM sb_key WHERE purpose = ? AND retired IS NULL ORDER BY created DESC LIMIT 1",
        purpose,
    )
    if row is not None:
        secret = orjson.loads(master.unseal(f"sb_key:{row['kid']}:private", bytes(row["private"])))
        return SigningKey(row["kid"], OKPKey.import_key(secret))
    key = OKPKey.generate_key("Ed25519", private=True)
    kid = f"{purpose}-{work.ids.new()}"
    made = SigningKey(kid, key)
    await work.tx.run(
        "INSERT INTO sb_key (kid, purpose, public, private, created) VALUES (?, ?, ?, ?, ?)",
        kid,
        purpose,
        orjson.dumps(made.public()).decode(),
        master.seal(f"sb_key:{kid}:private", orjson.dumps(key.as_dict(private=True))),
        work.now,
    )
    return made


async def retire_key(work: Work, purpose: str) -> str | None:
    """Sign nothing more with the current key of a purpose; its id, None when there is none yet.

    The next signature makes a new key. The public half stays: what was signed goes on to verify.
    """
    row = await work.tx.one(
        "SELECT kid FROM sb_key WHERE purpose = ? AND retired IS NULL ORDER BY created DESC LIMIT 1", purpose
    )
    if row is None:
        return None
    await work.tx.run(
        "UPDATE sb_key SET retired = ? WHERE purpose = ? AND retired IS NULL", work.now, purpose
    )
    return str(row["kid"])


async def public_keys(reader: Any, purpose: str | None = None) -> dict[str, dict[str, Any]]:
    """Every public key ever used (of a purpose), by kid: what a verifier needs."""
    if purpose is None:
        rows = await reader.all("SELECT kid, public FROM sb_key ORDER BY created")
    else:
        rows = await reader.all("SELECT kid, public FROM sb_key WHERE purpose = ? ORDER BY created", purpose)
    return {row["kid"]: orjson.loads(row["public"]) for row in rows}


def trusted_keys(raw: bytes, command: str) -> dict[str, dict[str, Any]]:
    """Public keys by kid from a file of JWKs; BadFile, naming the command that prints one, otherwise."""
    fix = f"Use what `scim-bridge {command}` prints."
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadFile("public-keys", "The file of public keys is not JSON.", fix) from error
    if not isinstance(found, dict) or not found or not all(_is_public(key) for key in found.values()):
        raise BadFile("public-keys", "The file of public keys holds no keys by their id.", fix)
    return found


def _is_public(key: object) -> bool:
    return isinstance(key, dict) and all(isinstance(key.get(name), str) for name in ("kty", "crv", "x"))
