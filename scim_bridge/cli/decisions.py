"""`scim-bridge decisions`: what gateways asked and were told: list, show, and why an agent is denied."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.access.history import Kept, Wanted, Why, agent_named, decision, decisions, why
from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.kernel.clock import iso

app = typer.Typer(no_args_is_help=True, help="Access decisions that were kept, and their reasons.")

Since = Annotated[str | None, typer.Option("--since", help="only those of the last 30m, 12h, 7d")]


def _line(kept: Kept) -> dict[str, Any]:
    return {
        "id": kept.id,
        "at": kept.at,
        "answer": "allow" if kept.allowed else "deny",
        "subject": kept.slug or f"{kept.subject_type}:{kept.subject}",
        "action": kept.action,
        "resource": f"{kept.resource_type}:{kept.resource_id}",
        "why": " ".join(reason.text for reason in kept.reasons),
        "reasons": [reason.id for reason in kept.reasons],
        "gateway": kept.caller,
    }


@app.command("list")
def list_(
    agent: Annotated[str | None, typer.Option("--agent", help="of one agent, by any of its names")] = None,
    denied: Annotated[bool, typer.Option("--denied", help="only what was denied")] = False,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", help="at most so many, 1 to 1000")] = 50,
    before: Annotated[str, typer.Option("--before", help="older than the decision with this id")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Decisions, newest first. A yes is listed when access.allow_log keeps it; a no always is."""

    async def body(bridge: Any) -> list[Kept]:
        store = bridge.ctx.store
        agent_id = None if agent is None else (await agent_named(store.reads, agent)).id
        start = None if since is None else store.clock.now() - duration(since)
        return await decisions(store.reads, Wanted(agent_id, denied, start, before, limit))

    rows = [_line(kept) for kept in with_bridge(database_url, body)]
    if output is Format.TABLE:
        rows = [{k: v for k, v in row.items() if k not in ("id", "gateway", "reasons")} for row in rows]
    show(rows, output, empty="No decision is kept.", brief=("at", "answer", "subject", "action", "resource"))


@app.command("show")
def show_(
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="context.id of the answer")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """One decision whole: the question with all a gateway said, the answer and its reasons."""

    async def body(bridge: Any) -> Kept:
        return await decision(bridge.ctx.store.reads, decision_id)

    kept = with_bridge(database_url, body)
    told: dict[str, Any] = {
        **_line(kept),
        "subject_type": kept.subject_type,
        "subject_id": kept.subject,
        "agent_id": kept.agent_id,
        "policies": list(kept.policies),
        "properties": kept.properties,
        "asked": kept.asked,
        "retry_after": kept.retry_after,
        "request_id": kept.request_id,
    }
    if output is Format.TABLE:
        told["reasons"] = "\n".join(f"{reason.id}: {reason.text}" for reason in kept.reasons)
        told.pop("why")
    else:
        told["reasons"] = [{"id": reason.id, "text": reason.text} for reason in kept.reasons]
    show(told, output)


@app.command("why")
def why_(
    agent: Annotated[str, typer.Argument(help="slug, userName, id or workload id")],
    since: Since = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Why an agent is denied: what stops it now, then what its recent denials said, most frequent first."""

    async def body(bridge: Any) -> Why:
        store = bridge.ctx.store
        start = None if since is None else store.clock.now() - duration(since)
        return await why(store.reads, agent, store.clock.now(), since=start)

    found = with_bridge(database_url, body)
    stopping: list[dict[str, Any]] = [
        {"reason": one.id, "now": True, "times": None, "last": None, "text": one.text, "decision": None}
        for one in found.stopped
    ]
    slowing: list[dict[str, Any]] = [
        {
            "reason": f"throttle:{one.code}",
            "now": True,
            "times": None,
            "last": None,
            "text": f"Slowed down to {one.pace.words()} until {iso(one.until)}: {one.reason}",
            "decision": None,
        }
        for one in found.slowed
    ]
    rows = [*stopping, *slowing] + [
        {
            "reason": reason.id,
            "now": False,
            "times": count,
            "last": iso(kept.at),
            "text": reason.text,
            "decision": kept.id,
        }
        for reason, count, kept in found.counted
    ]
    if output is Format.TABLE:
        words = {True: "stops it", False: "slows it"}
        for number, row in enumerate(rows):
            row["now"] = words[number < len(stopping)] if row["now"] else ""
    nothing = f"Nothing stops {found.facts.slug}, and no denial of it is kept."
    show(rows, output, empty=nothing, brief=("reason", "now", "times", "text"))
