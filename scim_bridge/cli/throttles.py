"""`scim-bridge throttles`: agents that may act only so often for a while."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.duration import duration
from scim_bridge.cli.grants import agent_named
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.frequency import read_frequency
from scim_bridge.kernel.work import Work
from scim_bridge.registry import throttles

app = typer.Typer(no_args_is_help=True, help="Agents that may act only so often, until an instant.")
ADMIN = "admin"
Why = Annotated[str, reason_option("audited, and told in the answers")]


@app.command("list")
def list_(
    agent: Annotated[str | None, typer.Argument(help="only of this agent")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Who is slowed down now, by whom and why; what ends first on top."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        store = bridge.ctx.store
        agent_id = None if agent is None else (await agent_named(store.reads, agent))[0]
        return await throttles.throttles(store.reads, store.clock.now(), agent_id)

    brief = ("agent", "pace", "until", "source", "reason")
    show(with_bridge(database_url, body), output, empty="No agent is slowed down.", brief=brief)


@app.command()
def place(
    agent: str,
    rate: Annotated[str, typer.Option("--rate", help="10/s, 100/m, 500/h, 2000/d")],
    reason: Why,
    span: Annotated[str, typer.Option("--for", help="how long: 30m, 12h, 7d")] = "1h",
    burst: Annotated[int, typer.Option("--burst", min=0, max=1_000_000, help="0: as many as the rate")] = 0,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Let an agent act only so often; it ends by itself. What its groups grant stays as it is."""
    try:
        calls, each = read_frequency(rate)
    except ValueError as error:
        raise Invalid("throttle-rate", f"{error}.", "Give --rate 10/m, say.") from error
    pace = throttles.Pace(calls, each, burst or calls)

    async def body(bridge: Bridge) -> dict[str, Any]:
        store = bridge.ctx.store
        agent_id, slug = await agent_named(store.reads, agent)
        begins = store.clock.now()
        until = begins + duration(span)
        if until == begins:
            raise Invalid("throttle-span", "A throttle lasts a while.", "Give --for 30m, say.")

        async def change(work: Work) -> bool:
            work.bookkeeping("it is slowed down so already")
            return await throttles.place_throttle(work, agent_id, ADMIN, ADMIN, reason, pace, until)

        await store.transact(actor(), change)
        there = await throttles.throttles(store.reads, begins, agent_id)
        ends = max((one["until"] for one in there if one["source"] == ADMIN), default=until)
        return {"agent": slug, "pace": pace.words(), "until": iso(ends), "longer": ends > until}

    told = with_bridge(database_url, body)
    text = f"{told['agent']} may act {told['pace']} until {told['until']}."
    if told.pop("longer"):
        text += " It was slowed down until then already: to end it sooner, release it first."
    done(text, told, output)


@app.command()
def release(
    agent: str,
    reason: Why,
    source: Annotated[str, typer.Option("--source", help="only that one's: admin, watch")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Let an agent act as often as its budgets say again: every throttle of it, or one source's."""

    async def body(bridge: Bridge) -> tuple[str, int]:
        store = bridge.ctx.store
        agent_id, slug = await agent_named(store.reads, agent)

        async def change(work: Work) -> int:
            work.bookkeeping("nothing slows it down")
            return await throttles.release_throttles(work, agent_id, reason, source)

        return slug, await store.transact(actor(), change)

    slug, ended = with_bridge(database_url, body)
    text = f"{slug}: {'released' if ended else 'nothing slows it down'}."
    done(text, {"agent": slug, "released": ended}, output)
