"""`scim-bridge config show`: the effective settings and where each came from, secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import typer

from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import settings
from scim_bridge.settings.secrets import SECRET_PARTS, SECRETS
from scim_bridge.settings.stores import VALUES

app = typer.Typer(no_args_is_help=True, help="The settings.")


def flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every setting by its dotted key."""
    if is_dataclass(value):
        pairs = [(f.name, getattr(value, f.name)) for f in fields(value) if f.name != "origins"]
    elif isinstance(value, Mapping) and value:
        pairs = list(value.items())
    else:
        return [(path, value)]
    return [found for name, item in pairs for found in flat(item, f"{path}.{name}" if path else name)]


@app.command("show")
def show_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Print every setting, its value (secrets masked) and its origin."""
    chosen = settings(database_url)
    rows = []
    for key, value in flat(chosen):
        shown = ("set" if value else "") if is_secret(key) else value
        if key == "database_url":
            shown = masked(str(value))
        elif key.startswith("audit.") and key.endswith(".to"):
            # A signed address carries its secret in the query.
            shown = str(value).partition("?")[0]
        rows.append({"setting": key, "value": shown, "origin": chosen.origins.get(key, "default")})
    show(rows, output)


def is_secret(key: str) -> bool:
    """True for a setting whose value nobody may read over a shoulder."""
    parts = key.split(".")
    if parts[0] == "stores":
        return parts[-1] in VALUES
    if parts[0] == "notify_targets" or parts[:2] == ["alerts", "secrets"]:
        return True
    if parts[0] == "audit" and "headers" in parts:
        return True
    return (parts[0] in SECRETS and parts[-1] != "url") or parts[-1] in SECRET_PARTS


def masked(url: str) -> str:
    """A database URL without its password."""
    head, separator, tail = url.partition("://")
    credentials, at, host = tail.rpartition("@")
    if not at:
        return url
    return f"{head}{separator}{credentials.split(':', 1)[0]}:…@{host}"
