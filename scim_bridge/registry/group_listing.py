"""The list of groups as console and command line show it: what each grants, and who is in it since when and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import like, marks
from scim_bridge.registry.groups import members_of
from scim_bridge.registry.model import GROUP_EXTENSION_URN, fold


def granted(doc: str) -> str:
    """What being in a group grants, in the words of whoever described it; empty when nobody did."""
    return str((orjson.loads(doc).get(GROUP_EXTENSION_URN) or {}).get("description") or "")


def _columns(counted: int | None) -> str:
    """Of each group, with its members counted no further than one past `counted`.

    In the order of the index: without it PostgreSQL hopes to meet a large group's members soon and reads the table.
    """
    end = "" if counted is None else f" ORDER BY m.member_id LIMIT {counted + 1}"
    members = f"(SELECT COUNT(*) FROM (SELECT 1 FROM sb_member m WHERE m.group_id = r.id{end}) found)"
    return (
        f"SELECT r.id, r.name, r.doc, {members} AS members FROM sb_resource r"
        " WHERE r.kind = 'group' AND r.deleted IS NULL"
    )


def _described(row: Any) -> dict[str, Any]:
    return {"id": row["id"], "name": row["name"], "grants": granted(row["doc"]), "members": row["members"]}


async def groups_found(
    reader: Reader,
    words: Sequence[str] = (),
    *,
    after: str = "",
    limit: int,
    counted: int | None = None,
) -> list[dict[str, Any]]:
    """Groups in id order, behind an id; with words those whose name has all of them."""
    likes = [like(fold(word)) for word in words]
    rows = await reader.all(
        f"{_columns(counted)} AND r.id > ?"
        + r" AND r.key LIKE ? ESCAPE '\'" * len(likes)
        + " ORDER BY r.id LIMIT ?",
        *(after, *likes, limit),
    )
    return [_described(row) for row in rows]


async def group_found(reader: Reader, group_id: str, *, counted: int | None = None) -> dict[str, Any] | None:
    """One group by its id; None when there is none."""
    row = await reader.one(f"{_columns(counted)} AND r.id = ?", group_id)
    return None if row is None else _described(row)


async def members_found(
    reader: Reader, group_id: str, *, after: str = "", limit: int
) -> list[dict[str, Any]]:
    """Who is in a group, in id order behind an id: kind and name, since when, put in by whom, until when."""
    found = await members_of(reader, group_id, after=after, limit=limit)
    if not found:
        return []
    rows = await reader.all(
        "SELECT m.member_id, a.slug, m.since, m.added_by, m.until FROM sb_member m LEFT JOIN sb_agent a"
        f" ON a.id = m.member_id WHERE m.group_id = ? AND m.member_id IN ({marks(len(found))})",
        group_id,
        *(member for member, _, _ in found),
    )
    more = {row["member_id"]: dict(row) for row in rows}
    return [{"id": member, "kind": kind, "name": name, **more[member]} for member, kind, name in found]
