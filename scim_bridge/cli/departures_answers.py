"""`scim-bridge departures accept`, `decline` and `return`: what successors and those who are back say."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.departures.accepting import Answer
from scim_bridge.departures.accepting import accept as take
from scim_bridge.departures.accepting import decline as leave
from scim_bridge.departures.returning import GivenBack, offers
from scim_bridge.departures.returning import give_back as back
from scim_bridge.departures.upkeep import keep as keep_on

Case = Annotated[str, typer.Argument(help="id of a case, or the userName of who left")]
Agent = Annotated[str, typer.Argument(help="slug, userName or id")]
By = Annotated[str, typer.Option("--by", help="the successor whose word it is: userName, e-mail or id")]


def accept(
    case: Case, agent: Agent, by: By, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Write down that the successor accepts an agent; what waited for that goes on."""

    async def body(bridge: Bridge) -> Answer:
        return await bridge.ctx.store.transact(actor(), lambda work: take(work, case, agent, by))

    _show(with_bridge(database_url, body), output)


def decline(
    case: Case, agent: Agent, by: By, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Write down that the successor declines: the policy says who is next, or the agent is held."""

    async def body(bridge: Bridge) -> Answer:
        rules = bridge.rules
        return await bridge.ctx.store.transact(actor(), lambda work: leave(work, rules, case, agent, by))

    _show(with_bridge(database_url, body), output)


def give_back(
    case: Case,
    agent: Annotated[
        str | None, typer.Option("--agent", help="give this one back; without, the offers are listed")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="who is back (default: who left)")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What a departure took from somebody who is back; with --agent, give that one back to them."""

    async def listing(bridge: Bridge) -> tuple[Any, list[dict[str, Any]]]:
        return await offers(bridge.ctx.store.reads, case)

    if agent is None:
        found, rows = with_bridge(database_url, listing)
        away = f"{found.display_name} still counts as gone: there is nothing to give back yet."
        show(rows, output, empty=away if found.gone_by else "This departure took nothing.")
        return

    async def body(bridge: Bridge) -> GivenBack:
        return await bridge.ctx.store.transact(actor(), lambda work: back(work, case, str(agent), to))

    done = with_bridge(database_url, body)
    show(
        {
            "agent": done.slug,
            "to": done.person.user_name,
            "as": done.role,
            "state": "held" if done.holds else "active",
            "holds": [hold.reason for hold in done.holds],
            "credentials_to_renew": list(done.renew),
        },
        output,
    )


def keep(
    agent: Agent,
    reason: Annotated[str, reason_option("who needs it and for what: audited")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Say that somebody needs an agent that is held because nobody used it."""

    async def body(bridge: Bridge) -> str:
        return await bridge.ctx.store.transact(actor(), lambda work: keep_on(work, agent, reason))

    show({"agent": with_bridge(database_url, body), "unused": False}, output)


def _show(answer: Answer, output: Format) -> None:
    show(
        {"agent": answer.agent, "state": answer.state, "owner": answer.owner, "reason": answer.reason}, output
    )
