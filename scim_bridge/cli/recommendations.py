"""`scim-bridge recommendations`: groups that agents do not need, as a plan to be looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from scim_bridge.access.in_force import policies_now
from scim_bridge.access.recommend import review
from scim_bridge.app import Bridge
from scim_bridge.cli.grants import agent_named
from scim_bridge.cli.output import EXIT_PENDING, DatabaseUrl, Format, Output, busy, done, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry import recommendations as kept
from scim_bridge.registry.recommendations import Recommendation
from scim_bridge.settings.access import AccessSettings

app = typer.Typer(no_args_is_help=True, help="By the log of decisions and the policies in force.")
Why = Annotated[str, reason_option()]


def _provable(told: AccessSettings, days: int) -> None:
    """Refused when the log cannot prove that something was of no use."""
    if told.allow_share < 1.0:
        raise Refused(
            "recommendations-log",
            "The log keeps only some of the allows, so that none is there proves nothing.",
            'Set access.allow_log to "full" for so long, then ask again.',
        )
    if 0 < told.keep_allow_days < days:
        raise Refused(
            "recommendations-log",
            f"The log keeps allows for {told.keep_allow_days} days, not {days}.",
            "Ask for fewer --days, or raise access.keep_allow_days.",
        )


@app.command("review")
def review_(
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=3650, help="default: access.unused_days")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Look through the log anew and put what is found in place of the open list. Exit 3 when it is not empty."""

    async def body(bridge: Bridge) -> list[Recommendation]:
        told, store = bridge.settings.access, bridge.ctx.store
        span = days or told.unused_days
        _provable(told, span)
        policies = await policies_now(store.reads, bridge.settings.policies, told.sets, told.calendar)
        now = store.clock.now()
        found = await review(store.reads, policies, now, span)

        async def keep(work: Work) -> int:
            return await kept.keep(work, found, now - span * DAY)

        await store.transact(actor(), keep)
        return await kept.recommended(store.reads)

    with busy("Looking through the log of decisions"):
        found = with_bridge(database_url, body)
    _listed(found, output)


@app.command("list")
def list_(
    agent: Annotated[str | None, typer.Argument(help="only of this agent")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What is open. Exit 3 when it is not empty."""

    async def body(bridge: Bridge) -> list[Recommendation]:
        reads = bridge.ctx.store.reads
        return await kept.recommended(reads, None if agent is None else (await agent_named(reads, agent))[0])

    _listed(with_bridge(database_url, body), output)


def _listed(found: list[Recommendation], output: Format) -> None:
    rows = [
        {
            "id": each.id,
            "agent": each.slug,
            "leave": each.group,
            "join": each.instead,
            "why": each.advice.why,
            "since": each.found,
        }
        for each in found
    ]
    show(
        rows,
        output,
        empty="Every group that can be judged is of use.",
        brief=("agent", "leave", "join", "why"),
    )
    if rows:
        raise typer.Exit(EXIT_PENDING)


@app.command("show")
def show_(recommendation: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """One recommendation with its evidence, and what became of it."""

    async def body(bridge: Bridge) -> dict[str, Any]:
        found = await kept.recommendation(bridge.ctx.store.reads, recommendation)
        return {
            "id": found.id,
            "agent": found.slug,
            "leave": found.group,
            "join": found.instead,
            "why": found.advice.why,
            "evidence": dict(found.advice.evidence),
            "state": found.state,
            "since": found.found,
            "seen": found.seen,
            "settled_by": found.settled_by,
            "settled_why": found.settled_why,
        }

    show(with_bridge(database_url, body), output)


@app.command()
def apply(
    recommendation: str,
    reason: Why,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Do it: the agent leaves the group, and joins the one that does instead."""
    found = _settled(kept.apply, recommendation, reason, database_url)
    instead = f" and is in {found.instead}" if found.instead else ""
    told = {"agent": found.slug, "left": found.group, "joined": found.instead}
    done(f"{found.slug} left {found.group}{instead}.", told, output)


@app.command()
def dismiss(
    recommendation: str,
    reason: Why,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Leave it as it is: it is not brought up again for as long as a review looks back."""
    found = _settled(kept.dismiss, recommendation, reason, database_url)
    told = {"agent": found.slug, "group": found.group, "state": "dismissed"}
    done(f"{found.slug} stays in {found.group}.", told, output)


def _settled(
    change: Callable[[Work, str, str], Awaitable[Recommendation]],
    recommendation: str,
    reason: str,
    database_url: str | None,
) -> Recommendation:
    async def body(bridge: Bridge) -> Recommendation:
        return await bridge.ctx.store.transact(actor(), lambda work: change(work, recommendation, reason))

    return with_bridge(database_url, body)
