"""What a plan was made for: the tenant, what of it is written, and how; a plan is good for nothing else."""

from __future__ import annotations

import hashlib

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.digests import canonical
from scim_bridge.sync.mapping_store import mapping_rows

# How carefully and how fast is decided anew when a plan is applied.
CARE = {"brake_count", "brake_percent", "four_eyes", "rate_reserve"}


async def aim_of(reader: Reader, connection: Connection) -> str:
    """A digest of a connection's settings and mapping: with another one, ids and values may be another tenant's."""
    settings = {name: value for name, value in connection.settings.items() if name not in CARE}
    rows = await mapping_rows(reader, connection.id)
    mapping = [[row.target, row.source, row.direction, row.when] for row in rows]
    return hashlib.sha256(canonical([settings, mapping])).hexdigest()


async def same_aim(reader: Reader, connection: Connection, aim: str) -> None:
    """Conflict when the connection was set up otherwise since a plan with this aim was made.

    Plans from before aims were kept (empty) pass.
    """
    if aim and aim != await aim_of(reader, connection):
        raise Conflict(
            "plan-moved",
            f"The settings or the mapping of {connection.name} changed since the plan was made.",
            "Nothing was written. Make a new plan: sync plan.",
        )
