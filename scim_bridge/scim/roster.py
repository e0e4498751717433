"""The members of groups as JSON, put together by the database: a hundred thousand of them are a few strings here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import listed
from scim_bridge.registry.scope import EVERYTHING, Scope
from scim_bridge.scim.render import MEMBER_TYPE

# So many members are read at once: some 300 kB, and no other request waits long for it.
PIECE = 2000


class Piece(NamedTuple):
    """Some members one after the other: objects joined by commas, how many, and the id of the last."""

    text: str
    size: int
    last: str

    @property
    def full(self) -> bool:
        """True when there may be more."""
        return self.size == PIECE


async def piece(
    reader: Reader, group_id: str, base_url: str, after: str = "", scope: Scope = EVERYTHING
) -> Piece:
    """The members of a group whose ids come after this one, at most PIECE, by id; no agents outside the scope."""
    too, values = scope.also("sb_member", "member_id")
    row = await reader.one(_one(reader.backend, too), base_url, group_id, after, *values)
    return Piece("", 0, after) if row is None or not row[1] else Piece(*row)


async def rest(
    reader: Reader, group_id: str, base_url: str, first: Piece, scope: Scope = EVERYTHING
) -> AsyncIterator[str]:
    """What follows a piece.

    Pieces are read one by one, so that nobody holds the database while a slow client reads: who joins or
    leaves meanwhile may be in or not, everybody else is there once.
    """
    found = first
    while found.full:
        # Other requests come first.
        await asyncio.sleep(0)
        found = await piece(reader, group_id, base_url, found.last, scope)
        if found.size:
            yield found.text


async def pieces(
    reader: Reader, group_ids: Sequence[str], base_url: str, scope: Scope = EVERYTHING
) -> dict[str, Piece]:
    """The first piece of each of these groups, in one statement."""
    too, values = scope.also("sb_member", "member_id")
    wanted = listed(reader.backend, group_ids)
    rows = await reader.all(_many(reader.backend, too), base_url, *values, wanted)
    found = {}
    for group_id, shown in rows:
        count, _, text = shown.partition(":")
        first = Piece(text, int(count), "")
        # Where a large group goes on is told with the piece itself.
        found[group_id] = await piece(reader, group_id, base_url, "", scope) if first.full else first
    return found


def _object(backend: str) -> str:
    """A member as a JSON object, in SQL; a reference to somebody unknown has neither $ref nor type."""
    quoted = "json_quote({})" if backend == "sqlite" else "to_json({})::text"
    known = " ".join(
        f"WHEN '{kind}' THEN '{{\"value\":\"' || m.member_id || '\",\"$ref\":\"' || m.base || '/{name}s/'"
        f' || m.member_id || \'","type":"{name}"\''
        for kind, name in MEMBER_TYPE.items()
    )
    return (
        f"CASE m.kind {known} ELSE '{{\"value\":' || {quoted.format('m.member_id')} END"
        f" || CASE WHEN m.display IS NULL OR m.display = '' THEN '}}'"
        f" ELSE ',\"display\":' || {quoted.format('m.display')} || '}}' END"
    )


def _joined(backend: str) -> str:
    """Objects with commas between them, in SQL."""
    if backend == "sqlite":
        return f"group_concat({_object(backend)}, ',')"
    return f"string_agg({_object(backend)}, ',' ORDER BY m.member_id)"


def _some(group: str, more: str) -> str:
    return (
        "(SELECT member_id, kind, display, CAST(? AS TEXT) AS base FROM sb_member"
        f" WHERE group_id = {group}{more} ORDER BY member_id LIMIT {PIECE}) m"
    )


@lru_cache(maxsize=64)
def _one(backend: str, within: str) -> str:
    return (
        f"SELECT {_joined(backend)} AS shown, COUNT(*) AS count, MAX(m.member_id) AS last"
        f" FROM {_some('?', f' AND member_id > ?{within}')}"
    )


@lru_cache(maxsize=64)
def _many(backend: str, within: str) -> str:
    each = "json_each(?) j" if backend == "sqlite" else "unnest(?::text[]) AS j (value)"
    shown = f"COUNT(*) || ':' || COALESCE({_joined(backend)}, '')"
    return f"SELECT j.value, (SELECT {shown} FROM {_some('j.value', within)}) FROM {each}"
