"""Groups in the console: what each grants, who is in it, and which policies name it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request

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
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.groups import members_of
from scim_bridge.registry.model import GROUP_EXTENSION_URN

HERE = f"{PATH}/groups"
SHOWN = 50
# Counting the members of a group stops here: the page says "more than".
COUNTED = 200
# A policy ends with a semicolon that stands neither in a string nor in a comment.
_POLICY = re.compile(r'(?:"(?:\\.|[^"\\])*"|//[^\n]*|[^;"])+')
_ID = re.compile(r'@id\("([^"]+)"\)')


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
        found = await quietly(self._ctx, lambda reader: _listed(reader, after))
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
                    Cell(_grants(row)),
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
            ("Grants", _grants(row) or "nobody described it"),
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


def policies_naming(text: str, group: str) -> list[str]:
    """The ids of the policies in this Cedar text in which the group's name stands as a word of its own."""
    named = f'"{group}"'
    found = []
    for one in _POLICY.findall(text):
        if named in one:
            told = _ID.search(one)
            found.append(told.group(1) if told is not None else "without an id")
    return found


def _grants(row: dict[str, Any]) -> str:
    said = orjson.loads(row["doc"]).get(GROUP_EXTENSION_URN) or {}
    return str(said.get("description") or "")


def _counted(members: int) -> str:
    return f"more than {COUNTED}" if members > COUNTED else str(members)


async def _sized(reader: Reader, row: Any) -> dict[str, Any]:
    count = await reader.one(
        "SELECT COUNT(*) AS n FROM (SELECT 1 FROM sb_member WHERE group_id = ? LIMIT ?) AS m",
        row["id"],
        COUNTED + 1,
    )
    return {**dict(row), "members": 0 if count is None else count["n"]}


async def _listed(reader: Reader, after: str) -> list[dict[str, Any]]:
    rows = await reader.all(
        "SELECT id, name, doc FROM sb_resource WHERE kind = 'group' AND deleted IS NULL AND id > ?"
        " ORDER BY id LIMIT ?",
        after,
        SHOWN + 1,
    )
    return [await _sized(reader, row) for row in rows]


async def _group(reader: Reader, group_id: str, after: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    row = await reader.one(
        "SELECT id, name, doc FROM sb_resource WHERE id = ? AND kind = 'group' AND deleted IS NULL", group_id
    )
    if row is None:
        raise NotFound("group-unknown", "There is no such group.", "Look for it in the list of groups.")
    found = await members_of(reader, group_id, after=after, limit=SHOWN + 1)
    if not found:
        return await _sized(reader, row), []
    ids = [member_id for member_id, _, _ in found]
    rows = await reader.all(
        "SELECT m.member_id, a.slug, m.since, m.added_by, m.until FROM sb_member m LEFT JOIN sb_agent a"
        f" ON a.id = m.member_id WHERE m.group_id = ? AND m.member_id IN ({marks(len(ids))})",
        group_id,
        *ids,
    )
    more = {each["member_id"]: dict(each) for each in rows}
    members = [
        {"id": member_id, "kind": kind, "name": name, **more[member_id]} for member_id, kind, name in found
    ]
    return await _sized(reader, row), members


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
