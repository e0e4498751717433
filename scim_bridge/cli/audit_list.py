"""`scim-bridge audit list`: the audit log searched, as in the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.paging import Limit, go_on, page
from scim_bridge.cli.session import with_bridge
from scim_bridge.console.audit_search import found, wanted_in
from scim_bridge.console.paging import mark, marked
from scim_bridge.kernel.errors import Invalid

SHOWN = ("at", "actor_name", "action", "subject_kind", "subject_id", "outcome", "detail", "seq")


def list_(
    action: Annotated[
        str, typer.Option("--action", help="such as agent.held, or agent.* for all of a kind")
    ] = "",
    about: Annotated[
        str,
        typer.Option("--about", "--subject", help="an agent or person by any name, or the id of anything"),
    ] = "",
    by: Annotated[str, typer.Option("--by", help="a part of the name of who did it")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="success, refused or failed")] = "",
    since: Annotated[
        str, typer.Option("--since", help="from this day or instant on, such as 2026-11-30")
    ] = "",
    until: Annotated[str, typer.Option("--until", help="before this day or instant")] = "",
    limit: Limit = 50,
    before: Annotated[str, typer.Option("--before", help="older than the row with this mark")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Audit rows, newest first: all, or those that fit a search."""
    asked = {"action": action, "about": about, "by": by, "outcome": outcome, "since": since, "until": until}
    if before and marked(before) is None:
        raise Invalid(
            "audit-mark",
            f"{before[:80]!r} is no mark of a row.",
            "Take it from a line of `scim-bridge audit list --output json`.",
        )

    async def body(bridge: Bridge) -> Sequence[Any]:
        reads = bridge.ctx.store.reads
        return await found(reads, await wanted_in(reads, {**asked, "before": before}), limit + 1)

    kept, more = page(with_bridge(database_url, body), limit)
    rows = [{**{name: row[name] for name in SHOWN}, "mark": mark(row["at"], row["id"])} for row in kept]
    last = rows[-1]["mark"] if rows else ""
    if output is Format.TABLE:
        rows = [{name: row[name] for name in SHOWN} for row in rows]
    show(rows, output, empty="Nothing fits this search." if any(asked.values()) else "Nothing older.")
    if more:
        again = [word for name, text in asked.items() if text for word in (f"--{name}", text)]
        go_on(output, "audit", "list", *again, "--limit", str(limit), "--before", last)
