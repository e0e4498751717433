"""Beginning rotations: of one credential, of an agent's, on a signal. Everything in the caller's transaction."""

from __future__ import annotations

from typing import Any

from scim_bridge.credentials.clients import Client, client, clients_of
from scim_bridge.credentials.policies import Policies, policies
from scim_bridge.credentials.rotation import begin
from scim_bridge.kernel.errors import BridgeError, Conflict, NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import connection


async def begin_for(
    work: Work, known: Policies, of: Client, slug: str, old: Any, cause: str, reason: str
) -> str:
    """Begin a rotation of a client by the policy that holds for it; the rotation's id."""
    there = await connection(work.tx, of.connection_id)
    policy = known.of(there.name, slug, of.remote.remote_id)
    return await begin(work, of, slug, policy, old, cause, reason)


async def rotate_credential(work: Work, credential_id: str, cause: str, reason: str) -> str:
    """Replace one credential; the rotation's id. Refused for what no IdP of ours keeps."""
    row: Any = await work.tx.one(
        "SELECT c.*, a.slug FROM sb_credential c LEFT JOIN sb_agent a ON a.id = c.agent_id WHERE c.id = ?",
        credential_id,
    )
    if row is None:
        raise NotFound(
            "credential-unknown", f"There is no credential {credential_id!r}.", "See `credentials list`."
        )
    if row["connection_id"] is None:
        raise Refused(
            "credential-external",
            f"{row['system']} keeps this credential, and the bridge cannot make one there.",
            "Rotate it there, then register the new one and revoke this.",
        )
    of = await client(work.tx, row["connection_id"], row["client_id"])
    return await begin_for(work, await policies(work.tx), of, row["slug"] or "", row, cause, reason)


async def rotate_client(work: Work, connection_name: str, remote_id: str, cause: str, reason: str) -> str:
    """Replace a client's oldest credential that is alive, or give it a first one; the rotation's id."""
    there = await connection(work.tx, connection_name)
    of = await client(work.tx, there.id, remote_id)
    agent: Any = await work.tx.one("SELECT slug FROM sb_agent WHERE id = ?", of.remote.agent_id)
    slug = agent["slug"] if agent is not None else ""
    return await begin_for(work, await policies(work.tx), of, slug, await _oldest(work, of), cause, reason)


async def _oldest(work: Work, of: Client) -> Any:
    return await work.tx.one(
        "SELECT * FROM sb_credential WHERE connection_id = ? AND client_id = ? AND state = 'active'"
        " AND kind <> 'federated' ORDER BY created, id LIMIT 1",
        of.connection_id,
        of.remote.remote_id,
    )


async def rotate_agent(
    work: Work, agent_id: str, slug: str, cause: str, reason: str, *, signal: bool = False
) -> tuple[list[str], list[str]]:
    """Begin a rotation at each client of an agent: their ids, and why others could not begin.

    With `signal` only where the policy names the cause: a leak, an anomaly, a change of owners.
    """
    known = await policies(work.tx)
    begun: list[str] = []
    refused: list[str] = []
    for of in await clients_of(work.tx, agent_id):
        there = await connection(work.tx, of.connection_id)
        policy = known.of(there.name, slug, of.remote.remote_id)
        if signal and cause not in policy.signals:
            continue
        open_one = await work.tx.one(
            "SELECT 1 AS x FROM sb_rotation WHERE connection_id = ? AND remote_id = ? AND finished IS NULL",
            of.connection_id,
            of.remote.remote_id,
        )
        try:
            if open_one is not None:
                raise Conflict("rotation-open", f"Another rotation of {of.remote.name} is under way.")
            begun.append(await begin(work, of, slug, policy, await _oldest(work, of), cause, reason))
        except BridgeError as error:
            refused.append(error.text())
    return begun, refused


async def on_signal(work: Work, agent_id: str, cause: str, reason: str) -> list[str]:
    """The hook for other rooms: an agent's credentials may be known to others; ids of what was begun."""
    row: Any = await work.tx.one("SELECT slug FROM sb_agent WHERE id = ?", agent_id)
    if row is None:
        return []
    begun, _ = await rotate_agent(work, agent_id, row["slug"], cause, reason, signal=True)
    return begun
