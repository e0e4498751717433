"""Reading the facts of agents as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from scim_bridge.attestations.model import Facts, Granted, Key, attested_facts
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.model import GROUP_EXTENSION_URN

REVOKED = "revoked"


async def facts_now(reader: Reader, agent_id: str) -> tuple[AgentFacts, Facts] | None:
    """A live agent and what its owner would attest at this instant, or None."""
    return (await facts_together(reader, [agent_id])).get(agent_id)


async def facts_together(reader: Reader, agent_ids: Sequence[str]) -> dict[str, tuple[AgentFacts, Facts]]:
    """The same of several agents, by id, in a fixed number of reads; without those that are not live."""
    agents = await facts_of(reader, agent_ids)
    if not agents:
        return {}
    keys = await _keys(reader, agents)
    granted = await _granted(reader, list(agents))
    return {
        agent_id: (agent, attested_facts(agent, granted[agent_id], keys[agent_id]))
        for agent_id, agent in agents.items()
    }


async def _keys(reader: Reader, agents: Iterable[str]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {agent_id: [] for agent_id in agents}
    rows = await reader.all(
        "SELECT agent_id, id, label, kind, system, reference, state, created, expires FROM sb_credential"
        f" WHERE agent_id IN ({marks(len(found))}) AND state <> ? ORDER BY created, id",
        *found,
        REVOKED,
    )
    for row in rows:
        found[row["agent_id"]].append(_key(row))
    return found


def _key(row: Any) -> Key:
    return Key(
        row["id"],
        row["label"],
        row["kind"],
        row["system"],
        row["reference"],
        row["state"],
        row["created"],
        row["expires"],
    )


async def _granted(reader: Reader, agent_ids: Sequence[str]) -> dict[str, list[Granted]]:
    groups = await groups_of(reader, agent_ids)
    wanted = sorted({group for named in groups.values() for group, _ in named})
    said: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        rows = await reader.all(f"SELECT id, doc FROM sb_resource WHERE id IN ({marks(len(part))})", *part)
        said |= {row["id"]: orjson.loads(row["doc"]).get(GROUP_EXTENSION_URN) or {} for row in rows}
    return {
        agent_id: [Granted(group, name, str(said[group].get("description") or "")) for group, name in named]
        for agent_id, named in groups.items()
    }
