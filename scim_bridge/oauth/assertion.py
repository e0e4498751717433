"""Assertions of other issuers (RFC 7523): read without belief, then believed only under a key of theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from scim_bridge.oauth.model import ALGORITHM, OAuthError

MAX_BYTES = 16_384
# Header members nobody here knows are passed over; `crit` is refused, so none of them can change the meaning.
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)

PublicKey = Mapping[str, str]
"""The public half of an RSA key as a JWK has it: {"n", "e"}."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a compact JWT says. Nothing in it is proven yet."""

    compact: str
    kid: str
    claims: Mapping[str, Any]

    def claim(self, name: str) -> str:
        """A claim as the audit keeps it: short, printable text."""
        said = self.claims.get(name)
        text = said if isinstance(said, str) else ",".join(map(str, said)) if isinstance(said, list) else ""
        return "".join(c for c in text[:200] if c.isprintable())


def read_assertion(compact: str) -> Assertion:
    """The parts of an assertion; OAuthError when it is none this server could ever believe."""
    if len(compact) > MAX_BYTES or not compact.isascii():
        raise _refused("assertion-form", "The assertion is not a JWT.")
    try:
        parsed = jws.extract_compact(compact.encode(), registry=_REGISTRY)
        header, claims = parsed.headers(), orjson.loads(parsed.payload)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _refused("assertion-form", "The assertion is not a JWT.") from error
    if header.get("alg") != ALGORITHM:
        raise _refused("assertion-algorithm", f"The assertion is not signed with {ALGORITHM}.")
    if "crit" in header:
        raise _refused("assertion-header", "The assertion has a critical header nobody here knows.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise _refused("assertion-header", "The assertion does not say which key signed it.")
    if not isinstance(claims, dict):
        raise _refused("assertion-form", "The assertion holds no claims.")
    return Assertion(compact, kid, claims)


def check_signature(assertion: Assertion, key: PublicKey) -> None:
    """OAuthError unless this key signed the assertion. The algorithm is pinned, whatever the header says."""
    try:
        jws.deserialize_compact(assertion.compact, public_key(key), registry=_REGISTRY)
    except (JoseError, ValueError, TypeError) as error:
        raise _refused("assertion-signature", "The signature of the assertion does not verify.") from error


def public_key(key: PublicKey) -> RSAKey:
    """The key for verifying; nothing of a JWK but its two numbers is taken over."""
    return RSAKey.import_key({"kty": "RSA", "n": key["n"], "e": key["e"]})


def replay_key(assertion: Assertion) -> str:
    """What is remembered of an assertion that was used: a digest of its issuer and id, never its text.

    Entra sends `uti` and no `jti`. Without either it is what was signed: the signature could be
    written in other letters and still verify.
    """
    named = assertion.claims.get("jti") or assertion.claims.get("uti")
    if not isinstance(named, str):
        named = assertion.compact.rpartition(".")[0]
    return hashlib.sha256(f"{assertion.claim('iss')}\0{named}".encode()).hexdigest()


def _refused(why: str, message: str) -> OAuthError:
    return OAuthError("invalid_client", message, why=why)
