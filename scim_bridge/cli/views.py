"""`scim-bridge views`: searches of agents under a name, for everybody at the console."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.console.agent_search import understood
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.views import SHARED, View, delete_view, save_view, views

app = typer.Typer(no_args_is_help=True, help="Saved searches of agents that everybody sees at the console.")
Name = Annotated[str, typer.Argument(help="the view's name")]


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """The views that everybody sees; those of one person are that person's, at the console."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        return [
            {"name": one.name, "search": one.query, "by": one.by, "id": one.id}
            for one in await views(bridge.ctx.store.reads, SHARED)
        ]

    show(with_bridge(database_url, body), output, empty="None yet.", brief=("name", "search", "by"))


@app.command()
def save(
    name: Name,
    search: Annotated[str, typer.Argument(help='as in the console: "state:held owner:ann -env:dev"')],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Keep a search under a name for everybody; one of the same name is replaced."""
    query, named = understood(search).text(), " ".join(name.split())

    async def body(bridge: Bridge) -> str:
        return await bridge.ctx.store.transact(
            actor(), lambda work: save_view(work, named, query, shared=True)
        )

    made = with_bridge(database_url, body)
    done(f"{named} is everybody's view: {query}", {"id": made, "name": named, "search": query}, output)


@app.command()
def delete(name: Name, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Delete a view that everybody sees. The agents stay as they are."""

    async def body(bridge: Bridge) -> View:
        store = bridge.ctx.store
        found = await _named(store.reads, name)
        await store.transact(actor(), lambda work: delete_view(work, found.id, shared=True))
        return found

    found = with_bridge(database_url, body)
    done(f"{found.name} is deleted.", {"id": found.id, "name": found.name}, output)


async def _named(reader: Reader, name: str) -> View:
    for one in await views(reader, SHARED):
        if name in (one.name, one.id):
            return one
    raise NotFound("view-unknown", f"Everybody sees no view {name!r}.", "See `scim-bridge views list`.")
