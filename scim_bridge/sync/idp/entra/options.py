"""What a connection's settings and secrets say about the tenant, read once and checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import Refused

LOGIN = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com"
# National clouds issue tokens for their own Graph; everywhere else the audience is the public one.
NATIONAL = (".microsoft.us", ".chinacloudapi.cn")
GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
SET_NAME = re.compile(r"[^\W\d_][^\W_]{0,31}")
BLUEPRINT = "scim-bridge"
ATTRIBUTE_SET = "scimBridge"


@dataclass(frozen=True, slots=True)
class Options:
    """One tenant. `blueprint` is an appId (it must exist) or a uniqueName (made when it does not)."""

    tenant_id: str
    client_id: str
    authority: str
    graph_url: str
    scope: str
    ca_file: str
    blueprint: str
    attribute_set: str
    sponsor: str


def _setting(name: str, message: str, fix: str) -> Refused:
    return Refused("entra-setting", f"The setting {name} {message}.", fix)


def options_of(settings: Mapping[str, Any], secrets: Mapping[str, Any]) -> Options:
    """The options of a connection; Refused names the setting or secret that is missing or wrong."""
    tenant_id = str(settings.get("tenant_id") or "")
    authority = str(settings.get("authority") or (f"{LOGIN}/{tenant_id}" if tenant_id else "")).rstrip("/")
    if not authority:
        raise _setting("tenant_id", "is missing", "Set it: connections configure NAME --set tenant_id=…")
    graph_url = str(settings.get("graph_url") or GRAPH).rstrip("/")
    for name, url in (("authority", authority), ("graph_url", graph_url)):
        if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
            raise _setting(name, f"is no https address: {url[:80]!r}", "Write https://host/path.")
    if not secrets.get("client_id"):
        raise Refused(
            "entra-secrets", "The secrets have no client_id.", "Put the app registration's id into the file."
        )
    chosen = str(settings.get("attribute_set") or ATTRIBUTE_SET)
    if not SET_NAME.fullmatch(chosen):
        raise _setting("attribute_set", f"is no name: {chosen[:40]!r}", "Use letters and digits, at most 32.")
    national = (urlsplit(graph_url).hostname or "").endswith(NATIONAL)
    return Options(
        tenant_id,
        str(secrets["client_id"]),
        authority,
        graph_url,
        str(settings.get("token_scope") or f"{graph_url if national else GRAPH}/.default"),
        str(settings.get("ca_file") or ""),
        str(settings.get("blueprint") or BLUEPRINT),
        chosen,
        str(settings.get("sponsor") or ""),
    )


def credential_of(secrets: Mapping[str, Any]) -> str | dict[str, str]:
    """What msal proves the client with: a secret, or a key with its certificate; Refused otherwise."""
    if secrets.get("private_key") and secrets.get("certificate"):
        credential = {
            "private_key": str(secrets["private_key"]),
            "public_certificate": str(secrets["certificate"]),
        }
        if secrets.get("passphrase"):
            credential["passphrase"] = str(secrets["passphrase"])
        return credential
    if secrets.get("client_secret"):
        return str(secrets["client_secret"])
    raise Refused(
        "entra-secrets",
        "The secrets hold neither client_secret nor private_key and certificate.",
        "Put one of them into the secrets file (PEM text for the key and the certificate).",
    )
