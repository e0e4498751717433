"""Reading the facts of an agent as they are now."""

from __future__ import annotations

import orjson

from scim_bridge.attestations.model import Facts, Granted, Key, attested_facts
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agents import AgentFacts, facts_of
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.model import GROUP_EXTENSION_URN

REVOKED = "revoked"


async def facts_now(reader: Reader, agent_id: str) -> tuple[AgentFacts, Facts] | None:
    """A live agent and what its owner would attest at this instant, or None."""
    agent = (await facts_of(reader, [agent_id])).get(agent_id)
    if agent is None:
        return None
    keys = [
        Key(
            r["id"],
            r["label"],
            r["kind"],
            r["system"],
            r["reference"],
            r["state"],
            r["created"],
            r["expires"],
        )
        for r in await credentials_of(reader, agent_id)
        if r["state"] != REVOKED
    ]
    return agent, attested_facts(agent, await _granted(reader, agent_id), keys)


async def _granted(reader: Reader, agent_id: str) -> list[Granted]:
    groups = (await groups_of(reader, [agent_id]))[agent_id]
    if not groups:
        return []
    rows = await reader.all(
        f"SELECT id, doc FROM sb_resource WHERE id IN ({marks(len(groups))})", *(group for group, _ in groups)
    )
    said = {row["id"]: orjson.loads(row["doc"]).get(GROUP_EXTENSION_URN) or {} for row in rows}
    return [Granted(group, name, str(said[group].get("description") or "")) for group, name in groups]
