"""Traces of secrets the bridge made for agents: enough to know one again when it is found in public, not to tell it.

A keyed digest, by a key of its own that rests sealed: it must outlive every other rotation, for nobody
shows us the value of an agent's secret again.
"""

from __future__ import annotations

import hashlib
import hmac

from scim_bridge.kernel.crypto import signing_key
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Work

PURPOSE = "leak-trace"
# Shorter texts are no secrets, and every key would be tried on them.
SHORTEST = 16


async def _digest(work: Work, master: MasterKey, text: str) -> str:
    made = await signing_key(work, master, PURPOSE)
    secret = str(made.key.as_dict(private=True)["d"]).encode()
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


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
