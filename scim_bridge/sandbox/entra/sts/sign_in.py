"""People who sign in at the tenant: app registrations with redirect URIs, assigned groups, and the v2.0 ID token.

Sources: Microsoft, "OAuth 2.0 authorization code flow", "ID token claims reference", "Configure group claims and app
roles in tokens" (a token names at most 200 groups; beyond, it says where to ask for them).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.sandbox.entra.people import group_of
from scim_bridge.sandbox.entra.registrations import register
from scim_bridge.sandbox.entra.sts import credentials
from scim_bridge.sandbox.entra.sts.errors import StsError
from scim_bridge.sandbox.entra.tenant import (
    APPLICATION,
    GROUP,
    PRINCIPAL,
    USER,
    Object,
    Tenant,
    hidden,
    with_hidden,
)
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal
from scim_bridge.sandbox.kit.openid import Account, Client, OpenId

MOST_GROUPS = 200
SECURITY, ASSIGNED = "SecurityGroup", "ApplicationGroup"
# What the token endpoint says to a code or secret that is not good: OAuth's word and what kit/openid says of it.
CODES: Mapping[str, tuple[int, str]] = {
    "The client secret is wrong.": (7000215, "Invalid client secret provided."),
    "The authorization code is invalid or was used.": (
        54005,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code.",
    ),
    "The authorization code has expired.": (70008, "The provided authorization code has expired."),
    "PKCE verification failed.": (
        501481,
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
    ),
    "The redirect_uri is not that of the authorization request.": (
        500112,
        "The reply address does not match the reply address provided when requesting the authorization code.",
    ),
}


class _Provider(OpenId):
    """The tenant as kit/openid sees it."""

    tenant: Tenant

    def stranger(self, client_id: str) -> str:
        return f"AADSTS700016: Application with identifier '{client_id}' was not found in the directory."

    def misdirected(self, client_id: str, redirect_uri: str) -> str:
        return (
            f"AADSTS50011: The redirect URI '{redirect_uri}' specified in the request does not match the redirect"
            f" URIs configured for the application '{client_id}'."
        )

    def shaped(self, client_id: str, claims: dict[str, Any], scopes: Sequence[str]) -> dict[str, Any]:
        """Claims of scopes that were asked for, and `auth_time` only where the registration adds it."""
        application = self.tenant.application_of(client_id) or {}
        added = {one["name"] for one in (application.get("optionalClaims") or {}).get("idToken", ())}
        wanted = {"profile": ("name", "preferred_username", "oid"), "email": ("email",)}
        absent = {name for scope, names in wanted.items() if scope not in scopes for name in names}
        absent |= set() if "auth_time" in added else {"auth_time"}
        return {name: value for name, value in claims.items() if name not in absent}


class SignIn:
    """Where people of one tenant sign in. After a reset the tenant is another one, and so is its provider."""

    def __init__(self, tenant: Tenant, key: RSAKey) -> None:
        self._tenant, self._key = tenant, key
        self._made: _Provider | None = None

    def _provider(self) -> _Provider:
        base = f"/{self._tenant.id}"
        issuer = f"{self._tenant.base_url}{base}/v2.0"
        if self._made is None or self._made.issuer != issuer:
            self._made = _Provider(
                issuer,
                self._key,
                lambda: self._tenant.now() / SECOND,
                self._client,
                self._accounts,
                f"{base}/oauth2/v2.0/authorize",
                f"{base}/oauth2/v2.0/token",
                f"{base}/oauth2/v2.0/logout",
            )
            self._made.tenant = self._tenant
        return self._made

    def described(self) -> dict[str, Any]:
        """What discovery says of people, beside what it says of programs."""
        said = self._provider().described(self._tenant.base_url)
        return {"end_session_endpoint": said["end_session_endpoint"]}

    def authorize(self, request: Request) -> Response:
        """GET /oauth2/v2.0/authorize."""
        return self._provider().authorize(request)

    def logout(self, request: Request) -> Response:
        """GET /oauth2/v2.0/logout."""
        return self._provider().logout(request)

    def token(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """The tokens for a code; StsError with Microsoft's number."""
        status, said = self._provider().token(form, authorization)
        if status == 200:
            return said
        number, words = CODES[said["error_description"]]
        raise StsError(status, said["error"], number, words)

    def _client(self, client_id: str) -> Client | None:
        application = self._tenant.application_of(client_id)
        if application is None or "web" not in application:
            return None
        addresses = list(application["web"].get("redirectUris", ()))

        def good(secret: str) -> bool:
            kept = hidden(application, "secrets", [])
            try:
                credentials.check_secret(client_id, kept, secret, self._tenant.now())
            except StsError:
                return False
            return True

        # Entra sends people back after the sign-out to any of the same addresses.
        return Client(client_id, good, addresses, addresses)

    def _accounts(self, client: Client) -> list[Account]:
        application = self._tenant.application_of(client.id)
        principal = self._tenant.principal_of(client.id)
        if application is None or principal is None or principal.get("accountEnabled") is False:
            return []
        assigned = set(hidden(principal, "assigned", []))
        groups = self._tenant.listing(GROUP)
        inside = {member for one in groups if one["id"] in assigned for member in hidden(one, "members", [])}
        everybody = not principal.get("appRoleAssignmentRequired")
        return [
            Account(
                str(user["id"]),
                str(user["userPrincipalName"]),
                self._claims(application, user, groups, assigned),
            )
            for user in self._tenant.listing(USER)
            if user.get("accountEnabled") and (everybody or user["id"] in inside)
        ]

    def _claims(
        self, application: Object, user: Object, groups: Sequence[Object], assigned: set[str]
    ) -> dict[str, Any]:
        pair = f"{application['appId']}:{user['id']}".encode()
        claims = {
            "ver": "2.0",
            "tid": self._tenant.id,
            "oid": user["id"],
            # Pairwise: another application knows the same person by another subject.
            "sub": base64.urlsafe_b64encode(hashlib.sha256(pair).digest()).rstrip(b"=").decode(),
            "name": user["displayName"],
            "preferred_username": user["userPrincipalName"],
            **({"email": user["mail"]} if user.get("mail") else {}),
        }
        which = application.get("groupMembershipClaims")
        own = [str(one["id"]) for one in groups if user["id"] in hidden(one, "members", [])]
        if which == ASSIGNED:
            own = [one for one in own if one in assigned]
        if not which or not own:
            return claims
        if len(own) <= MOST_GROUPS:
            return {**claims, "groups": own}
        source = f"{self._tenant.base_url}/v1.0/users/{user['id']}/getMemberObjects"
        return {
            **claims,
            "_claim_names": {"groups": "src1"},
            "_claim_sources": {"src1": {"endpoint": source}},
        }


def register_sign_in(tenant: Tenant, wish: Mapping[str, Any]) -> dict[str, Any]:
    """What an admin does in the admin center: a registration with its redirect URIs, token configuration and groups.

    `display_name`, `redirect_uris`, `groups` (names of those assigned; then assignment is required), `group_claims`
    ("ApplicationGroup" unless said, or "SecurityGroup"), `auth_time` true for that optional claim. Answers tenant_id,
    issuer, client_id, client_secret (only here), and the object ids of the groups by name.
    """
    which = wish.get("group_claims", ASSIGNED)
    if which not in (ASSIGNED, SECURITY):
        raise Refusal(f"'group_claims' is {ASSIGNED} or {SECURITY}.")
    addresses, names = wish.get("redirect_uris", []), wish.get("groups", [])
    if not isinstance(addresses, list) or not isinstance(names, list):
        raise Refusal("'redirect_uris' and 'groups' are lists.")
    ids = {str(name): str(group_of(tenant, name)["id"]) for name in names}
    made = register(tenant, {"secret": True, "display_name": wish.get("display_name")})
    extra = [{"name": "auth_time"}] if wish.get("auth_time") else []
    with tenant.store.transaction():
        application = tenant.application_of(made["client_id"])
        principal = tenant.principal_of(made["client_id"])
        assert application is not None and principal is not None
        tenant.put(
            APPLICATION,
            {
                **application,
                "web": {"redirectUris": [str(each) for each in addresses]},
                "groupMembershipClaims": which,
                "optionalClaims": {"idToken": [*extra, {"name": "groups"}]},
            },
        )
        required = {**principal, "appRoleAssignmentRequired": bool(ids)}
        tenant.put(PRINCIPAL, with_hidden(required, assigned=list(ids.values())))
    issuer = f"{tenant.base_url}/{tenant.id}/v2.0"
    known = {name: made[name] for name in ("tenant_id", "client_id", "client_secret")}
    return {"ok": True, "issuer": issuer, **known, "groups": ids}
