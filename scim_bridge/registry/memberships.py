"""Which groups somebody is in: directly, and through groups that are members of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.sql import gathered


class Membership(NamedTuple):
    """A group somebody is in. `nested`: that group is itself a member of others."""

    id: str
    name: str
    key: str
    nested: bool = False
    direct: bool = True


# Members lead to groups and never the other way round: a planner without statistics would read every group.
_JOINED = (
    "sb_member m CROSS JOIN sb_resource g WHERE m.member_id {of} AND g.id = m.group_id AND g.deleted IS NULL"
)
_COLUMNS = "g.id, g.name, g.key, EXISTS (SELECT 1 FROM sb_member p WHERE p.member_id = g.id)"


def gathered_groups(backend: str, member: str) -> str:
    """A subquery with the groups of `member` (an SQL expression), to be read with `groups_in`."""
    return gathered(backend, _COLUMNS, _JOINED.format(of=f"= {member}"))


def groups_in(text: str | None) -> list[Membership]:
    """The direct groups a subquery of `gathered_groups` has found, by name."""
    if text is None or text == "[]":
        return []
    return sorted((Membership(*row) for row in orjson.loads(text)), key=_by_name)


def _by_name(group: Membership) -> tuple[bool, str]:
    return not group.direct, group.key


async def direct_groups(reader: Reader, member_ids: Sequence[str]) -> dict[str, list[Membership]]:
    """The groups each of these is in directly, by name; who is in none is left out."""
    if not member_ids:
        return {}
    rows = await reader.all(
        f"SELECT m.member_id, {_COLUMNS} AS nested FROM {_JOINED.format(of=among(reader.backend))}",
        listed(reader.backend, member_ids),
    )
    found: dict[str, list[Membership]] = {}
    for member, group, name, key, nested in rows:
        found.setdefault(member, []).append(Membership(group, name, key, bool(nested)))
    for groups in found.values():
        if len(groups) > 1:
            groups.sort(key=_by_name)
    return found


async def all_groups(
    reader: Reader, direct: Mapping[str, list[Membership]]
) -> Mapping[str, list[Membership]]:
    """The same with the groups those are in behind them, each once; nothing is read when none is nested."""
    parents = await _parents(reader, {g.id for groups in direct.values() for g in groups if g.nested})
    if not parents:
        return direct
    return {member: _with_indirect(groups, parents) for member, groups in direct.items()}


async def _parents(reader: Reader, nested: set[str]) -> dict[str, list[Membership]]:
    """The groups that contain these, and those that contain them in turn, one step at a time."""
    known: dict[str, list[Membership]] = {}
    while nested:
        found = await direct_groups(reader, sorted(nested))
        known |= {group: found.get(group, []) for group in nested}
        nested = {g.id for groups in found.values() for g in groups if g.nested} - known.keys()
    return known


def _with_indirect(
    direct: Sequence[Membership], parents: Mapping[str, Sequence[Membership]]
) -> list[Membership]:
    found = {group.id: group for group in direct}
    waiting = list(direct)
    while waiting:
        for above in parents.get(waiting.pop().id, ()):
            if above.id not in found:
                found[above.id] = above._replace(direct=False)
                waiting.append(above)
    return sorted(found.values(), key=_by_name)
