"""Groups in the console: what each grants, who is in it, and which policies name it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from scim_bridge.access.naming import policies_naming
from scim_bridge.console.addresses import agent_url, filter_url
from scim_bridge.console.boards import Board, board
from scim_bridge.console.door import Screen
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import Cell, Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.group_listing import group_found, groups_found, members_found

HERE = f"{PATH}/groups"
SHOWN = 50
# Counting the members of a group stops here: the page says "more than".
COUNTED = 200


class Grouping:
    """The pages of groups."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/{{id}}": Screen(ctx, pages, get=board(ctx, pages, self._one)),
        }

    async def _all(self, request: Request, _now: int) -> Board:
        after = cleaned(request.query_params.get("after", ""))
        found = await quietly(
            self._ctx, lambda reader: groups_found(reader, after=after, limit=SHOWN + 1, counted=COUNTED)
        )
        rows, older = page_of(found, SHOWN, lambda last: f"{HERE}?{urlencode({'after': last['id']})}")
        return Board(
            "Groups",
            "groups",
            "What agents are given: a group is a bundle of access, being in it is an assignment.",
            sections=[("Groups", self._table(rows), "")],
            older=older,
        )

    def _table(self, rows: list[dict[str, Any]]) -> Table:
        return Table(
            "Groups, the oldest first",
            ("Group", "Grants", "Members", "Policies that name it"),
            tuple(
                (
                    Cell(row["name"], url=f"{HERE}/{quote(row['id'], safe='')}"),
                    Cell(row["grants"]),
                    Cell(_counted(row["members"])),
                    Cell(", ".join(policies_naming(self._known.policy_text(), row["name"]))),
                )
                for row in rows
            ),
            "No groups yet: an IdP pushes them over SCIM, or a manifest names them.",
        )

    async def _one(self, request: Request, _now: int) -> Board:
        group_id, after = (
            cleaned(request.path_params["id"]),
            cleaned(request.query_params.get("after", "")),
        )
        row, found = await quietly(self._ctx, lambda reader: _group(reader, group_id, after))
        url = f"{HERE}/{quote(group_id, safe='')}"
        members, older = page_of(found, SHOWN, lambda last: f"{url}?{urlencode({'after': last['id']})}")
        naming = policies_naming(self._known.policy_text(), row["name"])
        facts = [
            ("Grants", row["grants"] or "nobody described it"),
            ("Policies that name it", ", ".join(naming) or "none"),
            ("Id", row["id"]),
        ]
        return Board(
            row["name"],
            "groups",
            tiles=[Tile(_counted(row["members"]), "members", url=filter_url("group", row["name"]))],
            facts=("The group", facts),
            sections=[("Members", _members(members), "")],
            crumb=("Groups", HERE),
            older=older,
        )


def _counted(members: int) -> str:
    return f"more than {COUNTED}" if members > COUNTED else str(members)


async def _group(reader: Reader, group_id: str, after: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    row = await group_found(reader, group_id, counted=COUNTED)
    if row is None:
        raise NotFound("group-unknown", "There is no such group.", "Look for it in the list of groups.")
    return row, await members_found(reader, group_id, after=after, limit=SHOWN + 1)


def _members(members: list[dict[str, Any]]) -> Table:
    return Table(
        "Members, those that are here longest first",
        ("Member", "Kind", "Since", "Put in by", "Until"),
        tuple(
            (
                Cell(one["slug"], url=agent_url(one["slug"]))
                if one["slug"]
                else Cell(one["name"] or one["id"]),
                Cell(one["kind"]),
                Cell(at=one["since"]),
                Cell(one["added_by"]),
                Cell(at=one["until"]) if one["until"] else Cell("no end"),
            )
            for one in members
        ),
        "Nobody is in it.",
    )
