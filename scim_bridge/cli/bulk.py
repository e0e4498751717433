"""`scim-bridge bulk`: many agents at once: a preview first, then done agent by agent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.attestations.service import asking_of
from scim_bridge.cli.output import EXIT_ERROR, EXIT_HELD, EXIT_PENDING, DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.console.agent_search import agents_found
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry import bulk as many
from scim_bridge.registry.bulk_doing import carry_out
from scim_bridge.registry.bulk_model import ACTIONS, DONE, FAILED, MOST, MOVED

app = typer.Typer(no_args_is_help=True, help="Many agents at once: seen first, then done agent by agent.")
BRIEF = ("agent", "what", "state", "told")


@app.command()
def plan(
    action: Annotated[str, typer.Argument(help=", ".join(ACTIONS))],
    search: Annotated[str, typer.Argument(help='as in the console: "state:held owner:ann -env:dev"')],
    to: Annotated[str, typer.Option("--to", help="the new owner, or the group")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Say exactly what would happen to each agent that fits a search, and keep it. Does nothing; exit 3."""

    async def body(bridge: Any) -> many.Bulk:
        store = bridge.ctx.store
        asking = asking_of(bridge.ctx, bridge.settings.attestations)
        target = await many.target_of(store.reads, action, to)
        ids, more = await agents_found(store.reads, search, "", MOST)
        if more is not None:
            raise Invalid("bulk-many", f"More than {MOST} agents fit this search.", "Narrow it.")

        async def kept(work: Work) -> str:
            return await many.plan(work, action, ids, target, asking, search)

        return await many.bulk(store.reads, await store.transact(actor(), kept))

    found = with_bridge(database_url, body)
    _told(found, output)
    if output is Format.TABLE and found.reach["changes"]:
        who = "two different people" if found.needed > 1 else "you"
        say(f"Nothing was done. For {who}: scim-bridge bulk approve {found.id} --reason REASON")
    if found.reach["changes"]:
        raise typer.Exit(EXIT_PENDING)


@app.command()
def approve(
    bulk: Annotated[str, typer.Argument(help="the id that `plan` said")],
    reason: Annotated[str, reason_option()],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Do what a plan says, agent by agent. Exit 4 when a second person has to say so, 1 when some were not changed."""

    async def body(bridge: Any) -> many.Bulk:
        store = bridge.ctx.store
        action = (await many.bulk(store.reads, bulk, items=False)).action
        found: many.Bulk = await store.transact(
            actor(), lambda work: many.approve(work, bulk, action, reason)
        )
        if found.state != many.RUNNING:
            return found
        return await carry_out(store, actor(), bulk, asking_of(bridge.ctx, bridge.settings.attestations))

    found = with_bridge(database_url, body)
    _told(found, output)
    if found.state != DONE:
        say(f"{len(found.approvals)} of {found.needed} people said so; nothing was done yet.")
        raise typer.Exit(EXIT_HELD)
    if found.count(FAILED) + found.count(MOVED):
        raise typer.Exit(EXIT_ERROR)


@app.command("show")
def show_(
    bulk: Annotated[str, typer.Argument(help="the id that `plan` said")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What would happen to each agent, or what became of it."""

    async def body(bridge: Any) -> many.Bulk:
        return await many.bulk(bridge.ctx.store.reads, bulk)

    _told(with_bridge(database_url, body), output)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="so many, the newest")] = 50,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Changes of many agents, the newest first: planned, running, done and given up."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return [
            {
                **{name: row[name] for name in ("id", "action", "target", "state")},
                "by": row["made_by"],
                "at": iso(row["created"]),
                "reason": row["reason"],
            }
            for row in await many.bulks(bridge.ctx.store.reads, limit)
        ]

    brief = ("id", "action", "target", "state", "by")
    show(with_bridge(database_url, body), output, empty="None yet: scim-bridge bulk plan.", brief=brief)


@app.command()
def cancel(
    bulk: Annotated[str, typer.Argument(help="the id that `plan` said")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Give up a plan, or what is left of it; what was done stays."""

    async def body(bridge: Any) -> many.Bulk:
        store = bridge.ctx.store
        await store.transact(actor(), lambda work: many.cancel(work, bulk))
        return await many.bulk(store.reads, bulk)

    _told(with_bridge(database_url, body), output)


def _told(found: many.Bulk, output: Format) -> None:
    rows = [
        {"agent": one.slug, "what": one.says, "state": one.state, "told": one.told or None}
        for one in found.items
    ]
    if output is Format.TABLE:
        if rows:
            show(rows, output, brief=BRIEF)
        counts = ", ".join(f"{name} {value}" for name, value in found.reach.items() if value)
        say(f"{found.label}: {found.state}. {counts}.")
        return
    show(
        {
            "id": found.id,
            "action": found.action,
            "target": found.target.name or None,
            "state": found.state,
            "needed": found.needed,
            "approvals": [one["name"] for one in found.approvals],
            "reach": dict(found.reach),
            "agents": rows,
        },
        output,
    )
