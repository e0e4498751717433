"""`scim-bridge campaigns`: ask many owners at once, see who has not answered, reassign, cancel."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from scim_bridge.attestations import campaign_view as view
from scim_bridge.attestations.campaign_model import Campaign, ItemState, Policy
from scim_bridge.attestations.campaigns import campaign, cancel, open_campaign
from scim_bridge.attestations.passing import reassign
from scim_bridge.attestations.schedules import policy
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.registry.scope import parse_scope

app = typer.Typer(no_args_is_help=True, help="Attestation campaigns.")

Name = Annotated[str, typer.Argument(help="its id, or its name (then the newest of that name)")]
BRIEF = ("name", "state", "due", "agents", "answered", "waiting", "lapsed")


@app.command("open")
def open_(
    name: Annotated[str, typer.Argument(help="what people read in their messages")],
    scope: Annotated[
        str, typer.Option("--scope", help="which agents: environment=production; riskTier=high; group=…")
    ] = "",
    reason: Annotated[str, reason_option("why now, for the owners")] = "",
    due_days: Annotated[int | None, typer.Option("--due-days", min=1, max=365)] = None,
    grace_days: Annotated[int | None, typer.Option("--grace-days", min=0, max=365)] = None,
    hold: Annotated[
        bool | None, typer.Option("--hold/--no-hold", help="stop what nobody answered for in time")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say whom it would ask")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask the owners of every agent in a scope; the server sends each owner one message with all links."""

    async def body(bridge: Any) -> dict[str, Any]:
        chosen = _chosen(policy(bridge.settings.attestations), due_days, grace_days, hold)
        if dry_run:
            return await _rehearsed(bridge, name, scope, chosen)
        with _Bar() as tell:
            made = await open_campaign(
                bridge.ctx, actor(), name, chosen, scope=scope, reason=reason, tell=tell
            )
        return await _told(bridge, made, output)

    show(with_bridge(database_url, body), output)


async def _told(bridge: Any, found: Campaign, output: Format) -> dict[str, Any]:
    """A campaign as it is shown: on a terminal in words."""
    reads = bridge.ctx.store.reads
    told = await view.details(reads, found, bridge.ctx.store.clock.now())
    waiting: Any = await view.most_waited_for(reads, found.id)
    if output is Format.TABLE:
        told["counts"] = ", ".join(f"{n} {state}" for state, n in told["counts"].items() if n) or "none"
        waiting = [f"{item['person']} ({item['waiting']})" for item in waiting]
    return {**told, "waited_for": waiting}


def _chosen(base: Policy, due_days: int | None, grace_days: int | None, hold: bool | None) -> Policy:
    return Policy(
        due_days=base.due_days if due_days is None else due_days,
        remind_days=base.remind_days,
        sponsor_days=base.sponsor_days,
        manager_days=base.manager_days,
        grace_days=base.grace_days if grace_days is None else grace_days,
        hold=base.hold if hold is None else hold,
    )


async def _rehearsed(bridge: Any, name: str, scope: str, chosen: Policy) -> dict[str, Any]:
    condition, values = parse_scope(scope).also("r")
    row = await bridge.ctx.store.reads.one(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT o.person_id) AS people FROM sb_agent a"
        " JOIN sb_resource r ON r.id = a.id LEFT JOIN sb_owner o ON o.agent_id = a.id AND o.role = 'owner'"
        f" WHERE r.deleted IS NULL{condition}",
        *values,
    )
    return {"name": name, "scope": scope or "every agent", "agents": row["n"], "owners": row["people"]} | {
        name: value for name, value in chosen.as_json().items() if name != "remind_days"
    }


class _Bar:
    """A counter on a terminal; elsewhere nothing."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("Taking in agents"),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            TextColumn("{task.completed:,}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> Any:
        self._bar.start()
        task = self._bar.add_task("", total=None)
        return lambda total: self._bar.update(task, completed=total)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


@app.command("list")
def list_(
    events: Annotated[bool, typer.Option("--events", help="also those about one agent that changed")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The newest campaigns and how far they are."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return await view.campaigns(bridge.ctx.store.reads, events=events, limit=limit)

    empty = "No campaign yet. Open one: scim-bridge campaigns open NAME --scope riskTier=high"
    show(with_bridge(database_url, body), output, empty=empty, brief=BRIEF)


@app.command("show")
def show_(name: Name, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """One campaign: its counts, its dates, what happens next, who has the most left to answer."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await _told(bridge, await campaign(bridge.ctx.store.reads, name), output)

    show(with_bridge(database_url, body), output)


@app.command("agents")
def agents(
    name: Name,
    state: Annotated[str | None, typer.Option("--state", help="waiting, confirmed, lapsed, …")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 1000,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The agents of a campaign: who is waited for, how it was answered, the last step."""
    if state is not None and state not in list(ItemState):
        raise typer.BadParameter(f"use one of {', '.join(ItemState)}", param_hint="--state")

    async def body(bridge: Any) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        return await view.agents(reads, await campaign(reads, name), state=state, limit=limit)

    show(with_bridge(database_url, body), output, empty="No such agent.", brief=("agent", "state", "of"))


@app.command("reassign")
def reassign_(
    name: Name,
    agent: Annotated[str, typer.Argument(help="slug or id")],
    to: Annotated[str, typer.Option("--to", help="userName or e-mail of who answers instead")],
    reason: Annotated[str, reason_option("for them and for the audit")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask another person about one agent; who was asked before need not answer any more."""

    async def body(bridge: Any) -> dict[str, Any]:
        done = await reassign(bridge.ctx, bridge.settings.attestations, actor(), name, agent, to, reason)
        return {"agent": done.slug, "to": done.to.user_name, "expires": done.expires}

    show(with_bridge(database_url, body), output)


@app.command("cancel")
def cancel_(
    name: Name,
    reason: Annotated[str, reason_option("for the audit")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Stop asking; what was answered stays answered."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await _told(bridge, await cancel(bridge.ctx, actor(), name, reason), output)

    show(with_bridge(database_url, body), output)
