"""Agents whose facts were stored, before the doors were strict, in a form that no door takes any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.fact_forms import CHOICES, WORKLOAD_ID, fact_fault

# So many are counted; beyond, only that there are more.
COUNTED = 1_000
# What a column says where an agent has no such fact.
UNSAID = "unknown"
COLUMNS = {"environment": "environment", "riskTier": "risk_tier", WORKLOAD_ID: "workload_id"}


@dataclass(frozen=True, slots=True)
class OddFacts:
    """An agent, and which of its facts have an odd form."""

    slug: str
    facts: tuple[str, ...]


async def odd_facts(reader: Reader) -> list[OddFacts]:
    """The live agents with an odd environment, riskTier or workloadId, by slug: at most COUNTED, and one more.

    One pass over the agents' own rows, however many there are: nothing is sorted or read that is in order.
    """
    columns = (name for name in COLUMNS if name in CHOICES)
    choices = " OR ".join(f"a.{COLUMNS[each]} NOT IN ({marks(len(CHOICES[each]) + 1)})" for each in columns)
    rows = await reader.all(
        "SELECT a.slug, a.environment, a.risk_tier, a.workload_id FROM sb_agent a"
        f" WHERE ({choices} OR {_odd_workload(reader.backend)})"
        " AND EXISTS (SELECT 1 FROM sb_resource r WHERE r.id = a.id AND r.deleted IS NULL) LIMIT ?",
        *(word for name in COLUMNS if name in CHOICES for word in (*CHOICES[name], UNSAID)),
        COUNTED + 1,
    )
    found = (OddFacts(row["slug"], _odd_in(row)) for row in rows)
    return sorted((one for one in found if one.facts), key=lambda one: one.slug)


def _odd_in(row: Any) -> tuple[str, ...]:
    """The facts of a row that would be refused today."""
    said = {name: row[column] for name, column in COLUMNS.items() if row[column] not in (None, UNSAID)}
    return tuple(name for name, value in said.items() if fact_fault(name, value))


# What no sound workload id is, or has in it; a few sound ones are met, too (a domain of one dot). For SQLite each is
# the cheapest of its kind: over a million agents all of them take a few seconds, as the doctor's look at owners does.
_DOMAIN_END = "INSTR(SUBSTR(a.workload_id, 10), '/') + 9"
_IN_SQLITE = (
    "(a.workload_id NOT GLOB 'spiffe://[a-z0-9._-]*/?*' AND a.workload_id NOT GLOB 'wimse://[a-z0-9._-]*/?*')",
    "a.workload_id GLOB '*[^A-Za-z0-9._/:-]*'",
    "a.workload_id GLOB '*:*:*'",
    "a.workload_id GLOB '*//*//*'",
    "a.workload_id || '/' GLOB '*//'",
    "a.workload_id || '/' GLOB '*/./*'",
    "a.workload_id || '/' GLOB '*/../*'",
    f"(a.workload_id <> LOWER(a.workload_id) AND SUBSTR(a.workload_id, 1, {_DOMAIN_END}) GLOB '*[A-Z]*')",
    "INSTR(SUBSTR(a.workload_id, 10), '/') > 255",
    "LENGTH(a.workload_id) > 2048",
)
_IN_POSTGRESQL = (
    "a.workload_id !~ '^(spiffe|wimse)://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+$'",
    r"a.workload_id ~ '/\.{1,2}(/|$)'",
    "LENGTH(a.workload_id) > 2048",
)


def _odd_workload(backend: str) -> str:
    """Finds every workload id that `workload_fault` refuses."""
    found = _IN_SQLITE if backend == "sqlite" else _IN_POSTGRESQL
    return f"(a.workload_id IS NOT NULL AND ({' OR '.join(found)}))"
