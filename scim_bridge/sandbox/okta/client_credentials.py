"""Secrets and keys of OAuth clients: at most two secrets and fifty keys, off before they are deleted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, RSAKey

from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.errors import invalid, not_found
from scim_bridge.sandbox.okta.org import Org

MOST_SECRETS = 2
MOST_KEYS = 50
BITS = 2048
SHORTEST = 14
SECRET, KEY = "clientsecret", "clientkey"
ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"

Item = dict[str, Any]


class ClientCredentials:
    """Credentials by the id of the app or AI agent they belong to. Writing methods belong into a transaction."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._of: dict[str, tuple[tuple[int, int], dict[str, list[Item]]]] = {}

    def secrets(self, owner: str) -> list[Item]:
        """The secrets of a client, oldest first."""
        return list(self._grouped(SECRET).get(owner, ()))

    def keys(self, owner: str) -> list[Item]:
        """The keys of a client, oldest first."""
        return list(self._grouped(KEY).get(owner, ()))

    def _grouped(self, kind: str) -> dict[str, list[Item]]:
        """Every item by its owner, read once for each state of the store: tokens are asked for all the time."""
        state = self._org.store.version(kind)
        kept = self._of.get(kind)
        if kept is None or kept[0] != state:
            grouped: dict[str, list[Item]] = {}
            for _, value in self._org.store.all(kind):
                grouped.setdefault(value["owner"], []).append(value)
            kept = self._of[kind] = (state, grouped)
        return kept[1]

    def add_secret(self, owner: str, value: object = None, status: str = ACTIVE) -> Item:
        """A new secret, with this value or a generated one."""
        if len(self.secrets(owner)) >= MOST_SECRETS:
            raise invalid("client_secret", f"client_secret: A client can have at most {MOST_SECRETS} secrets")
        if value is not None and (not isinstance(value, str) or not SHORTEST <= len(value) <= 100):
            raise invalid("client_secret", "client_secret: Must be between 14 and 100 characters")
        text = value or secrets.token_urlsafe(48)
        digest = base64.urlsafe_b64encode(hashlib.sha256(str(text).encode()).digest()[:16]).rstrip(b"=")
        return self._put(
            SECRET, "ocs", owner, {"client_secret": text, "secret_hash": digest.decode()}, status
        )

    def add_key(self, owner: str, body: object) -> Item:
        """A new public key; its kid is unique in the client."""
        if not isinstance(body, dict) or not body.get("kid"):
            raise invalid("kid", "kid: The field cannot be left blank")
        known = self.keys(owner)
        if any(item["kid"] == body["kid"] for item in known):
            raise invalid("kid", "kid: A key with this id already exists")
        if len(known) >= MOST_KEYS:
            raise invalid("keys", f"keys: At most {MOST_KEYS} keys are allowed")
        checked_key(body)
        jwk = {name: item for name, item in body.items() if name != "status"}
        return self._put(KEY, ids.AGENT_KEY, owner, jwk, str(body.get("status") or ACTIVE))

    def _put(self, kind: str, prefix: str, owner: str, members: Item, status: str) -> Item:
        if status not in (ACTIVE, INACTIVE):
            raise invalid("status", "status: Must be ACTIVE or INACTIVE")
        now = self._org.stamp()
        key = self._org.ids.new(prefix)
        made = {
            **members,
            "id": key,
            "status": status,
            "created": now,
            "lastUpdated": now,
            "owner": owner,
        }
        self._org.store.put(kind, key, made)
        return made

    def need(self, kind: str, owner: str, key: str) -> Item:
        """One secret or key of a client; E0000007 otherwise."""
        found = next((item for item in self._grouped(kind).get(owner, ()) if item["id"] == key), None)
        if found is None:
            raise not_found(key, "OAuth2ClientSecret" if kind == SECRET else "JsonWebKey")
        return found

    def switch(self, kind: str, found: Item, status: str) -> Item:
        """On or off; the only active one stays on."""
        others = [item for item in self._grouped(kind)[found["owner"]] if item["id"] != found["id"]]
        if status == INACTIVE and not any(item["status"] == ACTIVE for item in others):
            raise invalid("status", "status: The only active one cannot be deactivated")
        after = {**found, "status": status, "lastUpdated": self._org.stamp()}
        self._org.store.put(kind, found["id"], after)
        return after

    def delete(self, kind: str, found: Item) -> None:
        """Delete what is off."""
        if found["status"] == ACTIVE:
            raise invalid("status", "status: An active one cannot be deleted")
        self._org.store.delete(kind, found["id"])

    def forget(self, owner: str) -> None:
        """Everything of a client that is gone."""
        for kind in (SECRET, KEY):
            for item in self._grouped(kind).get(owner, ()):
                self._org.store.delete(kind, item["id"])

    def proves(self, owner: str, secret: str) -> bool:
        """True when this is an active secret of the client."""
        return any(
            hmac.compare_digest(str(item["client_secret"]), secret)
            for item in self._grouped(SECRET).get(owner, ())
            if item["status"] == ACTIVE
        )


def shown(item: Item) -> Item:
    """A secret or key as the API shows it."""
    return {name: value for name, value in item.items() if name != "owner"}


def checked_key(body: Item) -> None:
    """E0000001 unless this is a public RSA (2048 bits or more) or EC key."""
    try:
        key = JWKRegistry.import_key({name: body[name] for name in body if name not in ("status",)})
    except (JoseError, ValueError, TypeError, KeyError):
        raise invalid("jwk", "jwk: The key is not valid") from None
    if key.key_type not in ("RSA", "EC") or key.is_private:
        raise invalid("jwk", "jwk: The key must be a public RSA or EC key")
    if isinstance(key, RSAKey) and key.raw_value.key_size < BITS:
        raise invalid("jwk", f"jwk: An RSA key must have at least {BITS} bits")
