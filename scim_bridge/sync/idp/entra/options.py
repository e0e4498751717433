"""What a connection's settings and secrets say about the tenant, read once and checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import Refused
from scim_bridge.sync.idp.rate import RESERVE_PERCENT, reserve_of

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
    imds_url: str = ""
    agent_users: str = ""
    agent_registry: bool = False
    push_groups: str = ""
    create_groups: bool = False
    app_roles: str = ""
    deletes: bool = False
    compliance: bool = True
    reserve: int = RESERVE_PERCENT


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
    imds_url = str(settings.get("imds_url") or "").rstrip("/")
    if imds_url and urlsplit(imds_url).hostname not in ("127.0.0.1", "localhost"):
        raise _setting("imds_url", "is no address of this machine", "Write http://127.0.0.1:port.")
    chosen = str(settings.get("attribute_set") or ATTRIBUTE_SET)
    if not SET_NAME.fullmatch(chosen):
        raise _setting("attribute_set", f"is no name: {chosen[:40]!r}", "Use letters and digits, at most 32.")
    national = (urlsplit(graph_url).hostname or "").endswith(NATIONAL)
    return Options(
        tenant_id,
        str(secrets.get("client_id") or ""),
        authority,
        graph_url,
        str(settings.get("token_scope") or f"{graph_url if national else GRAPH}/.default"),
        str(settings.get("ca_file") or ""),
        str(settings.get("blueprint") or BLUEPRINT),
        chosen,
        str(settings.get("sponsor") or ""),
        imds_url,
        str(settings.get("agent_users") or ""),
        settings.get("agent_registry") == "on",
        str(settings.get("push_groups") or ""),
        settings.get("create_groups") == "yes",
        str(settings.get("app_roles") or ""),
        settings.get("retire_action") == "delete",
        settings.get("compliance_issues") != "off",
        reserve_of(settings),
    )
