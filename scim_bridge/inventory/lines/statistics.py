"""While tables grow from nothing to millions, PostgreSQL is told so now and then.

It keeps the plan it made for an empty table, which reads all of it, until somebody counts: autovacuum
comes once a minute, and an import has written half a million rows by then. SQLite keeps no such plan.
"""

from __future__ import annotations

from scim_bridge.kernel.work import Store

TABLES = ("sb_resource", "sb_agent", "sb_attr", "sb_owner", "sb_member")


async def count_again(store: Store, applied: int) -> None:
    """Renew what the planner knows after 1, 4, 16, … portions; a role that may not is only warned."""
    if store.database.backend == "postgresql" and applied.bit_count() == 1 and applied.bit_length() % 2:
        for table in TABLES:
            await store.reads.all(f"ANALYZE {table}")
