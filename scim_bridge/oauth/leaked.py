"""Client secrets of ours that were found in public: known by their digest, deleted at once with their tokens."""

from __future__ import annotations

from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.peppered import by_digest
from scim_bridge.kernel.work import Work
from scim_bridge.oauth.clients import PREFIX, PURPOSE, delete_secret
from scim_bridge.registry.tokens import well_formed


async def end_leaked_secret(work: Work, master: MasterKey, text: str) -> tuple[str, str] | None:
    """(the secret's id, what was done) when this text is a client secret of ours; None otherwise."""
    if not well_formed(text, PREFIX):
        return None
    sql = "SELECT id, revoked, expires FROM sb_oauth_secret WHERE digest = ?"
    found = await by_digest(work.tx, master, PURPOSE, text, sql)
    if found is None:
        return None
    secret_id = str(found.row["id"])
    if found.row["revoked"] is not None or found.row["expires"] <= work.now:
        return secret_id, "nothing: the client secret was deleted or had expired before"
    ended = await delete_secret(work, secret_id)
    return secret_id, f"the client secret was deleted, and {ended} access tokens with it"
