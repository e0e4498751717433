"""Proofs of possession (DPoP, RFC 9449) as Okta takes them: this call, this moment, our nonce, once."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

AGE = 300
NONCE_LIFE = 3 * 86_400


class _Roomy(jws.JWSRegistry):
    """Takes headers that carry a key."""

    max_header_length = 2048


ROOMY = _Roomy(algorithms=["RS256"])


class BadProof(Exception):
    """A proof that does not hold; `error` is RFC 9449's word for it."""

    def __init__(self, description: str, error: str = "invalid_dpop_proof") -> None:
        super().__init__(description)
        self.error = error


class Proofs:
    """Checks proofs. Nonces and used ids are forgotten with the process."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._nonces: dict[str, float] = {}
        self._used: dict[str, float] = {}

    def nonce(self) -> str:
        """A nonce for the next token request."""
        made = secrets.token_urlsafe(16)
        self._nonces[made] = self._seconds() + NONCE_LIFE
        return made

    def checked(
        self, proof: str | None, method: str, url: str, *, token: str | None = None, nonce: bool = False
    ) -> str:
        """The thumbprint of the key that made a proof for this call; BadProof when it does not hold.

        With `nonce` it must carry one of ours; with `token` it must be about that access token.
        """
        if not proof:
            raise BadProof("The DPoP proof JWT header is missing.")
        key, claims = _opened(proof)
        now = self._seconds()
        if claims.get("htm") != method or unquote(str(claims.get("htu"))) != unquote(url):
            raise BadProof("The DPoP proof JWT is for another request.")
        issued = claims.get("iat")
        if not isinstance(issued, int | float) or abs(now - issued) > AGE:
            raise BadProof("The DPoP proof JWT is not of this moment.")
        if nonce and self._nonces.get(str(claims.get("nonce")), 0.0) <= now:
            raise BadProof("Authorization server requires nonce in DPoP proof.", "use_dpop_nonce")
        if token is not None and claims.get("ath") != _digest(token):
            raise BadProof("The DPoP proof JWT is not about this access token.")
        self._once(str(claims.get("jti") or ""), now)
        return str(key.thumbprint())

    def _once(self, jti: str, now: float) -> None:
        self._used = {known: until for known, until in self._used.items() if until > now}
        if not jti or jti in self._used:
            raise BadProof("The DPoP proof JWT has been used before.")
        self._used[jti] = now + 2 * AGE


def _opened(proof: str) -> tuple[RSAKey, dict[str, Any]]:
    try:
        header = jws.extract_compact(proof.encode(), registry=ROOMY).headers()
        jwk = header["jwk"]
        if header.get("typ") != "dpop+jwt" or "d" in jwk:
            raise BadProof("The DPoP proof JWT header is not valid.")
        key = RSAKey.import_key(jwk)
        claims = orjson.loads(jws.deserialize_compact(proof, key, registry=ROOMY).payload)
    except (JoseError, ValueError, KeyError, TypeError):
        raise BadProof("The DPoP proof JWT signature is invalid.") from None
    return key, claims if isinstance(claims, dict) else {}


def _digest(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
