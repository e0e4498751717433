"""One statement reads everything a decision asks of an agent, so that no answer mixes two moments.

Both back ends run a single statement on one state of the database: a hold that is committed is seen,
together with the owners and groups of that same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from scim_bridge.access.model import Facts
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.agent_names import named
from scim_bridge.registry.model import (
    AGENT_URN,
    CO_OWNER,
    OWNER,
    SPONSOR,
    Hold,
    Owners,
    PersonRef,
)
from scim_bridge.registry.standing import attestation_of
from scim_bridge.registry.throttles import Pace, Throttle

# The columns of every part, in the order of the first: what, agent, then six texts, four numbers, a document.
_NO_TEXT, _NO_NUMBER, _NO_BYTES = "CAST(NULL AS TEXT)", "CAST(NULL AS BIGINT)", "CAST(NULL AS BYTEA)"
READ = f"""
SELECT 'agent' AS what, n.id AS agent, a.slug AS a, a.platform AS b, a.environment AS c, a.risk_tier AS d,
  a.attestation_state AS e, a.attestation_id AS f, a.expires_at AS n, a.attested_until AS m, a.attested_at AS o,
  a.last_activity AS p, r.doc AS doc
FROM named n JOIN sb_agent a ON a.id = n.id JOIN sb_resource r ON r.id = n.id
UNION ALL
SELECT 'hold', n.id, h.id, h.source, h.code, h.reason, h.release, h.placed_by, h.placed,
  {_NO_NUMBER}, {_NO_NUMBER}, {_NO_NUMBER}, {_NO_BYTES}
FROM named n JOIN sb_hold h ON h.agent_id = n.id AND h.released IS NULL
UNION ALL
SELECT 'throttle', n.id, t.id, t.source, t.code, t.reason, t.placed_by, {_NO_TEXT}, t.until, t.calls, t.span, t.burst,
  {_NO_BYTES}
FROM named n JOIN sb_throttle t ON t.agent_id = n.id AND t.ended IS NULL
UNION ALL
SELECT 'person', n.id, o.role, p.id, p.name, s.employment, {_NO_TEXT}, {_NO_TEXT}, o.rank,
  CASE WHEN s.disputed IS NULL THEN p.active ELSE 1 END, {_NO_NUMBER}, {_NO_NUMBER}, {_NO_BYTES}
FROM named n JOIN sb_owner o ON o.agent_id = n.id JOIN sb_resource p ON p.id = o.person_id
  LEFT JOIN sb_person s ON s.id = o.person_id
UNION ALL
SELECT 'group', n.id, g.id, g.name, {_NO_TEXT}, {_NO_TEXT}, {_NO_TEXT}, {_NO_TEXT}, m.until,
  {_NO_NUMBER}, {_NO_NUMBER}, {_NO_NUMBER}, {_NO_BYTES}
FROM named n JOIN sb_member m ON m.member_id = n.id AND m.kind <> 'unresolved'
  JOIN sb_resource g ON g.id = m.group_id AND g.deleted IS NULL
"""


async def facts_about(reader: Reader, name: str) -> list[Facts]:
    """The live agents that `name` names by id, slug, userName or workload id: none, one, or, when agents
    share a workload id, several."""
    expressions, values = named(name)
    return await _read(reader, expressions, values)


async def facts_of(reader: Reader, ids: Sequence[str]) -> list[Facts]:
    """The live agents with these ids, in their order."""
    one_of = f"named AS (SELECT id FROM sb_resource WHERE id {among(reader.backend)} AND deleted IS NULL)"
    found = await _read(reader, one_of, (listed(reader.backend, ids),))
    by_id = {facts.id: facts for facts in found}
    return [by_id[one] for one in ids if one in by_id]


async def _read(reader: Reader, expressions: str, values: Sequence[Any]) -> list[Facts]:
    rows = await reader.all(f"WITH {expressions}{READ}", *values)
    mine: dict[str, list[Any]] = {}
    for row in rows:
        mine.setdefault(row["agent"], []).append(row)
    return [_facts(row, mine[row["agent"]]) for row in rows if row["what"] == "agent"]


def _facts(agent: Any, mine: Sequence[Any]) -> Facts:
    extension = orjson.loads(agent["doc"]).get(AGENT_URN)
    declared = extension if isinstance(extension, dict) else {}
    holds = sorted((row for row in mine if row["what"] == "hold"), key=lambda row: (row["n"], row["a"]))
    groups = [row for row in mine if row["what"] == "group"]
    attestation = attestation_of(
        {
            "attestation_state": agent["e"],
            "attestation_id": agent["f"],
            "attested_by": None,
            "attested_at": agent["o"],
            "attested_until": agent["m"],
        }
    )
    return Facts(
        agent["agent"],
        agent["a"],
        agent["b"],
        agent["c"],
        agent["d"],
        str(declared.get("model") or "unknown"),
        _texts(declared.get("tools")),
        _texts(declared.get("resources")),
        agent["n"],
        attestation,
        _owners([row for row in mine if row["what"] == "person"]),
        tuple(sorted(row["b"] for row in groups)),
        tuple(Hold(h["a"], h["b"], h["c"], h["d"], h["e"], h["n"], h["f"]) for h in holds),
        ends={row["b"]: row["n"] for row in groups if row["n"] is not None},
        employment={row["b"]: row["d"] for row in mine if row["what"] == "person" and row["d"] is not None},
        last_activity=agent["p"],
        throttles=tuple(_throttle(row) for row in mine if row["what"] == "throttle"),
    )


def _throttle(row: Any) -> Throttle:
    return Throttle(
        row["a"], row["b"], row["c"], row["d"], row["e"], row["n"], Pace(row["m"], row["o"], row["p"])
    )


def _owners(rows: Sequence[Any]) -> Owners:
    ranked = sorted(rows, key=lambda row: (row["n"], row["b"]))

    def people(role: str) -> tuple[PersonRef, ...]:
        return tuple(
            PersonRef(row["b"], row["c"], row["c"], "", bool(row["m"])) for row in ranked if row["a"] == role
        )

    owner = people(OWNER)
    return Owners(owner[0] if owner else None, people(CO_OWNER), people(SPONSOR))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
