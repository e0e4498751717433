"""`scim-bridge connections`: the IdP tenants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.cli.client_view import speakers
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry import connections as registry
from scim_bridge.registry.connection_settings import KINDS, SETTINGS, unknown_settings
from scim_bridge.sync.features import features_of, probe
from scim_bridge.sync.idp.port import Feature

app = typer.Typer(no_args_is_help=True, help="The IdP tenants on the other side of the bridge.")


def described(found: registry.Connection) -> dict[str, Any]:
    """A connection as printed: no secret is in it."""
    return {
        "id": found.id,
        "name": found.name,
        "kind": found.kind,
        "dialect": found.dialect,
        "push": found.has_secrets,
        "settings": found.settings,
        "created": found.created,
        "last_call": found.last_call,
    }


def pairs(items: list[str] | None) -> dict[str, Any]:
    """`key=value` arguments as a dictionary; `key=` removes."""
    made: dict[str, Any] = {}
    for item in items or []:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise Invalid(
                "setting-form", f"{item!r} is not key=value.", "Write for example org_url=https://…"
            )
        made[key] = value or None
    return made


def secrets_from(file: Path | None) -> dict[str, Any] | None:
    """Outbound credentials from a JSON file: never from arguments, which other users can see."""
    if file is None:
        return None
    fix = "Give a JSON object of credentials."
    try:
        read = json.loads(file.read_text())
    except OSError as error:
        raise Invalid("secrets-file", f"{file} cannot be read ({error.strerror}).", fix) from error
    except (ValueError, RecursionError) as error:
        raise Invalid("secrets-file", f"{file} cannot be read as JSON.", fix) from error
    if not isinstance(read, dict):
        raise Invalid("secrets-file", f"{file} is not a JSON object.", fix)
    return read


Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="setting as key=value (see `connections settings`), key= removes; again for more"
    ),
]
Secrets = Annotated[Path | None, typer.Option("--secrets-file", help="JSON file with the push credentials")]


@app.command()
def create(
    name: str,
    kind: Annotated[str, typer.Option("--kind", help="okta, entra or generic")],
    dialect: Annotated[str | None, typer.Option("--dialect", help="default: by kind")] = None,
    set_: Set = None,
    secrets_file: Secrets = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Add a connection to an IdP tenant."""
    chosen, secrets = pairs(set_), secrets_from(secrets_file)

    async def body(bridge: Any) -> registry.Connection:
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(),
            lambda work: registry.create_connection(
                work, bridge.ctx.master, name, kind, dialect=dialect, settings=chosen, secrets=secrets
            ),
        )

    show(described(with_bridge(database_url, body, create=True)), output)


@app.command()
def configure(
    name: str,
    dialect: Annotated[str | None, typer.Option("--dialect")] = None,
    set_: Set = None,
    secrets_file: Secrets = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Change a connection's dialect, push settings or push credentials."""
    chosen, secrets = pairs(set_), secrets_from(secrets_file)

    async def body(bridge: Any) -> registry.Connection:
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(),
            lambda work: registry.configure_connection(
                work, bridge.ctx.master, name, dialect=dialect, settings=chosen, secrets=secrets
            ),
        )

    show(described(with_bridge(database_url, body)), output)


@app.command("show")
def show_(name: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Show a connection: dialect, push settings, last call, and who may speak for it."""

    async def body(bridge: Any) -> dict[str, Any]:
        reads, now = bridge.ctx.store.reads, bridge.ctx.store.clock.now()
        found = await registry.connection(reads, name)
        return (
            described(found)
            | _unset(found, output is Format.TABLE)
            | shown_features(await features_of(reads, found.id), output is Format.TABLE)
            | await speakers(reads, found, now, output is Format.TABLE)
        )

    show(with_bridge(database_url, body), output)


@app.command("probe")
def probe_(name: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Ask an IdP what of it this connection can use, and why not; reads only. `show` repeats it."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        there, idp = await bridge.idps.of(name)
        await probe(bridge.ctx, actor(), there, idp)
        return feature_rows(await features_of(bridge.ctx.store.reads, there.id))

    show(with_bridge(database_url, body), output, empty="This kind of IdP is not probed.")


def feature_rows(found: list[tuple[Feature, int]]) -> list[dict[str, Any]]:
    """Features as printed."""
    return [
        {"feature": feature.name, "usable": feature.usable, "reason": feature.reason or None, "at": at}
        for feature, at in found
    ]


def shown_features(found: list[tuple[Feature, int]], table: bool) -> dict[str, Any]:
    """What of the tenant can be used, a line each for a terminal; nothing before it was ever asked."""
    if not found:
        return {}
    if not table:
        return {"features": feature_rows(found)}
    lines = [
        f"{feature.name}: {'yes' if feature.usable else 'no'}{f' ({feature.reason})' if feature.reason else ''}"
        for feature, _ in found
    ]
    return {"features": lines}


def _unset(found: registry.Connection, table: bool) -> dict[str, Any]:
    """What else could be set, and what is set that nobody reads."""
    known = [name for name, what in SETTINGS.items() if found.kind in what.kinds]
    more: dict[str, Any] = {"not_set": [name for name in known if name not in found.settings]}
    unread = unknown_settings(found.kind, found.settings)
    if unread and table:
        return {"no_such_setting": [f"{name} (remove it: --set {name}=)" for name in unread], **more}
    return {"no_such_setting": unread, **more} if unread else more


@app.command()
def settings(
    kind: Annotated[str | None, typer.Argument(help="okta, entra or generic; default: all")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what can be set on a connection with --set, and what counts when it is not."""
    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is no kind of IdP; use one of {', '.join(KINDS)}")
    rows = [
        {"setting": name, "kinds": known.kinds, "default": known.default or None, "meaning": known.meaning}
        for name, known in SETTINGS.items()
        if kind is None or kind in known.kinds
    ]
    show(rows, output)


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List the connections."""

    async def body(bridge: Any) -> list[registry.Connection]:
        return await registry.connections(bridge.ctx.store.reads)

    found = with_bridge(database_url, body)
    show(
        [described(c) for c in found], output, empty="No connections. Add one: scim-bridge connections create"
    )
