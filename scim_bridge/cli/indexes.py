"""`scim-bridge indexes`: the indexes over declared attributes; build them anew."""

from __future__ import annotations

from typing import Any

import typer

from scim_bridge.cli.output import DatabaseUrl, Format, Output, busy, done, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.registry import indexing

app = typer.Typer(no_args_is_help=True, help="Indexes over declared attributes.")


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Every index: building, checking, ready, or stale (not declared any more), and how many values it knows."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        store = bridge.ctx.store
        known = await indexing.states(store.reads)
        names = {row["name"] for row in known}
        waiting = [
            {"name": index.name, "state": "waiting for a server", "entries": 0}
            for index in store.indexes.declared
            if index.name not in names
        ]
        return [*known, *waiting]

    show(with_bridge(database_url, body), output, empty="No attribute is declared as indexed.")


@app.command()
def rebuild(
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Build every declared index anew, and forget those that are not declared any more.

    Needed after replicas with different declarations have run side by side; servers may go on meanwhile.
    """

    async def body(bridge: Any) -> int:
        return await indexing.rebuild(bridge.ctx.store)

    with busy("Looking at every resource"):
        seen = with_bridge(database_url, body)
    done(f"Looked at {seen:,} resources.", {"resources": seen}, output)
