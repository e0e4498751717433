"""What is done when an agent's credential is known to others: replaced as fast as can be, or revoked."""

from __future__ import annotations

from typing import Any

from scim_bridge.credentials import rotation as rows
from scim_bridge.credentials.begin import rotate_credential
from scim_bridge.credentials.policy import LEAK
from scim_bridge.credentials.rotation import Rotation, go_back, hasten, rotation_of
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import revoke_one

# Until here the new one can be taken back, for the old one works.
TAKEN_BACK = (rows.DELIVERING, rows.CONFIRMING, rows.OVERLAPPING)
TO_ITS_END = (*rows.FORWARD, rows.OVERLAPPING, rows.REVOKING)


async def rotate_leaked(work: Work, credential_id: str, reason: str) -> str:
    """Replace a leaked credential where an IdP of ours keeps it; have it revoked where none does. In words."""
    found: Any = await work.tx.one("SELECT state FROM sb_credential WHERE id = ?", credential_id)
    if found is not None and found["state"] in ("revoked", "gone"):
        return f"nothing: it was {found['state']} before"
    if found is not None and found["state"] == "revoking":
        return "nothing more: its revocation is under way"
    # Asked before: a refused insert would end the transaction of the whole message.
    row = await work.tx.one(
        "SELECT r.* FROM sb_rotation r JOIN sb_credential c ON c.connection_id = r.connection_id"
        " AND c.client_id = r.remote_id WHERE c.id = ? AND r.finished IS NULL",
        credential_id,
    )
    if row is not None:
        return await _meanwhile(work, rotation_of(row), credential_id, reason)
    try:
        rotation = await rotate_credential(work, credential_id, LEAK, reason)
    except BridgeError as error:
        # External, or no store is named: what strangers know has to go all the same.
        return await _revoked(work, credential_id, reason, error.message)
    return f"its rotation was begun ({rotation})"


async def _meanwhile(work: Work, of: Rotation, credential_id: str, reason: str) -> str:
    """It leaked while another of the same client is made: what is under way is made use of, or nothing is."""
    if of.row["old_id"] == credential_id and of.state in TO_ITS_END:
        await hasten(work, of, cause=LEAK)
        return f"the rotation that replaces it was hastened ({of.id})"
    if of.row["fresh_id"] == credential_id and of.row["old_id"] is not None and of.state in TAKEN_BACK:
        await hasten(work, of)
        if await go_back(work, rotation_of(await _row(work, of)), "The new credential leaked."):
            return f"the rotation that made it is taken back ({of.id})"
    return await _revoked(work, credential_id, reason, f"a rotation is {of.state} ({of.id})")


async def _row(work: Work, of: Rotation) -> Any:
    return await work.tx.one("SELECT * FROM sb_rotation WHERE id = ?", of.id)


async def _revoked(work: Work, credential_id: str, reason: str, why: str) -> str:
    effect = await revoke_one(work, credential_id, reason)
    return f"its revocation was begun ({effect}), for it cannot be replaced: {why}"
