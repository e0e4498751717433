"""Signing in to the console at an OpenID provider: the settings `[sign_in]`, and their checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.registry.roles import ROLES

LOCAL = ("127.0.0.1", "localhost", "::1")
# Entra's addresses for everybody's accounts: whoever has any of them would be let in.
ANYBODY = ("common", "organizations", "consumers")


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Where people sign in, which of their groups is which role, and how long that holds.

    Without `issuer` only an admin's token opens the console; with it, `admin_token` keeps that way open for
    the day the IdP is away. `owners`: whoever answers for an agent has the role owner without any group.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    label: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    roles: dict[str, str] = field(default_factory=dict)
    owners: bool = True
    admin_token: bool = True
    session_minutes: int = 480
    idle_minutes: int = 60
    reauthenticate_minutes: int = 15

    @property
    def name(self) -> str:
        """What the IdP is called on the sign-in page."""
        host = urlsplit(self.issuer).hostname or ""
        known = (
            "Microsoft" if host.startswith("login.microsoftonline") else "Okta" if "okta" in host else host
        )
        return self.label or known


def check_sign_in(chosen: SignInSettings) -> None:
    """ConfigurationError names the first key that cannot be right."""
    for key, low, high in (
        ("session_minutes", 5, 1440),
        ("idle_minutes", 5, 1440),
        ("reauthenticate_minutes", 1, 1440),
    ):
        if not low <= getattr(chosen, key) <= high:
            raise _wrong(key, f"must be between {low} and {high}", "Remove it to use the default.")
    for group, role in chosen.roles.items():
        if role not in ROLES:
            raise _wrong(f"roles.{group}", f"{role!r} is no role", f"Use {', '.join(ROLES)}.")
    if not chosen.issuer:
        if chosen.client_id or chosen.client_secret:
            raise _wrong("issuer", "is missing", "Copy it from the IdP, or remove [sign_in].")
        if not chosen.admin_token:
            raise _wrong("admin_token", "is off and there is no issuer: nobody could sign in", "Set issuer.")
        return
    _check_issuer(chosen.issuer)
    for key in ("client_id", "client_secret"):
        if not getattr(chosen, key):
            raise _wrong(key, "is missing", "Copy it from the application at the IdP.")
    if "openid" not in chosen.scopes:
        raise _wrong("scopes", "must name openid", "Remove it to use the default.")
    if not chosen.roles and not chosen.owners:
        raise _wrong("roles", "names no group, and owners is off: nobody could sign in", "Map a group.")


def _check_issuer(issuer: str) -> None:
    parts = urlsplit(issuer)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
    if not safe or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise _wrong("issuer", f"{issuer[:200]!r} is no issuer", "Copy it from the IdP, as https://….")
    if (parts.hostname or "").startswith("login.microsoftonline") and (
        parts.path.split("/")[1:2] in [[name] for name in ANYBODY]
    ):
        fix = "Write https://login.microsoftonline.com/TENANT-ID/v2.0 with your own tenant's id."
        raise _wrong("issuer", "lets in accounts of every tenant", fix)


def _wrong(key: str, message: str, fix: str) -> ConfigurationError:
    return ConfigurationError(f"sign_in.{key}", message, fix)
