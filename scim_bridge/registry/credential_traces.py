"""Traces of secrets the bridge made for agents: enough to know one again when it is found in public, not to tell it.

A keyed digest, by a key of its own that rests sealed: it must outlive every other rotation, for nobody
shows us the value of an agent's secret again.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Work
from scim_bridge.registry.own_secrets import place

KEY = "leak-trace"
# Shorter texts are no secrets, and every key would be tried on them.
SHORTEST = 16


async def _digest(work: Work, master: MasterKey, text: str) -> str:
    return hmac.new(await _key(work, master), text.encode(), hashlib.sha256).hexdigest()


async def _key(work: Work, master: MasterKey) -> bytes:
    """The key of traces, made on first use; of two that make one at once, the first one's counts."""
    sql = "SELECT sealed FROM sb_own_secret WHERE id = ?"
    row = await work.tx.one(sql, KEY)
    if row is None:
        await work.tx.run(
            "INSERT INTO sb_own_secret (id, name, sealed, created, replaces_until) VALUES (?, ?, ?, ?, 0)"
            " ON CONFLICT (id) DO NOTHING",
            KEY,
            KEY,
            master.seal(place(KEY), os.urandom(32)),
            work.now,
        )
        row = await work.tx.one(sql, KEY)
    assert row is not None
    return master.unseal(place(KEY), bytes(row["sealed"]))


async def leave_trace(work: Work, master: MasterKey, credential_id: str, value: str) -> None:
    """Remember what a credential's secret looks like to us; a second time changes nothing."""
    if len(value) < SHORTEST:
        return
    await work.tx.run(
        "INSERT INTO sb_credential_trace (digest, credential_id, created) VALUES (?, ?, ?)"
        " ON CONFLICT (digest) DO NOTHING",
        await _digest(work, master, value),
        credential_id,
        work.now,
    )


async def traced(work: Work, master: MasterKey, text: str) -> str | None:
    """The credential this text is the secret of; None when it is none we made."""
    if len(text) < SHORTEST or await work.tx.one("SELECT 1 AS x FROM sb_credential_trace LIMIT 1") is None:
        return None
    row = await work.tx.one(
        "SELECT credential_id FROM sb_credential_trace WHERE digest = ?", await _digest(work, master, text)
    )
    return None if row is None else str(row["credential_id"])
