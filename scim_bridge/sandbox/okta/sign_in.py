"""People who sign in at the org's own authorization server: OIDC apps, who is assigned, what the ID token says.

Source: developer.okta.com, "OpenID Connect & OAuth 2.0 API" and "Customize tokens returned from Okta with a groups
claim" (the filter of an app's Sign On tab; names of groups come only with the scope `groups`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.kit.openid import Account, Client, OpenId
from scim_bridge.sandbox.kit.signing_key import signing_key
from scim_bridge.sandbox.okta.client_credentials import ClientCredentials
from scim_bridge.sandbox.okta.groups import Groups
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.oidc_apps import App, OidcApps
from scim_bridge.sandbox.okta.org import ORG_ID, Org

AUTHORIZE, TOKEN, KEYS, LOGOUT = (f"/oauth2/v1/{name}" for name in ("authorize", "token", "keys", "logout"))
# What an app's Sign On tab holds of people: the groups assigned to it, and its groups claim.
KIND = "signon"
FILTERS: Mapping[str, Callable[[str, str], bool]] = {
    "STARTS_WITH": str.startswith,
    "EQUALS": str.__eq__,
    "CONTAINS": str.__contains__,
    "REGEX": lambda name, pattern: re.fullmatch(pattern, name) is not None,
}


class SignIn(OpenId):
    """The org as an OpenID provider."""

    def __init__(self, org: Org, groups: Groups, apps: OidcApps, credentials: ClientCredentials) -> None:
        self._org, self._groups, self._apps, self._credentials = org, groups, apps, credentials
        super().__init__(
            org.url,
            signing_key(org.sandbox.data),
            org.seconds,
            self._client,
            self._accounts,
            AUTHORIZE,
            TOKEN,
            LOGOUT,
        )

    def open_to(self, app: App, groups: Sequence[str], claim: Mapping[str, str]) -> None:
        """Assign these groups (by id) to an app, and say which groups its ID tokens name."""
        self._org.store.put(KIND, app["id"], {"groups": list(groups), "claim": dict(claim)})

    def discovery(self) -> dict[str, Any]:
        """The org's OpenID configuration."""
        return {
            **self.described(self._org.url),
            "jwks_uri": f"{self._org.url}{KEYS}",
            "scopes_supported": ["openid", "email", "profile", "groups", "offline_access"],
            "claims_supported": [
                "iss",
                "ver",
                "sub",
                "aud",
                "iat",
                "exp",
                "jti",
                "auth_time",
                "amr",
                "nonce",
            ],
            "grant_types_supported": ["authorization_code", "client_credentials"],
        }

    def misdirected(self, client_id: str, redirect_uri: str) -> str:
        """As Okta's page says it."""
        return "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings."

    def shaped(self, client_id: str, claims: dict[str, Any], scopes: Sequence[str]) -> dict[str, Any]:
        """What only comes with the scope that asks for it, left out without."""
        wanted = {
            "profile": ("name", "preferred_username"),
            "email": ("email", "email_verified"),
            "groups": ("groups",),
        }
        absent = {name for scope, names in wanted.items() if scope not in scopes for name in names}
        return {name: value for name, value in claims.items() if name not in absent}

    def _client(self, client_id: str) -> Client | None:
        app = self._apps.find(client_id)
        if app is None or app["status"] != "ACTIVE":
            return None
        settings = app["settings"]["oauthClient"]
        return Client(
            client_id,
            lambda secret: self._credentials.proves(client_id, secret),
            list(settings.get("redirect_uris") or ()),
            list(settings.get("post_logout_redirect_uris") or ()),
        )

    def _accounts(self, client: Client) -> list[Account]:
        kept = self._org.store.get(KIND, client.id) or {"groups": [], "claim": {}}
        people: dict[str, dict[str, Any]] = {}
        for group in self._groups.all():
            if group["id"] in kept["groups"]:
                people |= {user["id"]: user for user in self._groups.members(group)}
        active = [user for user in people.values() if user["status"] == statuses.ACTIVE]
        return [
            Account(user["id"], user["profile"]["login"], self._claims(user, kept["claim"]))
            for user in active
        ]

    def _claims(self, user: Mapping[str, Any], claim: Mapping[str, str]) -> dict[str, Any]:
        profile = user["profile"]
        shown = profile.get("displayName") or f"{profile['firstName']} {profile['lastName']}"
        claims = {
            "ver": 1,
            "sub": user["id"],
            "jti": f"ID.{self._org.ids.new('jti')}",
            "amr": ["pwd"],
            "idp": ORG_ID,
            "name": shown,
            "preferred_username": profile["login"],
            "email": profile.get("email") or profile["login"],
            "email_verified": True,
        }
        if claim:
            fits, value = FILTERS[claim["type"]], claim["value"]
            named = [group["profile"]["name"] for group in self._groups.of(dict(user))]
            claims["groups"] = [name for name in named if fits(name, value)]
        return claims
