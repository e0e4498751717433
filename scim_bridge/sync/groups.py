"""Which groups of the registry a connection is told of, by its setting `push_groups`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import fold
from scim_bridge.sync.idp.port import GROUPS
from scim_bridge.sync.pushed import BEGUN

SETTING = "push_groups"
EVERY = "*"


def chosen_groups(settings: Mapping[str, Any]) -> Callable[[str], bool]:
    """A test for group names: `*` chooses every group, else the names between semicolons, in any case."""
    given = str(settings.get(SETTING) or "").strip()
    if given == EVERY:
        return lambda name: True
    names = {fold(name.strip()) for name in given.split(";") if name.strip()}
    return lambda name: fold(name) in names


def app_roles_of(mapping: str) -> tuple[tuple[str, str, str], ...]:
    """The setting `app_roles` as (group, appId, role): "Payments=APPID/ROLE; *=APPID/ROLE"."""
    found = []
    for entry in mapping.split(";"):
        group, _, target = entry.strip().partition("=")
        app_id, _, role = target.strip().partition("/")
        if group and app_id and role:
            found.append((group.strip(), app_id.strip().lower(), role.strip()))
    return tuple(found)


async def groups_to_push(
    reader: Reader, connection: Connection, agents: Sequence[str]
) -> dict[str, list[str]]:
    """The names of the chosen groups each agent is in directly, and of those that app roles go by.

    Not those this connection itself put it into: it knows, and what is taken away there must not come back.
    """
    roles = {fold(group) for group, _, _ in app_roles_of(str(connection.settings.get("app_roles") or ""))}
    if not (SETTING in connection.settings or roles) or not agents:
        return {}
    rows = await reader.all(
        "SELECT m.member_id, g.name FROM sb_member m JOIN sb_resource g ON g.id = m.group_id"
        f" WHERE m.member_id IN ({marks(len(agents))}) AND m.added_by <> ? AND g.deleted IS NULL"
        " ORDER BY m.member_id, g.name",
        *agents,
        connection.name,
    )
    chosen = chosen_groups(connection.settings)
    found: dict[str, list[str]] = {}
    for row in rows:
        if chosen(row["name"]) or fold(row["name"]) in roles:
            found.setdefault(row["member_id"], []).append(row["name"])
    return found


async def managed_groups(reader: Reader, connection: Connection) -> list[str]:
    """The names of every group this connection is told of, and of those it was told of before, sorted."""
    if SETTING not in connection.settings:
        return []
    chosen = chosen_groups(connection.settings)
    rows = await reader.all("SELECT name FROM sb_resource WHERE space = 'group' AND deleted IS NULL")
    names = {row["name"] for row in rows if chosen(row["name"])}
    rows = await reader.all(
        "SELECT attributes FROM sb_pushed WHERE connection_id = ? AND attributes LIKE ?",
        connection.id,
        f'%"{GROUPS}":["%',
    )
    for row in rows:
        kept = orjson.loads(row["attributes"])
        names.update(kept.get(GROUPS) or (), kept.get(BEGUN, {}).get(GROUPS) or ())
    return sorted(names)
