"""What a connection's settings and secrets say about a SCIM server, read once and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import Refused
from scim_bridge.registry.setting_values import LOOPBACK

DISABLE = "disable"
DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Options:
    """One server. `authorization` is a whole header value; empty when a token is fetched from `token_url`."""

    base_url: str
    authorization: str = field(default="", repr=False)
    token_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scopes: str = ""
    ca_file: str = ""
    retire: str = DISABLE


def options_of(name: str, settings: Mapping[str, Any], secrets: Mapping[str, Any]) -> Options:
    """The options of the connection `name`; Refused names the setting or secret that is missing or wrong."""
    base_url = _address(name, "base_url", settings, "https://host/scim/v2")
    common = {
        "base_url": base_url,
        "ca_file": str(settings.get("ca_file") or ""),
        "retire": str(settings.get("retire") or DISABLE),
    }
    token = str(secrets.get("token") or "").strip()
    if token:
        if not token.isascii() or not token.isprintable():
            raise Refused("scim-secrets", "The token has characters no header can carry.", "Copy it again.")
        return Options(**common, authorization=token if " " in token else f"Bearer {token}")
    if secrets.get("client_id") and secrets.get("client_secret"):
        scopes = secrets.get("scopes") or ""
        return Options(
            **common,
            token_url=_address(name, "token_url", settings, "https://host/oauth/token"),
            client_id=str(secrets["client_id"]),
            client_secret=str(secrets["client_secret"]),
            scopes=scopes if isinstance(scopes, str) else " ".join(str(scope) for scope in scopes),
        )
    raise Refused(
        "scim-secrets",
        f"The secrets of {name} hold neither token nor client_id and client_secret.",
        "Put one of them into the file of --secrets-file.",
    )


def _address(name: str, setting: str, settings: Mapping[str, Any], example: str) -> str:
    given = str(settings.get(setting) or "").rstrip("/")
    parts = urlsplit(given)
    plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not (parts.scheme == "https" or plain) or not parts.hostname or parts.username or parts.query:
        # Not repeated: a password may be in it.
        raise Refused(
            "scim-setting",
            f"{name} has no usable {setting}.",
            f"Set it: connections configure {name} --set {setting}={example}",
        )
    return given
