"""The form of the connect wizard that takes the credentials of the way back: its fields, and what was sent by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.connecting.pages import OKTA_SCOPES
from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.connections import Connection

SETTINGS = ("org_url", "tenant_id")
# Kinds of fields whose values are never put into a page.
SECRET = ("area", "password")
NOTHING: Mapping[str, str] = {}
FIELDS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "okta": (
        ("org_url", "Org address, such as https://acme.okta.com (not -admin)", "text"),
        ("client_id", "Client ID", "text"),
        ("kid", "Key id (KID)", "text"),
        ("private_key", "Private key (PEM or JWK)", "area"),
    ),
    "entra": (
        ("tenant_id", "Directory (tenant) ID", "text"),
        ("client_id", "Application (client) ID", "text"),
        ("client_secret", "Client secret (its value)", "password"),
    ),
}
# What the browser refuses by itself, so that nothing has to be entered again: a secret is shown once over there.
FORMS: Mapping[str, tuple[str, str]] = {
    "org_url": (
        r"\s*https://(?![^\/]*-admin\.)[^\/?#@\s]+\/?\s*",
        "https://host, without -admin and without a path",
    ),
    "tenant_id": (
        r"\s*([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)+)\s*",
        "an id such as 7e0c5a3e-0000-4000-8000-000000000001, or a domain of the tenant",
    ),
}


def fields_of(there: Connection, kept: Mapping[str, str] = NOTHING) -> list[tuple[str, str, str, str]]:
    """Each field by name, label and kind, with the value it begins with: what was `kept`, or is set. Never a secret."""
    found = []
    for name, label, kind in FIELDS[there.kind]:
        known = str(there.settings.get(name) or "") if name in SETTINGS else ""
        found.append((name, label, kind, "" if kind in SECRET else kept.get(name, known)))
    return found


def told(kind: str, form: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and secrets of a form; Invalid when one is missing."""
    settings: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for name, label, _ in FIELDS[kind]:
        value = form.get(name, "").replace("\r\n", "\n").strip()
        if not value:
            raise Invalid("credentials-missing", f"{label} is missing.", "Fill it in.", field=name)
        (settings if name in SETTINGS else secrets)[name] = value
    if kind == "okta":
        secrets["scopes"] = list(OKTA_SCOPES)
    return settings, secrets
