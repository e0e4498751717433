"""Plans as statements: one page of rows with what the caller calls them, how many there are, where one stands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.memberships import gathered_groups
from scim_bridge.scim.plan import LIVE, ROWS, Order, Plan
from scim_bridge.scim.render import Head

# The values a row is ordered by: they say where it stands, whatever comes or goes before it.
Key: TypeAlias = tuple[Any, ...]

_HEAD = (
    "r.id, r.version, r.created, r.modified, r.rendered, (SELECT e.external_id FROM sb_external e"
    " WHERE e.resource_id = r.id AND e.connection_id = ?) AS external_id"
)
_TOTAL = ", (SELECT COALESCE(SUM(c.value), 0) FROM sb_counter c WHERE c.name = ?) AS total"
_WIDTH = 6


def heads_of(rows: Sequence[Any]) -> list[Head]:
    """The resources of rows, without what they are ordered by."""
    return [Head._make(row[:_WIDTH]) for row in rows]


def key_of(order: Order, row: Any) -> Key:
    """Where a row stands in an order."""
    if order.by == "id":
        return (row[0],)
    if order.by == "name":
        return (row[_WIDTH],)
    return (row[2] if order.by == "created" else row[3], row[0])


def is_beyond(order: Order, key: Key, other: Key | None) -> bool:
    """True when a key stands behind another one (None: the beginning); texts by code point, as in the database."""
    return other is None or (key < other if order.descending else key > other)


async def rows(
    reader: Reader,
    plan: Plan,
    connection_id: str,
    limit: int,
    *,
    after: Key | None = None,
    backwards: bool = False,
    offset: int = 0,
    counter: str | None = None,
    groups: bool = False,
) -> Sequence[Any]:
    """So many rows of a plan that stand after a key, or `backwards` before it, `offset` of them passed over.

    With `counter`, the last column of each is the total of that name; with `groups`, the groups it is in.
    """
    sql = _page(
        plan.source,
        plan.where.sql,
        plan.columns,
        plan.order,
        (after is not None, backwards, offset > 0, counter is not None, plan.unique),
        gathered_groups(reader.backend, "r.id") if groups else "",
    )
    values: list[Any] = [connection_id]
    if counter is not None:
        values.append(counter)
    values += plan.where.values
    if after is not None:
        values += after
    values.append(limit)
    if offset:
        values.append(offset)
    return await reader.all(sql, *values)


@lru_cache(maxsize=512)
def _page(
    source: str,
    where: str,
    columns: tuple[str, ...],
    order: Order,
    how: tuple[bool, bool, bool, bool, bool],
    groups: str,
) -> str:
    after, backwards, offset, counted, unique = how
    named = ", r.key" if order.by == "name" else ""
    down = order.descending != backwards
    sql = f"SELECT {_HEAD}{named}{_TOTAL if counted else ''}{groups and f', {groups}'} FROM {source} WHERE {where}"
    if after:
        sql += f" AND {_beyond(columns, down)}"
    if not unique:
        sql += f" ORDER BY {_by(columns, down)}"
    return f"{sql} LIMIT ?{' OFFSET ?' if offset else ''}"


def _beyond(columns: tuple[str, ...], down: bool) -> str:
    sign = "<" if down else ">"
    if len(columns) == 1:
        return f"{columns[0]} {sign} ?"
    return f"({', '.join(columns)}) {sign} ({', '.join('?' * len(columns))})"


def _by(columns: tuple[str, ...], down: bool) -> str:
    return ", ".join(f"{column} DESC" if down else column for column in columns)


async def count(reader: Reader, plan: Plan) -> int:
    """How many rows a plan has."""
    row = await reader.one(
        f"SELECT COUNT(*) AS n FROM {plan.source} WHERE {plan.where.sql}", *plan.where.values
    )
    return 0 if row is None else int(row["n"])


async def key_at(
    reader: Reader, plan: Plan, offset: int, *, after: Key | None = None, backwards: bool = False
) -> Key | None:
    """The key of the row that `offset` others precede (after a key, or from the end); None behind the last.

    This walks over index entries, so it costs time for each of them, but reads no resource.
    """
    down = plan.order.descending != backwards
    more = "" if after is None else f" AND {_beyond(plan.columns, down)}"
    row = await reader.one(
        f"SELECT {', '.join(plan.columns)} FROM {plan.source} WHERE {plan.where.sql}{more}"
        f" ORDER BY {_by(plan.columns, down)} LIMIT 1 OFFSET ?",
        *plan.where.values,
        *(after or ()),
        offset,
    )
    return None if row is None else tuple(row)


async def by_ids(reader: Reader, connection_id: str, ids: Sequence[str]) -> list[Head]:
    """The resources with these ids, in their order; who is gone is left out."""
    found = await reader.all(
        f"SELECT {_HEAD} FROM {ROWS} WHERE r.id {among(reader.backend)} AND {LIVE}",
        connection_id,
        listed(reader.backend, ids),
    )
    known = {head.id: head for head in heads_of(found)}
    return [known[resource_id] for resource_id in ids if resource_id in known]
