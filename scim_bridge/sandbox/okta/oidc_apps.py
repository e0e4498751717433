"""OIDC apps of the org: made, switched, deleted, and how each proves itself at the token endpoint."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.client_credentials import ClientCredentials
from scim_bridge.sandbox.okta.errors import OktaError, invalid
from scim_bridge.sandbox.okta.org import Org

KIND = "oidcapp"
BY_SECRET = ("client_secret_basic", "client_secret_post", "client_secret_jwt")
BY_KEY = "private_key_jwt"
METHODS = (*BY_SECRET, BY_KEY)

App = dict[str, Any]


class OidcApps:
    """Apps with signOnMode OPENID_CONNECT. Writing methods belong into a transaction."""

    def __init__(self, org: Org, credentials: ClientCredentials) -> None:
        self._org = org
        self._credentials = credentials

    def all(self) -> list[App]:
        """Every OIDC app, oldest first."""
        return [value for _, value in self._org.store.all(KIND)]

    def find(self, key: str) -> App | None:
        """An app by id (which is its client_id, too), or None."""
        return self._org.store.get(KIND, key)

    def create(self, body: Mapping[str, Any]) -> tuple[App, str]:
        """A new active app, and its first secret (empty for one that proves itself with keys)."""
        label = body.get("label")
        if not isinstance(label, str) or not label.strip():
            raise invalid("label", "label: The field cannot be left blank")
        client = ((body.get("credentials") or {}).get("oauthClient")) or {}
        settings = ((body.get("settings") or {}).get("oauthClient")) or {}
        method = client.get("token_endpoint_auth_method") or "client_secret_basic"
        if method not in METHODS:
            raise invalid("token_endpoint_auth_method", "token_endpoint_auth_method: Unknown method")
        keys = (settings.get("jwks") or {}).get("keys") or []
        if method == BY_KEY and not keys:
            raise invalid("jwks", "jwks: The JWKS must contain at least one key")
        key, now = self._org.ids.new(ids.APP), self._org.stamp()
        made = {
            "id": key,
            "name": "oidc_client",
            "label": label,
            "status": "ACTIVE",
            "created": now,
            "lastUpdated": now,
            "signOnMode": "OPENID_CONNECT",
            "profile": body.get("profile") or {},
            "credentials": {"oauthClient": {"client_id": key, "token_endpoint_auth_method": method}},
            "settings": {"oauthClient": {name: settings[name] for name in settings if name != "jwks"}},
        }
        self._org.store.put(KIND, key, made)
        for jwk in keys:
            self._credentials.add_key(key, jwk)
        if method == BY_KEY:
            return made, ""
        return made, str(self._credentials.add_secret(key, secrets.token_urlsafe(48))["client_secret"])

    def replace(self, app: App, body: Mapping[str, Any]) -> App:
        """The label, profile and way of proof of an app as the body says."""
        method = ((body.get("credentials") or {}).get("oauthClient") or {}).get("token_endpoint_auth_method")
        if method is not None and method not in METHODS:
            raise invalid("token_endpoint_auth_method", "token_endpoint_auth_method: Unknown method")
        if method == BY_KEY and not self._credentials.keys(app["id"]):
            raise invalid("jwks", "jwks: The JWKS must contain at least one key")
        client = app["credentials"]["oauthClient"]
        after = {
            **app,
            "label": body.get("label") or app["label"],
            "profile": body.get("profile") or {},
            "lastUpdated": self._org.stamp(),
            "credentials": {
                "oauthClient": {
                    **client,
                    "token_endpoint_auth_method": method or client["token_endpoint_auth_method"],
                }
            },
        }
        self._org.store.put(KIND, app["id"], after)
        return after

    def switch(self, app: App, status: str) -> None:
        """ACTIVE or INACTIVE; an inactive app gets no token."""
        self._org.store.put(KIND, app["id"], {**app, "status": status, "lastUpdated": self._org.stamp()})

    def delete(self, app: App) -> None:
        """Delete an inactive app with its credentials."""
        if app["status"] == "ACTIVE":
            raise OktaError("E0000056")
        self._org.store.delete(KIND, app["id"])
        self._credentials.forget(app["id"])
