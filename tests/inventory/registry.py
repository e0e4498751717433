"""The whole registry as text to compare: names for ids, and nothing of when or in how many steps."""

from __future__ import annotations

import json
import re
from typing import Any

from scim_bridge.kernel.work import Store

QUERIES = {
    "resource": "SELECT id, kind, key, name, active, doc, rendered FROM sb_resource WHERE deleted IS NULL",
    "agent": "SELECT id, slug, platform, environment, risk_tier, workload_id, expires_at, runtime_url, origin"
    " FROM sb_agent",
    "person": "SELECT id, email, manager_id, department, employment, time_zone FROM sb_person",
    "attr": "SELECT resource_id, name, key FROM sb_attr",
    "member": "SELECT group_id, member_id, kind, display FROM sb_member",
    "owner": "SELECT agent_id, role, person_id, rank FROM sb_owner",
    "credential": "SELECT agent_id, label, kind, system, reference, state, expires FROM sb_credential",
    "hold": "SELECT agent_id, source, code FROM sb_hold WHERE released IS NULL",
    "counter": "SELECT name, SUM(value) AS value FROM sb_counter GROUP BY name",
}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


async def contents(store: Store) -> dict[str, list[str]]:
    """Every table's rows, sorted."""
    rows: dict[str, list[list[Any]]] = {}
    for table, query in QUERIES.items():
        rows[table] = [[_plain(value) for value in row] for row in await store.reads.all(query)]
    names = {row[0]: f"<{row[1]} {row[2]}>" for row in rows["resource"]}

    def shown(row: list[Any]) -> str:
        text = json.dumps(row, sort_keys=True)
        return _ID.sub(lambda match: names.get(match.group(), match.group()), text)

    return {table: sorted(map(shown, found)) for table, found in rows.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return json.loads(bytes(value))
    return int(value) if not isinstance(value, str | int | None) else value
