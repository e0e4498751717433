"""Proofs of possession (DPoP, RFC 9449) by the SDK's generator, with a key that is made once and read once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey
from okta.dpop import RSA_KEY_SIZE_BITS, DPoPProofGenerator


@dataclass(frozen=True, slots=True)
class _Key:
    """A key in the form the generator holds: it asks for the PEM before each signature, and parses it."""

    private: rsa.RSAPrivateKey

    def export_key(self) -> rsa.RSAPrivateKey:
        """The key itself, which signs as well and need not be checked again for each call."""
        return self.private


class Proofs(DPoPProofGenerator):  # type: ignore[misc]
    """The SDK's generator. Its own library looks for primes in Python, for half a minute at times."""

    def _rotate_keys_internal(self) -> None:
        made = rsa.generate_private_key(public_exponent=65537, key_size=RSA_KEY_SIZE_BITS)
        self._rsa_key = _Key(made)
        public = RSAKey.import_key(made.public_key()).as_dict(private=False)
        self._public_jwk = {name: public[name] for name in ("kty", "n", "e")}
        self._key_created_at = time.time()
