"""`scim-bridge grants`: access for a time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso, parse_iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry import grants
from scim_bridge.registry.agent_facts import find_agent

STAYS = "stays in"
app = typer.Typer(no_args_is_help=True, help="Memberships that end by themselves, at the decision.")
Why = Annotated[str, reason_option()]


async def agent_named(reader: Reader, name: str) -> tuple[str, str]:
    """(id, slug) of the agent with this name; NotFound."""
    facts = await find_agent(reader, name)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    return facts.resource.id, facts.slug


def instant(text: str, now: int) -> int:
    """An RFC 3339 instant, or a span from now (8h, 7d); Invalid."""
    try:
        return parse_iso(text)
    except ValueError:
        pass
    try:
        return now + duration(text)
    except Invalid as error:
        raise Invalid(
            "grant-until", f"{text!r} is no end.", "Write 8h, 7d or 2026-12-31T18:00:00Z."
        ) from error


@app.command("list")
def list_(
    agent: Annotated[str | None, typer.Argument(help="only of this agent")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The memberships that end, the next one first."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        agent_id = None if agent is None else (await agent_named(reads, agent))[0]
        return [
            {
                "agent": each.slug,
                "group": each.group,
                "until": each.until,
                "reason": each.why,
                "by": each.by,
                "since": each.since,
            }
            for each in await grants.grants(reads, agent_id)
        ]

    show(with_bridge(database_url, body), output, empty="No membership has an end.")


@app.command()
def add(
    agent: str,
    group: Annotated[str, typer.Argument(help="name or id")],
    until: Annotated[str, typer.Option("--until", help="8h, 7d, or 2026-12-31T18:00:00Z")],
    reason: Why,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Put an agent into a group for a time, or give the membership it has an end."""

    async def body(bridge: Bridge) -> tuple[str, dict[str, Any]]:
        store = bridge.ctx.store
        agent_id, slug = await agent_named(store.reads, agent)
        group_id, name = await grants.group_named(store.reads, group)
        end = instant(until, store.clock.now())

        async def change(work: Work) -> bool:
            return await grants.grant(work, agent_id, group_id, end, reason)

        added = await store.transact(actor(), change)
        text = f"{slug} is in {name} until {iso(end)}{'' if added else '; it was in it already'}."
        return text, {"agent": slug, "group": name, "until": iso(end), "new": added}

    text, told = with_bridge(database_url, body)
    done(text, told, output)


@app.command()
def end(
    agent: str,
    group: str,
    reason: Why,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """End a grant now."""

    async def change(work: Work, agent_id: str, group_id: str) -> None:
        await grants.end(work, agent_id, group_id, reason)

    _change(agent, group, change, "is no longer in", database_url, output)


@app.command()
def keep(
    agent: str,
    group: str,
    reason: Why,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Take the end away: the agent stays in the group."""

    async def change(work: Work, agent_id: str, group_id: str) -> None:
        await grants.keep(work, agent_id, group_id, reason)

    _change(agent, group, change, STAYS, database_url, output)


def _change(agent: str, group: str, change: Any, word: str, database_url: str | None, output: Format) -> None:
    async def body(bridge: Bridge) -> tuple[str, str]:
        store = bridge.ctx.store
        agent_id, slug = await agent_named(store.reads, agent)
        group_id, name = await grants.group_named(store.reads, group)
        await store.transact(actor(), lambda work: change(work, agent_id, group_id))
        return slug, name

    slug, name = with_bridge(database_url, body)
    done(f"{slug} {word} {name}.", {"agent": slug, "group": name, "member": word == STAYS}, output)
