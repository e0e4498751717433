"""`scim-bridge people`: who answers for agents, and one person with the agents they answer for."""

from __future__ import annotations

from shlex import quote
from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.paging import Limit, go_on, page
from scim_bridge.cli.session import with_bridge
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.registry.people_listing import (
    agents_of_person,
    counts_of,
    people_found,
    person_found,
    standing_of,
)

# An owner who leaves within so long is at risk, as in the console.
SOON = 30 * DAY
app = typer.Typer(no_args_is_help=True, help="People who answer for agents.")


def line(row: dict[str, Any]) -> dict[str, Any]:
    """One person as a line of the list."""
    return {
        "id": row["id"],
        "userName": row["name"],
        "displayName": row["display"],
        "state": standing_of(row),
        "department": row["department"] or None,
        "owns": row["owns"],
        "helps": row["helps"],
        "leaves": None if row["leave_at"] is None else iso(row["leave_at"]),
    }


@app.command("list")
def list_(
    search: Annotated[
        str, typer.Argument(help="words of a name or userName; none: those who answer for agents")
    ] = "",
    everybody: Annotated[
        bool, typer.Option("--all", help="everybody, whoever answers for agents or not")
    ] = False,
    at_risk: Annotated[
        bool,
        typer.Option("--at-risk", help="only owners who left, are on leave, or leave within thirty days"),
    ] = False,
    limit: Limit = 100,
    after: Annotated[str, typer.Option("--after", help="those behind the person with this id")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """People: how they stand, how many agents they own and help with, and when they leave."""
    words = cleaned(search).split()
    if at_risk and (words or everybody):
        raise Invalid(
            "people-at-risk",
            "--at-risk lists owners only: it goes with no search and not with --all.",
            "Leave one of them out.",
        )

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        soon = bridge.ctx.store.clock.now() + SOON if at_risk else None

        async def read(reader: Reader) -> list[dict[str, Any]]:
            return await people_found(
                reader, words, after=after, limit=limit + 1, everybody=everybody, soon=soon
            )

        return await quietly(bridge.ctx, read)

    rows, more = page(with_bridge(database_url, body), limit)
    lines = [line(row) for row in rows]
    if output is Format.TABLE:
        lines = [{name: value for name, value in one.items() if name != "id"} for one in lines]
    nothing = (
        "Nobody is found." if words or after else "No owner is at risk." if at_risk else "No people yet."
    )
    if not (words or after or everybody or at_risk):
        nothing = "Nobody answers for an agent yet. Everybody: scim-bridge people list --all"
    show(lines, output, empty=nothing, brief=("userName", "state", "owns", "leaves"))
    if more:
        asked = ("--all" if everybody else "", "--at-risk" if at_risk else "", "--limit", str(limit))
        go_on(output, "people", "list", " ".join(words), *asked, "--after", rows[-1]["id"])


@app.command("show")
def show_(
    person: Annotated[str, typer.Argument(help="userName, e-mail or id")],
    limit: Limit = 200,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """One person: how they stand, who is above them, when they leave, and each agent they answer for."""

    async def read(reader: Reader) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        found = await person_found(reader, person)
        if found is None:
            raise NotFound(
                "person-unknown",
                f"No person is known as {person[:100]!r}.",
                "See `scim-bridge people list`.",
            )
        owns, helps = (await counts_of(reader, [found["id"]]))[found["id"]]
        agents = await agents_of_person(reader, found["id"], limit + 1)
        return {**found, "owns": owns, "helps": helps}, agents

    async def body(bridge: Bridge) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return await quietly(bridge.ctx, read)

    found, all_ = with_bridge(database_url, body)
    kept, more = page(all_, limit)
    told = {**line(found), "email": found["email"] or None, "manager": found["manager"] or None}
    agents = [
        {
            "agent": one["slug"],
            "role": one["role"],
            "state": "active" if one["active"] else "held",
            "since": one["since"],
        }
        for one in kept
    ]
    if output is not Format.TABLE:
        show({**told, "agents": [{**one, "since": iso(one["since"])} for one in agents]}, output)
        return
    show(told, output)
    say("")
    show(agents, output, empty="They answer for no agent.")
    if more:
        go_on(output, "agents", "list", f'person:"{found["name"]}"')
    if agents:
        say(f"\nIf they left now: scim-bridge departures simulate {quote(found['name'])}")
