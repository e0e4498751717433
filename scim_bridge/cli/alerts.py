"""`scim-bridge alerts`: what agents did that is odd; who is told; muting for a reason; ending them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_names import agent_id_named
from scim_bridge.watch import alert_model, muting
from scim_bridge.watch import alerts as watch
from scim_bridge.watch.alert_delivery import send, summary
from scim_bridge.watch.alert_model import Alert
from scim_bridge.watch.baseline_model import KINDS
from scim_bridge.watch.telling import OPENED, RESOLVED, tell, told

app = typer.Typer(no_args_is_help=True, help="What agents did that is odd.")
routes = typer.Typer(no_args_is_help=True, help="Whom alerts are told.")
app.add_typer(routes, name="routes")

Kind = Annotated[str | None, typer.Option("--kind", help=", ".join(KINDS))]
Reason = Annotated[str, reason_option("why; it is kept and shown")]


async def _agent_id(reader: Any, name: str | None) -> str | None:
    if name is None:
        return None
    found = await agent_id_named(reader, name)
    if found is None:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    return found


def _line(found: Alert) -> dict[str, Any]:
    return {
        "id": found.id,
        "agent": found.agent,
        "kind": found.kind,
        "severity": found.severity,
        "state": "muted" if found.muted and found.state == "open" else found.state,
        "why": found.why,
        "hours": found.hours,
        "seen": found.last,
    }


@app.command("list")
def list_(
    agent: Annotated[str | None, typer.Option("--agent", help="of one agent")] = None,
    kind: Kind = None,
    all_: Annotated[bool, typer.Option("--all", help="also those that are resolved")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 100,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Alerts, those seen last first."""

    async def body(bridge: Any) -> list[Alert]:
        reads = bridge.ctx.store.reads
        agent_id = await _agent_id(reads, agent)
        state = "" if all_ else "open"
        return await watch.alerts(reads, state=state, agent_id=agent_id or "", kind=kind or "", limit=limit)

    found = with_bridge(database_url, body)
    rows = [one.shown() for one in found] if output is Format.JSON else [_line(one) for one in found]
    show(rows, output, empty="No alerts.", brief=("id", "agent", "kind", "severity"))


@app.command("show")
def show_(alert_id: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """One alert: why, the figures, the events behind it, what was done, and how far each route was told."""

    async def body(bridge: Any) -> dict[str, Any]:
        reads = bridge.ctx.store.reads
        found = await watch.alert(reads, alert_id)
        calls = await told(reads, bridge.settings.alerts, found)
        if output is Format.TABLE:
            return {**found.shown(), "told": [_call(one) for one in calls] or "nobody"}
        return {**found.shown(), "told": calls}

    show(with_bridge(database_url, body), output)


def _call(one: dict[str, Any]) -> str:
    """How far a route was told, on one line."""
    words = f"{one['route']} {one['event']}: {one['state']}, attempts {one['attempts']}"
    again = f", next try {one['next_try']}" if one["next_try"] else ""
    return f"{words}{again}{', ' + one['error'] if one['error'] else ''}"


@app.command("resolve")
def resolve(
    alert_id: str, reason: Reason, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """End an alert. The hold or throttle it placed is released; routes that hear of the end are told."""

    async def body(bridge: Any) -> Alert:
        async def end(work: Work) -> Alert:
            found = await watch.resolve(work, alert_id, reason)
            await tell(work, bridge.settings.alerts, found, RESOLVED)
            return found

        return await bridge.ctx.store.transact(actor(), end)  # type: ignore[no-any-return]

    show(with_bridge(database_url, body).shown(), output)


@app.command("mute")
def mute(
    agent: Annotated[str | None, typer.Argument(help="the agent; without it, --kind of every agent")] = None,
    kind: Kind = None,
    reason: Reason = "",
    span: Annotated[str, typer.Option("--for", help="how long: 12h, 7d")] = "7d",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Tell nobody of these alerts for a while. They are kept and shown all the same."""

    async def body(bridge: Any) -> str:
        async def make(work: Work) -> str:
            agent_id = await _agent_id(work.tx, agent)
            return await muting.mute(work, agent_id, kind, reason, work.now + duration(span))

        return await bridge.ctx.store.transact(actor(), make)  # type: ignore[no-any-return]

    made = with_bridge(database_url, body)
    done(f"Muted for {span}: {made}", {"id": made, "for": span}, output)


@app.command("unmute")
def unmute(
    mute_id: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """End a mute now (its id is in `alerts mutes`)."""

    async def body(bridge: Any) -> None:
        await bridge.ctx.store.transact(actor(), lambda work: muting.unmute(work, mute_id))

    with_bridge(database_url, body)
    done(f"Ended {mute_id}.", {"id": mute_id, "state": "ended"}, output)


@app.command("mutes")
def mutes(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """What is muted, by whom, why and until when."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return await muting.mutes(bridge.ctx.store.reads, bridge.ctx.store.clock.now())

    show(with_bridge(database_url, body), output, empty="Nothing is muted.")


@routes.command("list")
def routes_list(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """The routes of the settings: kind, from which severity on, for which kinds of alerts."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return [
            {
                "route": route.name,
                "kind": route.kind,
                "severity": route.severity,
                "kinds": list(route.kinds),
                "url": route.url,
            }
            for route in bridge.settings.alerts.routes
        ]

    show(with_bridge(database_url, body), output, empty="No routes. See docs/reference/alerts.md.")


@routes.command("test")
def routes_test(name: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Send a made-up alert to one route now, and say what became of it. PagerDuty is told its end as well."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        settings, ctx = bridge.settings.alerts, bridge.ctx
        route = next((one for one in settings.routes if one.name == name), None)
        if route is None:
            raise NotFound("route-unknown", f"There is no route {name!r}.", "See `alerts routes list`.")
        clock = ctx.store.clock
        example = alert_model.example(UuidV7(clock).new(), clock.now())
        sent = []
        for event in (OPENED, RESOLVED) if route.kind == "pagerduty" else (OPENED,):
            outcome = await send(ctx, route, settings.secrets[name], example, event, f"{example.id}:{event}")
            result = getattr(outcome, "result", None)
            sent.append(
                {
                    "event": event,
                    "alert": summary(example),
                    "outcome": type(outcome).__name__.lower(),
                    "detail": dict(result) if result is not None else getattr(outcome, "reason", ""),
                }
            )
        return sent

    lines = with_bridge(database_url, body)
    show(lines, output)
    if any(line["outcome"] != "done" for line in lines):
        raise typer.Exit(1)
