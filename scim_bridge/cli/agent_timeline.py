"""`scim-bridge agents timeline`: what happened to one agent, on one axis."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.paging import Limit, go_on
from scim_bridge.cli.session import with_bridge
from scim_bridge.console.quiet import quietly
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.registry.agent_facts import find_agent


class Only(StrEnum):
    """What a timeline is narrowed to."""

    CHANGES = "changes"
    DECISIONS = "decisions"


def timeline(
    name: Annotated[str, typer.Argument(help="slug, userName, id or workload id")],
    only: Annotated[Only | None, typer.Option("--only", help="changes or decisions")] = None,
    limit: Limit = 50,
    before: Annotated[str, typer.Option("--before", help="older than the entry with this mark")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What happened to an agent, newest first: changes, decisions, attestations, credentials, alerts, departures.

    The same several times in a row is one entry, with how often.
    """
    # Sentences of the console, which the other commands of this noun need not load.
    from scim_bridge.console.agent import timeline_of
    from scim_bridge.console.paging import mark, marked
    from scim_bridge.console.timeline import Entry

    if before and marked(before) is None:
        raise Invalid(
            "timeline-mark",
            f"{before[:80]!r} is no mark of a timeline.",
            "Take it from a line of `scim-bridge agents timeline NAME --output json`.",
        )

    async def read(reader: Reader) -> tuple[tuple[Entry, ...], str | None]:
        facts = await find_agent(reader, name)
        if facts is None:
            raise NotFound(
                "agent-unknown", f"There is no agent {name[:100]!r}.", "See `scim-bridge agents list`."
            )
        return await timeline_of(reader, facts, before, only.value if only is not None else "", limit)

    async def body(bridge: Bridge) -> tuple[tuple[Entry, ...], str | None]:
        return await quietly(bridge.ctx, read)

    entries, older = with_bridge(database_url, body)
    rows: list[dict[str, Any]] = [
        {
            "at": iso(one.at),
            "what": one.title,
            "by": one.by,
            "times": one.times,
            "told": " · ".join(one.told) or None,
            "mark": mark(*one.mark),
        }
        for one in entries
    ]
    if output is Format.TABLE:
        rows = [{key: value for key, value in row.items() if key != "mark"} for row in rows]
    show(rows, output, empty="Nothing older." if before else "Nothing is kept.", brief=("at", "what", "told"))
    if older is not None:
        narrowed = ("--only", only.value) if only is not None else ()
        go_on(output, "agents", "timeline", name, *narrowed, "--limit", str(limit), "--before", older)
