"""The resources a search can find: those an installation lists, an agent declares, or decisions named."""

from __future__ import annotations

from heapq import merge

from scim_bridge.access.catalogue import Catalogue
from scim_bridge.access.cedar import cedar_type
from scim_bridge.access.model import Facts
from scim_bridge.kernel.database import Reader

# From one id to the next by the index: reading every decision for its resource would take seconds.
NAMED = """
WITH RECURSIVE named (id) AS (
  SELECT MIN(resource_id) FROM sb_decision WHERE resource_type = ? AND resource_id > ?
  UNION ALL
  SELECT (SELECT MIN(d.resource_id) FROM sb_decision d WHERE d.resource_type = ? AND d.resource_id > named.id)
  FROM named WHERE named.id IS NOT NULL
)
SELECT id FROM named WHERE id IS NOT NULL LIMIT ?
"""


async def resources_after(
    reader: Reader, catalogue: Catalogue, subject: Facts, resource_type: str, after: str, count: int
) -> list[str]:
    """At most `count` ids of a resource type after an id, in bytewise order, each once."""
    rows = await reader.all(NAMED, resource_type, after, resource_type, count)
    sources = (catalogue.ids(resource_type), declared(subject, resource_type), [row["id"] for row in rows])
    found: list[str] = []
    for identity in merge(*sources):
        if identity > after and (not found or identity != found[-1]):
            found.append(identity)
            if len(found) == count:
                break
    return found


def declared(subject: Facts, resource_type: str) -> list[str]:
    """The ids a subject declares of a type, in order: `repository:storefront` declares one of `repository`."""
    wanted = cedar_type(resource_type)
    ids = set()
    for text in subject.resources:
        kind, colon, identity = text.partition(":")
        if colon and identity and cedar_type(kind) == wanted:
            ids.add(identity)
    return sorted(ids)
