"""`scim-bridge groups`: what agents are given: what each group grants, who is in it, and which policies name it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.access.in_force import policies_now
from scim_bridge.access.naming import policies_naming
from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.paging import Limit, go_on, page
from scim_bridge.cli.session import with_bridge
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.grants import group_named
from scim_bridge.registry.group_listing import group_found, groups_found, members_found

app = typer.Typer(no_args_is_help=True, help="Groups: bundles of access that agents are put into.")


async def _policies(bridge: Bridge) -> str:
    """The whole text of the policies in force."""
    told = bridge.settings
    found = await policies_now(bridge.ctx.store.reads, told.policies, told.access.sets, told.access.calendar)
    return found.text.whole


def line(row: dict[str, Any], policies: str) -> dict[str, Any]:
    """One group as a line of the list."""
    return {
        "id": row["id"],
        "group": row["name"],
        "grants": row["grants"] or None,
        "size": row["members"],
        "policies": policies_naming(policies, row["name"]),
    }


@app.command("list")
def list_(
    search: Annotated[str, typer.Argument(help="words of a name; none: all groups")] = "",
    limit: Limit = 100,
    after: Annotated[str, typer.Option("--after", help="those behind the group with this id")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Groups, the oldest first: what each grants, how many are in it, which policies in force name it."""
    words = cleaned(search).split()

    async def body(bridge: Bridge) -> tuple[list[dict[str, Any]], str]:
        async def read(reader: Reader) -> list[dict[str, Any]]:
            return await groups_found(reader, words, after=after, limit=limit + 1)

        return await quietly(bridge.ctx, read), await _policies(bridge)

    found, policies = with_bridge(database_url, body)
    rows, more = page(found, limit)
    lines = [line(row, policies) for row in rows]
    if output is Format.TABLE:
        lines = [{name: value for name, value in one.items() if name != "id"} for one in lines]
    nothing = (
        "No group is found."
        if words or after
        else "No groups yet: an IdP pushes them over SCIM, or a manifest names them."
    )
    show(lines, output, empty=nothing, brief=("group", "size", "policies"))
    if more:
        go_on(output, "groups", "list", " ".join(words), "--limit", str(limit), "--after", rows[-1]["id"])


@app.command("show")
def show_(
    group: Annotated[str, typer.Argument(help="name or id")],
    limit: Limit = 200,
    after: Annotated[str, typer.Option("--after", help="members behind the one with this id")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """One group: what it grants, the policies in force that name it, and who is in it, since, by whom, until."""

    async def read(reader: Reader) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        group_id, _ = await group_named(reader, group)
        found = await group_found(reader, group_id)
        if found is None:
            raise NotFound("group-unknown", "The group is being deleted.", "See `scim-bridge groups list`.")
        return found, await members_found(reader, group_id, after=after, limit=limit + 1)

    async def body(bridge: Bridge) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
        return *await quietly(bridge.ctx, read), await _policies(bridge)

    found, inside, policies = with_bridge(database_url, body)
    kept, more = page(inside, limit)
    members = [
        {
            "id": one["id"],
            "member": one["slug"] or one["name"] or one["id"],
            "kind": one["kind"],
            "since": iso(one["since"]),
            "by": one["added_by"],
            "until": None if one["until"] is None else iso(one["until"]),
        }
        for one in kept
    ]
    told = line(found, policies)
    if output is not Format.TABLE:
        show({**told, "members": members}, output)
        return
    show(told, output)
    say("")
    rows = [{name: value for name, value in one.items() if name != "id"} for one in members]
    show(
        rows,
        output,
        empty="Nobody is in it." if not after else "Nobody more is in it.",
        brief=("member", "until"),
    )
    if more:
        go_on(output, "groups", "show", found["id"], "--limit", str(limit), "--after", kept[-1]["id"])
