"""Credentials of agents: where each one is and how old; never its value."""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.rows import Insert
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.model import AGENT

KINDS = ("client_secret", "jwk", "api_key", "certificate", "federated")
# What may still prove somebody: also what is off where it is kept, for somebody may switch it on.
LIVE = "('active', 'inactive')"


async def register_credential(
    work: Work, agent_id: str, *, label: str, kind: str, system: str, reference: str, expires: int | None
) -> bool:
    """Add a credential to an agent's inventory (by system and reference); False when it is known."""
    known = await work.tx.one(
        "SELECT 1 AS x FROM sb_credential WHERE agent_id = ? AND system = ? AND reference = ?",
        agent_id,
        system,
        reference,
    )
    if known is not None:
        return False
    credential_id = work.ids.new()
    values = (credential_id, agent_id, label, kind, system, reference, "active", work.now, expires)
    work.tx.later(CREDENTIALS.single, *values)
    detail = credential_detail(agent_id, label, system, reference)
    await record(work, "credential.registered", "credential", credential_id, detail)
    return True


CREDENTIALS = Insert(
    "sb_credential",
    "id text, agent_id text, label text, kind text, system text, reference text, state text, created bigint,"
    " expires bigint",
)


def credential_detail(agent_id: str, label: str, system: str, reference: str) -> dict[str, str]:
    """What the audit says of a new credential."""
    return {"agent": agent_id, "label": label, "system": system, "reference": reference}


async def credentials_of(reader: Reader, agent_id: str) -> list[Any]:
    """The rows of an agent's credentials, oldest first."""
    return list(
        await reader.all("SELECT * FROM sb_credential WHERE agent_id = ? ORDER BY created, id", agent_id)
    )


async def revoke_all(
    work: Work, agent_id: str, slug: str, reason: str, *, case_id: str | None = None
) -> list[str]:
    """Mark every live credential of an agent for revocation; the effects that will revoke them."""
    rows = await work.tx.all(
        f"SELECT * FROM sb_credential WHERE agent_id = ? AND state IN {LIVE} ORDER BY id", agent_id
    )
    effects = []
    for row in rows:
        await work.tx.run("UPDATE sb_credential SET state = 'revoking' WHERE id = ?", row["id"])
        fields: Any = row
        effects.append(
            await outward.revoke_credential(work, fields, slug, reason, case_id=case_id, every=True)
        )
    if rows:
        detail = {"reason": reason, "credentials": [row["id"] for row in rows]}
        await record(work, "agent.credentials_revoking", AGENT, agent_id, detail)
    return effects


async def revoke_one(work: Work, credential_id: str, reason: str) -> str:
    """Mark one credential for revocation; the effect that will revoke it. NotFound, or Refused when it is off.

    One whose revocation is under way or was confirmed may be revoked again: it was seen alive.
    """
    row: Any = await work.tx.one(
        "SELECT c.*, a.slug FROM sb_credential c LEFT JOIN sb_agent a ON a.id = c.agent_id WHERE c.id = ?",
        credential_id,
    )
    if row is None:
        raise NotFound(
            "credential-unknown",
            f"There is no credential {credential_id!r}.",
            "See `scim-bridge credentials list`.",
        )
    await work.tx.run("UPDATE sb_credential SET state = 'revoking' WHERE id = ?", credential_id)
    effect = await outward.revoke_credential(work, row, row["slug"] or "", reason)
    detail = {"reason": reason, "system": row["system"], "reference": row["reference"]}
    await record(work, "credential.revoking", "credential", credential_id, detail)
    return effect


async def adopt(work: Work, credential_id: str) -> None:
    """Note that a person looked at a stranger and finds it right; NotFound when it is none."""
    changed = await work.tx.run(
        "UPDATE sb_credential SET stranger = NULL WHERE id = ? AND stranger IS NOT NULL", credential_id
    )
    if not changed:
        raise NotFound(
            "credential-known", f"{credential_id!r} is no stranger.", "See `credentials list --strangers`."
        )
    await record(work, "credential.adopted", "credential", credential_id)


async def confirm_revoked(work: Work, credential_id: str) -> None:
    """Note that the system which holds a credential confirmed its revocation."""
    await work.tx.run(
        "UPDATE sb_credential SET state = 'revoked', revoked = ? WHERE id = ?", work.now, credential_id
    )
    await record(work, "credential.revoked", "credential", credential_id)
