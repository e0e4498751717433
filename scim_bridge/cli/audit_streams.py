"""`scim-bridge audit streams`: the sinks that get every audit row, how far each is, and whether it answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from scim_bridge.audit.streaming import sink_named, standings, try_out
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso

app = typer.Typer(no_args_is_help=True, help="Streams of audit rows to a SIEM.")

Name = Annotated[str, typer.Argument(help="the NAME of [audit.sinks.NAME]")]


async def _standing(bridge: Any) -> list[dict[str, Any]]:
    audit = bridge.settings.audit
    found = []
    for one in await standings(bridge.ctx.store.reads, audit):
        sink = audit.sinks[one.name]
        said = {
            **asdict(one),
            "acknowledged": None if one.acknowledged is None else iso(one.acknowledged),
            "next_at": iso(one.next_at) if one.failures else None,
        }
        found.append(
            {"name": one.name, "kind": sink.kind, "form": sink.form, "to": sink.to.partition("?")[0], **said}
        )
    return found


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List the streams: the last row each sink has, and how many it lacks."""
    show(
        with_bridge(database_url, _standing),
        output,
        empty="No streams. Add [audit.sinks.NAME] to the settings.",
        brief=("name", "kind", "cursor", "behind", "failures", "error"),
    )


@app.command("show")
def show_(name: Name, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Show one stream."""

    async def body(bridge: Any) -> dict[str, Any]:
        sink_named(bridge.settings.audit, name)
        return next(one for one in await _standing(bridge) if one["name"] == name)

    show(with_bridge(database_url, body), output)


@app.command()
def test(name: Name, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Write a row that says so, and send it to the sink now. Exit 1 with the reason when it is not taken."""

    async def body(bridge: Any) -> int:
        return await try_out(bridge.ctx, actor(), name, sink_named(bridge.settings.audit, name))

    show({"name": name, "taken": True, "seq": with_bridge(database_url, body)}, output)
