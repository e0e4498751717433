"""`scim-bridge sync runs`: every run of a connection."""

from __future__ import annotations

from typing import Annotated

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.paging import Limit, go_on, page
from scim_bridge.cli.session import with_bridge
from scim_bridge.cli.sync_show import run_record
from scim_bridge.registry.connections import connection
from scim_bridge.sync.run import Run
from scim_bridge.sync.run import runs as kept_runs


def runs(
    name: Annotated[str, typer.Argument(help="the connection")],
    limit: Limit = 50,
    before: Annotated[str, typer.Option("--before", help="older than the run with this id")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Every run of a connection, newest first: how far it came, who began it, and why it ended as it did."""

    async def body(bridge: Bridge) -> list[Run]:
        reads = bridge.ctx.store.reads
        there = await connection(reads, name)
        return await kept_runs(reads, there.id, limit=limit + 1, before=before or None)

    kept, more = page(with_bridge(database_url, body), limit)
    # What is parked now is of the newest run alone, and is told by `sync status`.
    rows = [
        {
            key: value
            for key, value in run_record(run, name, []).items()
            if key not in ("connection", "parked")
        }
        for run in kept
    ]
    nothing = "Nothing older." if before else "It never ran: scim-bridge sync plan, then sync apply."
    show(rows, output, empty=nothing, brief=("started", "state", "done", "total", "by"))
    if more:
        go_on(output, "sync", "runs", name, "--limit", str(limit), "--before", kept[-1].id)
