"""People as subjects: who is asked about, in which groups, and whether they are here, by one read.

A gateway knows a person by userName or by what their IdP calls them (the `sub` of a token, which a
connection keeps as externalId); our own id goes before both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim_bridge.access.model import Facts
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.model import PERSON, USER_SPACE, fold

# By way of the connections: an external id alone has no index, and there are few connections.
WAYS = f"""
ways AS (
  SELECT id, 0 AS way FROM sb_resource WHERE id = ? AND kind = '{PERSON}' AND deleted IS NULL
  UNION ALL SELECT id, 1 FROM sb_resource
    WHERE space = '{USER_SPACE}' AND key = ? AND kind = '{PERSON}' AND deleted IS NULL
  UNION ALL SELECT e.resource_id, 2 FROM sb_connection c
    JOIN sb_external e ON e.connection_id = c.id AND e.space = '{USER_SPACE}' AND e.external_id = ?
    JOIN sb_resource r ON r.id = e.resource_id AND r.kind = '{PERSON}' AND r.deleted IS NULL
), named AS (SELECT DISTINCT id FROM ways WHERE way = (SELECT MIN(way) FROM ways))"""

# Who left by news that waits for approval still counts as here, as everywhere.
READ = """
SELECT n.id AS person, r.name AS name, CASE WHEN s.disputed IS NULL THEN r.active ELSE 1 END AS active,
  g.name AS grouped
FROM named n JOIN sb_resource r ON r.id = n.id LEFT JOIN sb_person s ON s.id = n.id
  LEFT JOIN sb_member m ON m.member_id = n.id AND m.kind <> 'unresolved'
  LEFT JOIN sb_resource g ON g.id = m.group_id AND g.deleted IS NULL
"""


async def people_about(reader: Reader, name: str) -> list[Facts]:
    """The live people that `name` means: none, one, or several whom two IdPs call the same."""
    return await _read(reader, WAYS, (name, fold(name), name))


async def people_of(reader: Reader, ids: Sequence[str]) -> list[Facts]:
    """The live people with these ids, in their order."""
    one_of = f"named AS (SELECT id FROM sb_resource WHERE id {among(reader.backend)} AND deleted IS NULL)"
    found = {facts.id: facts for facts in await _read(reader, one_of, (listed(reader.backend, ids),))}
    return [found[one] for one in ids if one in found]


async def _read(reader: Reader, expressions: str, values: Sequence[Any]) -> list[Facts]:
    rows = await reader.all(f"WITH {expressions}{READ}", *values)
    groups: dict[str, set[str]] = {}
    people: dict[str, Any] = {}
    for row in rows:
        people[row["person"]] = row
        mine = groups.setdefault(row["person"], set())
        if row["grouped"] is not None:
            mine.add(row["grouped"])
    return [
        Facts(
            identity,
            row["name"],
            "",
            "",
            "",
            groups=tuple(sorted(groups[identity])),
            kind=PERSON,
            active=bool(row["active"]),
        )
        for identity, row in people.items()
    ]
