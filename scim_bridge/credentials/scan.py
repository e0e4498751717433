"""Discovery: what proves agents at an IdP, read client by client; never a value. `seen.py` keeps what was read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.credentials.clients import LINK, MARK, keep, linked
from scim_bridge.credentials.seen import Scanned, Seen
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import SYSTEM, Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.keeper import KeeperOf, RemoteClient, RemoteCredential


async def scan(ctx: Context, keeper_of: KeeperOf, connection_name: str, actor: Actor = SYSTEM) -> Scanned:
    """Read one connection's clients and their credentials; Unanswered or Refused when that cannot be done."""
    there, keeper = await keeper_of(connection_name)
    store = ctx.store
    await store.transact(actor, lambda work: _begin(work, there.id))
    total = Scanned(there.name)
    began = store.clock.now()
    try:
        known = await linked(store.reads, there.id)
        async for remote in keeper.clients(known):
            found = await keeper.credentials(remote)
            seen = partial(_client, there=there, known=known, remote=remote, found=found, total=total)
            total = await store.transact(actor, seen)
    except BridgeError as error:
        reason = error.text()
        await store.transact(actor, lambda work: _failed(work, there.id, reason))
        raise
    return await store.transact(actor, lambda work: _end(work, there, began, total))


async def _begin(work: Work, connection_id: str) -> None:
    work.bookkeeping("a scan of credentials began")
    await work.tx.run(
        "INSERT INTO sb_credential_scan (connection_id, started, clients, credentials, strangers, reason)"
        " VALUES (?, ?, 0, 0, 0, '') ON CONFLICT (connection_id) DO UPDATE SET started = excluded.started,"
        " finished = NULL",
        connection_id,
        work.now,
    )


async def _failed(work: Work, connection_id: str, reason: str) -> None:
    work.bookkeeping("a scan of credentials failed")
    await work.tx.run(
        "UPDATE sb_credential_scan SET finished = ?, reason = ? WHERE connection_id = ?",
        work.now,
        reason[:500],
        connection_id,
    )


async def _client(
    work: Work,
    there: Connection,
    known: dict[str, str],
    remote: RemoteClient,
    found: Sequence[RemoteCredential],
    total: Scanned,
) -> Scanned:
    """Keep one client and its credentials; the tally with them."""
    work.bookkeeping("a scan of credentials keeps what it saw")
    agent_id = known.get(remote.remote_id) or await _agent(work, remote.agent_id)
    told_by = LINK if remote.remote_id in known else MARK
    row: Any = await work.tx.one(
        "SELECT first_seen FROM sb_credential_client WHERE connection_id = ? AND remote_id = ?",
        there.id,
        remote.remote_id,
    )
    first = row is None
    await keep(work, there.id, remote, agent_id, told_by)
    kept = {
        one["reference"]: one
        for one in await work.tx.all(
            "SELECT * FROM sb_credential WHERE connection_id = ? AND client_id = ?",
            there.id,
            remote.remote_id,
        )
    }
    one_client = Seen(work, there, remote, agent_id, first, total)
    for credential in found:
        await one_client.keep(credential, kept.get(credential.reference))
    references = {credential.reference for credential in found}
    for reference, one in kept.items():
        if reference not in references and one["state"] not in ("revoked", "gone", "revoking"):
            await one_client.gone(one)
    return one_client.total(len(found))


async def _agent(work: Work, agent_id: str) -> str:
    """The agent a mark names, when there is (or was) one here; empty otherwise."""
    if not agent_id:
        return ""
    row = await work.tx.one("SELECT 1 AS x FROM sb_agent WHERE id = ?", agent_id)
    return agent_id if row is not None else ""


async def _end(work: Work, there: Connection, began: int, total: Scanned) -> Scanned:
    """Close the scan: what belongs to clients that are gone is gone as well."""
    rows = await work.tx.all(
        "SELECT id, reference FROM sb_credential WHERE connection_id = ? AND state IN ('active', 'inactive', 'void')"
        " AND client_id IN (SELECT remote_id FROM sb_credential_client WHERE connection_id = ? AND seen < ?)",
        there.id,
        there.id,
        began,
    )
    for row in rows:
        await work.tx.run(
            "UPDATE sb_credential SET state = 'gone', revoked = ? WHERE id = ?", work.now, row["id"]
        )
    await work.tx.run(
        "DELETE FROM sb_credential_client WHERE connection_id = ? AND seen < ?", there.id, began
    )
    await work.tx.run(
        "UPDATE sb_credential_scan SET finished = ?, clients = ?, credentials = ?, strangers = ?, reason = ''"
        " WHERE connection_id = ?",
        work.now,
        total.clients,
        total.credentials,
        total.strangers,
        there.id,
    )
    detail = {"clients": total.clients, "credentials": total.credentials, "gone": total.gone + len(rows)}
    await record(work, "credential.scanned", "connection", there.id, detail, connection_id=there.id)
    return total
