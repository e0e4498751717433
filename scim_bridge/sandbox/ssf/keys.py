"""The transmitter's signing keys: the newest signs, those not withdrawn are published (RFC 7517)."""

from __future__ import annotations

import secrets
from typing import Any

from joserfc.jwk import RSAKey

from scim_bridge.sandbox.kit.store import Store

KIND = "signing-key"


class Keys:
    """The keys of one store, made on first use and the same ones after a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def current(self) -> RSAKey:
        """The key that signs."""
        known = self._store.all(KIND)
        return RSAKey.import_key(known[-1][1]["private_key"]) if known else self.rotate(withdraw=False)

    def rotate(self, *, withdraw: bool) -> RSAKey:
        """Sign with a new key from now on; with `withdraw` the old ones are not published any more."""
        if withdraw:
            for kid, _ in self._store.all(KIND):
                self._store.delete(KIND, kid)
        made = fresh(f"key-{secrets.token_hex(6)}")
        self._store.put(KIND, str(made.kid), {"private_key": made.as_dict(private=True)})
        return made

    def published(self) -> dict[str, Any]:
        """The public halves, as a JWK set."""
        self.current()
        keys = [RSAKey.import_key(value["private_key"]) for _, value in self._store.all(KIND)]
        return {"keys": [key.as_dict(private=False) for key in keys]}


def fresh(kid: str) -> RSAKey:
    """A new RSA key, 2048 bits: what the CAEP Interoperability Profile asks for."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, private=True)
