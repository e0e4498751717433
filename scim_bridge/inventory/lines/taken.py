"""Names of a file that something else in the registry has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim_bridge.inventory.current import live_agents
from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.manifest import default_user_name
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.agents import slug_taken
from scim_bridge.registry.model import PERSON, USER_SPACE
from scim_bridge.registry.resources import taken

Rows = Sequence[dict[str, Any]]


async def taken_people(reader: Reader, rows: Rows, findings: Findings) -> set[str]:
    """The (folded) userNames among these rows that are live people; said of those that are agents."""
    holders = await _holders(reader, [row["key"] for row in rows])
    for row in rows:
        if row["key"] in holders and holders[row["key"]][1] != PERSON:
            conflict = taken(row["name"], USER_SPACE)
            findings.say(row["line"], row["at"], "person.userName", conflict.message, conflict.fix)
    return {key for key, (_, kind) in holders.items() if kind == PERSON}


async def taken_agents(reader: Reader, rows: Rows, findings: Findings) -> set[str]:
    """The slugs among these rows that are live agents; said of names that something else has or had."""
    live = await live_agents(reader, {row["slug"] for row in rows})
    used = await _used_slugs(reader, [row["slug"] for row in rows if row["slug"] not in live])
    # A registered agent whose file gives no userName keeps the one it has.
    names = {
        row["n"]: row["user_key"] or default_user_name(row["slug"])
        for row in rows
        if row["slug"] and (row["user_key"] or row["slug"] not in live)
    }
    holders = await _holders(reader, list(names.values()))
    for row in rows:
        holder = holders.get(names.get(row["n"], ""))
        if holder is not None and holder[0] != live.get(row["slug"]):
            conflict = taken(names[row["n"]], USER_SPACE)
            findings.say(row["line"], row["at"], "agent.userName", conflict.message, conflict.fix)
        if row["slug"] in used:
            conflict = slug_taken(row["slug"])
            findings.say(row["line"], row["at"], "agent.slug", conflict.message, conflict.fix)
    return set(live)


async def _holders(reader: Reader, keys: list[str]) -> dict[str, tuple[str, str]]:
    """Id and kind of who has each userName."""
    rows = await reader.all(
        f"SELECT key, id, kind FROM sb_resource WHERE space = ? AND key {among(reader.backend)} AND deleted IS NULL",
        USER_SPACE,
        listed(reader.backend, keys),
    )
    return {row["key"]: (row["id"], row["kind"]) for row in rows}


async def _used_slugs(reader: Reader, slugs: list[str]) -> set[str]:
    rows = await reader.all(
        f"SELECT slug FROM sb_agent WHERE slug {among(reader.backend)}", listed(reader.backend, slugs)
    )
    return {row["slug"] for row in rows}
