"""Access tokens: short-lived bearer tokens of OAuth clients, kept with the others and refused like them.

They are rows and not signed statements, so that each request asks the same one read whether its token
is live, and revoking one needs no list of exceptions (docs/adr/0006-opaque-access-tokens.md).
"""

from __future__ import annotations

from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.registry.tokens import add_token

# Long enough to say of a token that was just refused whose it was.
KEEP_EXPIRED = DAY


async def issue_access_token(
    work: Work,
    master: MasterKey,
    *,
    connection_id: str,
    client_id: str,
    proof_id: str,
    label: str,
    scopes: tuple[str, ...],
    minutes: int,
) -> tuple[str, str]:
    """A token for a client that proved itself: (its id, the token). The caller writes the audit row.

    `proof_id` is the secret or trust it was given for: it ends with that.
    """
    return await add_token(
        work,
        master,
        connection_id=connection_id,
        scopes=scopes,
        label=label,
        expires=work.now + minutes * MINUTE,
        client_id=client_id,
        proof_id=proof_id,
    )


async def revoke_access_tokens(work: Work, client_id: str, proof_id: str | None = None) -> int:
    """Revoke every live access token of a client, or those given for one proof; how many there were."""
    live = "client_id = ? AND revoked IS NULL AND expires > ?"
    values: list[object] = [client_id, work.now]
    if proof_id is not None:
        live += " AND proof_id = ?"
        values.append(proof_id)
    rows = await work.tx.all(f"SELECT id FROM sb_token WHERE {live}", *values)
    await work.tx.run(f"UPDATE sb_token SET revoked = ? WHERE {live}", work.now, *values)
    for row in rows:
        work.touched("token", row["id"])
    return len(rows)


async def forget_expired(store: Store) -> int:
    """Delete access tokens that expired a day ago or longer; how many. The audit keeps that they were given."""
    before = store.clock.now() - KEEP_EXPIRED
    gone = "client_id IS NOT NULL AND expires < ?"
    if await store.reads.one(f"SELECT 1 AS x FROM sb_token WHERE {gone} LIMIT 1", before) is None:
        return 0

    async def body(work: Work) -> int:
        work.bookkeeping("expired access tokens are forgotten")
        return await work.tx.run(f"DELETE FROM sb_token WHERE {gone}", before)

    return await store.transact(SYSTEM, body)
