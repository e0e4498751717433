"""Who one is here: the roles of the caller, and what they may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.model import Asked, Operation, reads
from scim_bridge.api.shapes import TEXT, TRUTH, Schema, closed, many, maybe, ref, text
from scim_bridge.registry.roles import PERMISSIONS, Reach, reach

TAG = "Who am I"
_WORDS = {Reach.OWN: "own", Reach.ALL: "all"}
SCHEMAS: Mapping[str, Schema] = {
    "Me": closed(
        {
            "name": maybe(TEXT),
            "person": {**maybe(TEXT), "description": "id of the person; null for a token"},
            "roles": many(TEXT),
            "permissions": many(
                closed(
                    {
                        "name": TEXT,
                        "for": text("everything, or only the agents one answers for", choices=("all", "own")),
                        "dangerous": TRUTH,
                    }
                )
            ),
        }
    )
}


async def show(asked: Asked) -> dict[str, Any]:
    """GET /me."""
    caller = asked.caller
    found = [(name, reach(caller.roles, name)) for name in PERMISSIONS]
    return {
        "name": caller.name,
        "person": caller.person_id,
        "roles": list(caller.roles),
        "permissions": [
            {"name": name, "for": _WORDS[far], "dangerous": PERMISSIONS[name].dangerous}
            for name, far in found
            if far is not Reach.NONE and (far is Reach.ALL or caller.person_id is not None)
        ],
    }


OPERATIONS: tuple[Operation, ...] = (
    reads(TAG, "showMe", "/me", "Who you are here, and what you may", show, ref("Me")),
)
