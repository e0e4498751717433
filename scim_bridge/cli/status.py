"""`scim-bridge status`: how this installation stands, as on the console's page of that name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.doors import described, every
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.departures.status import status as leaving
from scim_bridge.health import OK, report
from scim_bridge.kernel.backlog import backlog
from scim_bridge.kernel.worker import sole_worker

WORKER = "worker"


def status(
    check: Annotated[
        bool, typer.Option("--check", help="end with 1 when a component is not ok or a door is in trouble")
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """How this installation stands: components, doors for news about people, what waits, the last drill."""
    found = with_bridge(database_url, _found)
    if output is Format.TABLE:
        _tell(found)
    else:
        show(found, output)
    if check and not (found["ready"] and all(door["trouble"] is None for door in found["doors"])):
        raise typer.Exit(EXIT_ERROR)


async def _found(bridge: Bridge) -> dict[str, Any]:
    store = bridge.ctx.store
    async with sole_worker(store.database) as nobody:
        worker = (
            {"state": "none", "detail": "no server runs on this database: what is to be told outside waits"}
            if nobody
            else {"state": OK, "detail": "a server runs on this database"}
        )
    _, lines = await report(bridge.ctx, None)
    components = [{**line, **worker} if line["component"] == WORKER else line for line in lines]
    return {
        "ready": all(line["state"] == OK for line in components),
        "components": components,
        "doors": [described(door) for door in await every(bridge)],
        "effects": await backlog(store.reads),
        "departures": await leaving(store.reads, store.clock.now()),
    }


def _tell(found: dict[str, Any]) -> None:
    left, waiting = found["departures"], found["effects"]
    drill = left["drill"]
    show(
        {
            "ready": found["ready"],
            "in five minutes, 30 days": f"{left['within_five_minutes']} of {left['closed_30_days']}",
            "last drill": None if drill is None else f"{drill['state']} at {drill['at']}",
            "calls waiting": waiting.get("pending", 0) + waiting.get("handed", 0),
            "calls given up": waiting.get("dead", 0),
        },
        Format.TABLE,
    )
    say("")
    show(found["components"], Format.TABLE)
    say("")
    nothing = "No door was heard yet: docs/reference/doors.md says how to open one."
    show(found["doors"], Format.TABLE, empty=nothing, brief=("door", "state", "heard", "trouble"))
    if waiting.get("dead"):
        say("\nCalls that were given up: scim-bridge effects list --state dead")
