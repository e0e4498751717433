"""What an agent is found by: its id, slug, userName or workload id; and whose a name is that fits two.

Whoever is created, renamed or described later never takes over, or makes unclear, what finds another agent.
"""

from __future__ import annotations

from collections.abc import Mapping

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import AGENT, USER_SPACE, Resource, fold

# Each way to name an agent has its own index; one condition with OR would read every agent. Of a slug and a
# userName that are the same it is the agent's that was first: ids grow with time. Two with one workload id,
# from before that was refused, are both found.
_NAMED = f"""
ways AS (
  SELECT id, 0 AS way FROM sb_resource WHERE id = ? AND kind = '{AGENT}' AND deleted IS NULL
  UNION ALL SELECT a.id, 2 FROM sb_agent a JOIN sb_resource r ON r.id = a.id
    WHERE a.slug = ? AND r.deleted IS NULL
  UNION ALL SELECT id, 2 FROM sb_resource
    WHERE space = '{USER_SPACE}' AND key = ? AND kind = '{AGENT}' AND deleted IS NULL
  UNION ALL SELECT a.id, {{workload}} FROM sb_agent a JOIN sb_resource r ON r.id = a.id
    WHERE a.workload_id = ? AND r.deleted IS NULL
), named AS (
  SELECT DISTINCT w.id FROM ways w WHERE w.way = (SELECT MIN(way) FROM ways)
    AND (w.way <> 2 OR w.id = (SELECT MIN(id) FROM ways WHERE way = 2))
)"""
_AS_URI, _AS_WORD = (_NAMED.format(workload=way) for way in (1, 3))
# Of PostgreSQL's advisory locks, those for workload ids.
_FAMILY = 7643


def named(name: str) -> tuple[str, tuple[str, ...]]:
    """Common table expressions, the last `named (id)`: the live agents a name means; and their values.

    An exact id goes before anything else. A URI is a workload id first (SPIFFE, WIMSE); any other word is a
    slug or userName first.
    """
    return (_AS_URI if "://" in name else _AS_WORD), (name, name, fold(name), name)


async def agent_id_named(reader: Reader, name: str) -> str | None:
    """The id of the live agent that a name means; None when it means nobody, or is not clear."""
    expressions, values = named(name)
    rows = await reader.all(f"WITH {expressions} SELECT id FROM named", *values)
    return rows[0]["id"] if len(rows) == 1 else None


async def workload_ids_in_use(reader: Reader, wanted: Mapping[str, str]) -> set[str]:
    """Which of these workload ids find another live agent than the one they are wanted for (its id, or empty).

    As its workload id or as its userName.
    """
    backend = reader.backend
    if not wanted:
        return set()
    folded = {fold(workload_id): workload_id for workload_id in wanted}
    rows = await reader.all(
        "SELECT a.id, a.workload_id AS value, 0 AS named FROM sb_agent a JOIN sb_resource r ON r.id = a.id"
        f" WHERE a.workload_id {among(backend)} AND r.deleted IS NULL"
        f" UNION ALL SELECT id, key, 1 FROM sb_resource WHERE space = '{USER_SPACE}' AND key {among(backend)}"
        f" AND kind = '{AGENT}' AND deleted IS NULL",
        listed(backend, wanted),
        listed(backend, folded),
    )
    found = ((row["id"], folded[row["value"]] if row["named"] else row["value"]) for row in rows)
    return {workload_id for agent, workload_id in found if wanted[workload_id] != agent}


async def check_workload_id(work: Work, agent_id: str, workload_id: str | None) -> None:
    """Refuse an agent the workload id that finds another one."""
    if workload_id is not None and await workload_ids_taken(work, {workload_id: agent_id}):
        raise workload_id_taken(workload_id)


async def workload_ids_taken(work: Work, wanted: Mapping[str, str]) -> set[str]:
    """The same as `workload_ids_in_use`, and it holds: who asks for one of them at the same time waits."""
    if wanted and work.tx.for_update:
        # In one order, so that two never wait for each other.
        await work.tx.all(
            "SELECT pg_advisory_xact_lock(?::int, w.lock) FROM"
            " (SELECT DISTINCT hashtext(t) AS lock FROM unnest(?::text[]) t ORDER BY 1) w",
            _FAMILY,
            list(wanted),
        )
    return await workload_ids_in_use(work.tx, wanted)


def workload_id_taken(workload_id: str) -> Conflict:
    """The refusal for a workload id already in use."""
    return Conflict(
        "workload-id-taken",
        f"workloadId {workload_id!r} already names another agent.",
        "Each agent has a workload identity of its own; take it from the other one first.",
    )


async def check_name(work: Work, agent: Resource, name: str) -> None:
    """Refuse to rename an agent to what finds another one by slug or workload id: it might be the older one."""
    row = await work.tx.one(
        "SELECT 1 AS x FROM sb_agent a JOIN sb_resource r ON r.id = a.id"
        " WHERE a.slug = ? AND a.id <> ? AND r.deleted IS NULL"
        " UNION ALL SELECT 1 FROM sb_agent a JOIN sb_resource r ON r.id = a.id"
        " WHERE a.workload_id = ? AND a.id <> ? AND r.deleted IS NULL",
        fold(name),
        agent.id,
        name,
        agent.id,
    )
    if row is not None:
        raise Conflict(
            "name-taken", f"userName {name!r} is another agent's slug or workload id.", "Choose another one."
        )
