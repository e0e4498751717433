"""`scim-bridge stores`: where credentials of agents are delivered to, and whether that works."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.credentials.delivery.stores import Stores
from scim_bridge.kernel.errors import BridgeError, NotFound

app = typer.Typer(no_args_is_help=True, help="Stores credentials are delivered to: list, test.")


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List the stores the settings name. Nothing is called."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return [
            {
                "store": options.name,
                "kind": options.kind,
                "where": options.where,
                "auth": options.values.get("auth") or None,
                "prefix": options.values.get("prefix") or None,
            }
            for options in bridge.stores
        ]

    show(with_bridge(database_url, body), output, empty="No stores. Set one: docs/reference/stores.md")


@app.command()
def test(
    name: Annotated[str | None, typer.Argument(help="one store (default: all)")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write a canary to a store and remove it. Exit 1 when one does not work."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        chosen = [name] if name is not None else [options.name for options in bridge.stores]
        return [await _tried(bridge.stores, each) for each in chosen]

    rows = with_bridge(database_url, body)
    show(rows, output, empty="No stores. Set one: docs/reference/stores.md")
    if any(not row["ok"] for row in rows):
        raise typer.Exit(EXIT_ERROR)


async def _tried(stores: Stores, name: str) -> dict[str, Any]:
    try:
        await stores.open(name).probe()
    except NotFound:
        raise
    except BridgeError as error:
        return {"store": name, "ok": False, "why": error.text()}
    return {"store": name, "ok": True, "why": None}
