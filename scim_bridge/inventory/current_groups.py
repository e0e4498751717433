"""What is registered of the groups a manifest names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.current_people import names_by_id
from scim_bridge.inventory.live_rows import chunks
from scim_bridge.inventory.manifest import GroupEntry, Manifest
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.model import GROUP_EXTENSION_URN, Doc, fold


async def current_groups(reader: Reader, manifest: Manifest, found: Registered) -> dict[str, GroupEntry]:
    """The groups the file and its agents name, with their owners' userNames."""
    wanted = {fold(group.name) for group in manifest.groups}
    wanted |= {fold(name) for agent in manifest.agents for name in agent.groups}
    rows: list[Any] = []
    for chunk in chunks(sorted(wanted)):
        rows += await reader.all(
            "SELECT id, name, doc FROM sb_resource WHERE space = 'group' AND deleted IS NULL"
            f" AND key IN ({marks(len(chunk))})",
            *chunk,
        )
    extensions: dict[str, Doc] = {}
    for row in rows:
        doc = orjson.loads(row["doc"])
        extensions[row["name"]] = doc.get(GROUP_EXTENSION_URN) or {}
        found.groups[fold(row["name"])] = row["id"]
        found.documents[row["id"]] = doc
    ids = {name: str((ext.get("owner") or {}).get("value") or "") for name, ext in extensions.items()}
    owners = await names_by_id(reader, found, ids.values())
    return {
        name: GroupEntry(
            name=name,
            description=extension.get("description") or "",
            owner=owners.get(ids[name], ""),
            kind=extension.get("kind") or "",
        )
        for name, extension in extensions.items()
    }


async def live_groups(reader: Reader, names: Iterable[str]) -> dict[str, str]:
    """The ids of live groups by folded name."""
    found: dict[str, str] = {}
    for chunk in chunks(sorted(names)):
        for row in await reader.all(
            "SELECT id, key FROM sb_resource"
            f" WHERE space = 'group' AND key {among(reader.backend)} AND deleted IS NULL",
            listed(reader.backend, chunk),
        ):
            found[row["key"]] = row["id"]
    return found
