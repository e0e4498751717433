"""The OAuth clients at IdPs whose credentials are agents': as they were seen, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.keeper import RemoteClient

LINK, MARK = "link", "mark"


@dataclass(frozen=True, slots=True)
class Client:
    """A client that was seen at a connection."""

    connection_id: str
    remote: RemoteClient
    told_by: str
    first_seen: int
    seen: int


def client_of(row: Any) -> Client:
    """A row as a value."""
    remote = RemoteClient(
        row["kind"],
        row["remote_id"],
        row["name"],
        row["client_id"],
        row["agent_id"],
        row["shared"],
        bool(row["enabled"]),
        tuple(orjson.loads(row["kinds"])),
    )
    return Client(row["connection_id"], remote, row["told_by"], row["first_seen"], row["seen"])


async def client(reader: Reader, connection_id: str, remote_id: str) -> Client:
    """One client; NotFound when no scan has seen it."""
    row = await reader.one(
        "SELECT * FROM sb_credential_client WHERE connection_id = ? AND (remote_id = ? OR client_id = ?)",
        connection_id,
        remote_id,
        remote_id,
    )
    if row is None:
        raise NotFound(
            "client-unknown",
            f"No scan has seen a client {remote_id!r} there.",
            "Run `scim-bridge credentials scan --connection NAME`.",
        )
    return client_of(row)


async def clients_of(reader: Reader, agent_id: str) -> list[Client]:
    """The clients of an agent, oldest first."""
    rows = await reader.all(
        "SELECT * FROM sb_credential_client WHERE agent_id = ? ORDER BY first_seen, remote_id", agent_id
    )
    return [client_of(row) for row in rows]


async def linked(reader: Reader, connection_id: str) -> dict[str, str]:
    """What people linked at a connection: remote id to agent id."""
    rows = await reader.all(
        "SELECT remote_id, agent_id FROM sb_credential_client WHERE connection_id = ? AND told_by = ?",
        connection_id,
        LINK,
    )
    return {row["remote_id"]: row["agent_id"] for row in rows}


async def link(work: Work, there: Connection, remote: RemoteClient, agent_id: str) -> None:
    """Say that a client is an agent's. Refused when it carries another agent's mark, or several use it."""
    if remote.agent_id not in ("", agent_id) or remote.shared:
        raise Refused(
            "client-taken",
            f"{remote.name} is not this agent's alone.",
            "Change the mark at the IdP first, or give the agent a client of its own.",
        )
    await keep(work, there.id, remote, agent_id, LINK)
    detail = {"agent": agent_id, "client": remote.remote_id, "name": remote.name}
    await record(work, "credential.client_linked", "agent", agent_id, detail, connection_id=there.id)


async def keep(work: Work, connection_id: str, remote: RemoteClient, agent_id: str, told_by: str) -> None:
    """Write a client as it is now."""
    await work.tx.run(
        "INSERT INTO sb_credential_client (connection_id, remote_id, kind, name, client_id, agent_id, shared,"
        " told_by, enabled, kinds, first_seen, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (connection_id, remote_id) DO UPDATE SET kind = excluded.kind, name = excluded.name,"
        " client_id = excluded.client_id, agent_id = excluded.agent_id, shared = excluded.shared,"
        " told_by = excluded.told_by, enabled = excluded.enabled, kinds = excluded.kinds, seen = excluded.seen",
        connection_id,
        remote.remote_id,
        remote.kind,
        remote.name,
        remote.client_id,
        agent_id,
        remote.shared,
        told_by,
        int(remote.enabled),
        orjson.dumps(list(remote.kinds)).decode(),
        work.now,
        work.now,
    )
