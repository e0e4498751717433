"""Names of a file that something else in the registry has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from scim_bridge.inventory.creating import name_deleted
from scim_bridge.inventory.current_agents import live_agents
from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.manifest import default_user_name
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.agent_creation import slug_taken
from scim_bridge.registry.model import AGENT, PERSON, USER_SPACE
from scim_bridge.registry.resources import taken

Rows = Sequence[dict[str, Any]]


async def taken_people(reader: Reader, rows: Rows, findings: Findings) -> set[str]:
    """The (folded) userNames among these rows that are live people; said of those that are agents."""
    holders = await _holders(reader, [row["key"] for row in rows])
    for row in rows:
        holder = holders.get(row["key"])
        if holder is not None and holder.live and holder.kind != PERSON:
            _say(findings, row, "person.userName", taken(row["name"], USER_SPACE))
    return {key for key, holder in holders.items() if holder.live and holder.kind == PERSON}


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
        if holder is not None and holder.live and holder.id != live.get(row["slug"]):
            _say(findings, row, "agent.userName", taken(names[row["n"]], USER_SPACE))
        elif holder is not None and not holder.live and holder.kind == AGENT:
            _say(findings, row, "agent.userName", name_deleted(names[row["n"]]))
        elif row["slug"] in used:
            _say(findings, row, "agent.slug", slug_taken(row["slug"]))
    return set(live)


class _Holder(NamedTuple):
    """What has a userName; what was deleted keeps its own."""

    id: str
    kind: str
    live: bool


async def _holders(reader: Reader, keys: list[str]) -> dict[str, _Holder]:
    rows = await reader.all(
        f"SELECT key, id, kind, deleted FROM sb_resource WHERE space = ? AND key {among(reader.backend)}",
        USER_SPACE,
        listed(reader.backend, keys),
    )
    return {row["key"]: _Holder(row["id"], row["kind"], row["deleted"] is None) for row in rows}


def _say(findings: Findings, row: dict[str, Any], where: str, conflict: Conflict) -> None:
    findings.say(row["line"], row["at"], where, conflict.message, conflict.fix)


async def _used_slugs(reader: Reader, slugs: list[str]) -> set[str]:
    rows = await reader.all(
        f"SELECT slug FROM sb_agent WHERE slug {among(reader.backend)}", listed(reader.backend, slugs)
    )
    return {row["slug"] for row in rows}
