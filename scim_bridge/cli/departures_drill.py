"""`scim-bridge departures drill`: a canary goes the whole way, each hop measured."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge, drill_accept
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.departures.drill import PASSED, finish, ordered
from scim_bridge.departures.status import last_drill

PAUSE = 0.5


def drill(
    wait: Annotated[int, typer.Option("--wait", min=0, max=600, help="seconds to wait for the worker")] = 60,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Let a canary owner leave: denied, told, signed, each hop measured. Exit 1 when it failed or is not done.

    A running server performs the outward hops. Nobody real is told, and the canary is removed at the end.
    """

    async def body(bridge: Bridge) -> dict[str, Any] | None:
        ctx = bridge.ctx
        case = await ordered(ctx, actor(), drill_accept(bridge))
        for _ in range(int(wait / PAUSE) + 1):
            await finish(ctx)
            said = await last_drill(ctx.store.reads)
            if said is not None and said.get("case") == case and said["state"] != "running":
                return said
            await asyncio.sleep(PAUSE)
        return await last_drill(ctx.store.reads)

    said = with_bridge(database_url, body) or {"state": "running"}
    if output is not Format.TABLE:
        show(said, output)
    else:
        show({key: value for key, value in said.items() if key != "hops"}, output)
        say("")
        show(said.get("hops", []), output, empty="Not done yet: is a server running?")
    if said["state"] != PASSED:
        raise typer.Exit(EXIT_ERROR)
