"""Signing keys of ours (audit, receipt, attestation, …): the next one signs, all public halves stay."""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.crypto import retire_key, signing_key
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Work


async def signing_keys(reader: Reader) -> list[Any]:
    """Every signing key's row without its halves; `held` says whether the private half is still here."""
    return list(
        await reader.all(
            "SELECT kid, purpose, created, retired, CASE WHEN LENGTH(private) > 0 THEN 1 ELSE 0 END AS held"
            " FROM sb_key ORDER BY purpose, created DESC, kid DESC"
        )
    )


async def rotate_signing_key(work: Work, master: MasterKey, purpose: str) -> tuple[str | None, str]:
    """Sign with a new key from now on; (old id or None, new id). What the old one signed verifies as before."""
    before = await retire_key(work, purpose)
    now = (await signing_key(work, master, purpose)).kid
    await record(work, "key.rotated", "key", now, {"name": purpose, "before": before})
    return before, now


async def forget_signing_keys(work: Work, purpose: str) -> list[str]:
    """Destroy the private halves of a purpose's retired keys: nobody signs with them again. Their ids.

    NotFound when there are none left to destroy.
    """
    rows = await work.tx.all(
        "SELECT kid FROM sb_key WHERE purpose = ? AND retired IS NOT NULL AND LENGTH(private) > 0 ORDER BY kid",
        purpose,
    )
    kids = [str(row["kid"]) for row in rows]
    if not kids:
        raise NotFound(
            "key-unknown", f"No earlier {purpose} key is held.", f"Rotate first: `keys rotate {purpose}`."
        )
    for kid in kids:
        await work.tx.run("UPDATE sb_key SET private = ? WHERE kid = ? AND retired IS NOT NULL", b"", kid)
    await record(work, "key.retired", "key", kids[-1], {"name": purpose, "keys": kids})
    return kids
