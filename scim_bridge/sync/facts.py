"""Agents as one connection should see them, and what was written for them before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import agent_ids, facts_of
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.desired import buried, desired
from scim_bridge.sync.groups import groups_to_push
from scim_bridge.sync.idp.port import Attributes, DesiredAgent
from scim_bridge.sync.pushed import BEGUN, Pushed
from scim_bridge.sync.scoping import scoped

PAGE = 100


async def desired_pages(reader: Reader, connection: Connection) -> AsyncIterator[list[DesiredAgent]]:
    """Every agent this connection should know: the live ones, then deleted ones that were written there."""
    after = ""
    while ids := await agent_ids(reader, after=after, limit=PAGE):
        facts = await facts_of(reader, ids)
        groups = await groups_to_push(reader, connection, ids)
        live = [
            desired(facts[agent], connection.hold_source, groups.get(agent, ()))
            for agent in ids
            if agent in facts
        ]
        yield await scoped(reader, connection, facts, live)
        after = ids[-1]
    after = ""
    while rows := await reader.all(
        "SELECT r.id, r.name, a.slug FROM sb_pushed p JOIN sb_resource r ON r.id = p.agent_id"
        " JOIN sb_agent a ON a.id = r.id"
        " WHERE p.connection_id = ? AND r.deleted IS NOT NULL AND r.id > ? ORDER BY r.id LIMIT ?",
        connection.id,
        after,
        PAGE,
    ):
        yield [buried(row["id"], row["slug"], row["name"]) for row in rows]
        after = rows[-1]["id"]


async def desired_of(
    reader: Reader, connection: Connection, agents: Sequence[str]
) -> dict[str, DesiredAgent]:
    """The given agents as the connection should see them now; deleted ones too, unknown ones left out."""
    facts = await facts_of(reader, agents)
    groups = await groups_to_push(reader, connection, agents)
    live = [desired(one, connection.hold_source, groups.get(agent, ())) for agent, one in facts.items()]
    found = {one.agent_id: one for one in await scoped(reader, connection, facts, live)}
    gone = [agent for agent in agents if agent not in facts]
    if gone:
        rows = await reader.all(
            "SELECT r.id, r.name, a.slug FROM sb_resource r JOIN sb_agent a ON a.id = r.id"
            f" WHERE r.deleted IS NOT NULL AND r.id IN ({marks(len(gone))})",
            *gone,
        )
        found |= {row["id"]: buried(row["id"], row["slug"], row["name"]) for row in rows}
    return found


async def state_of(reader: Reader, agent_id: str) -> tuple[Any, ...]:
    """What becomes another one with every change of an agent here."""
    row = await reader.one("SELECT version, deleted FROM sb_resource WHERE id = ?", agent_id)
    return () if row is None else (row["version"], row["deleted"])


def _pushed(row: Any) -> Pushed:
    attributes = orjson.loads(row["attributes"])
    begun = attributes.pop(BEGUN, {})
    return Pushed(
        row["agent_id"], row["remote_id"], attributes, row["retired"] is not None, row["written"], begun
    )


async def pushed_all(reader: Reader, connection_id: str) -> dict[str, Pushed]:
    """What was last written at a connection, by agent id."""
    rows = await reader.all(
        "SELECT agent_id, remote_id, attributes, retired, written FROM sb_pushed WHERE connection_id = ?",
        connection_id,
    )
    return {row["agent_id"]: _pushed(row) for row in rows}


async def pushed_of(reader: Reader, connection_id: str, agent_id: str, lock: str = "") -> Pushed | None:
    """What was last written for one agent at a connection; `lock` is a transaction's `for_update`."""
    row = await reader.one(
        "SELECT agent_id, remote_id, attributes, retired, written FROM sb_pushed"
        f" WHERE connection_id = ? AND agent_id = ?{lock}",
        connection_id,
        agent_id,
    )
    return None if row is None else _pushed(row)


async def some_remote_id(reader: Reader, connection_id: str) -> str:
    """The id of any agent that is kept in step at a connection; empty when there is none."""
    row = await reader.one(
        "SELECT remote_id FROM sb_pushed WHERE connection_id = ? AND retired IS NULL AND remote_id <> ''"
        " ORDER BY written DESC LIMIT 1",
        connection_id,
    )
    return "" if row is None else str(row["remote_id"])


async def remember(
    work: Work,
    connection_id: str,
    agent_id: str,
    remote_id: str,
    attributes: Attributes,
    *,
    retired: bool = False,
    begun: Attributes | None = None,
) -> None:
    """Note what is written for an agent at a connection, and what is `begun` (the caller answers for the audit row)."""
    kept = {**attributes, BEGUN: dict(begun)} if begun else dict(attributes)
    await work.tx.run(
        "INSERT INTO sb_pushed (connection_id, agent_id, remote_id, attributes, written, retired)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (connection_id, agent_id) DO UPDATE SET"
        " remote_id = excluded.remote_id, attributes = excluded.attributes, written = excluded.written,"
        " retired = excluded.retired",
        connection_id,
        agent_id,
        remote_id,
        orjson.dumps(kept).decode(),
        work.now,
        work.now if retired else None,
    )
