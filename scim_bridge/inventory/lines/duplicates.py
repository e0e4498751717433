"""Names that two entries of a file share, found by sorting outside memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.lines.ledger import Ledger, robot
from scim_bridge.inventory.manifest import AGENTS_DOMAIN
from scim_bridge.inventory.problems import shown


class Holder(NamedTuple):
    """An entry that has a name: its kind and its line."""

    kind: str
    line: int
    at: int


def duplicates(ledger: Ledger, findings: Findings) -> None:
    """Say of each name that is given twice where it was given first."""
    shared = [
        ("slug", _repeated(ledger, "agent", "slug")),
        ("userName", _user_names(ledger)),
        ("email", _repeated(ledger, "person", "email")),
        ("name", _repeated(ledger, "grp", "key")),
        ("workloadId", _repeated(ledger, "agent", "workload")),
    ]
    for key, found in shared:
        for value, holders in found:
            first, *others = sorted(holders, key=lambda holder: holder.line)
            for other in others:
                message = f"The {key} {shown(value)} is taken by the {first.kind} on line {first.line}."
                where = f"{other.kind}.{key}"
                findings.say(other.line, other.at, where, message, f"Give each its own {key}.")


def _repeated(ledger: Ledger, table: str, column: str) -> Iterator[tuple[str, list[Holder]]]:
    again = f"SELECT {column} FROM {table} WHERE {column} <> '' GROUP BY {column} HAVING COUNT(*) > 1"
    for (value,) in ledger.each(again):
        yield value, _holders(ledger, table, column, value)


def _holders(ledger: Ledger, table: str, column: str, value: str, also: str = "") -> list[Holder]:
    kind = "group" if table == "grp" else table
    rows = ledger.all(f"SELECT line, at FROM {table} WHERE {column} = ?{also} ORDER BY n", value)
    return [Holder(kind, line, at) for line, at in rows]


# People and agents are all Users in SCIM, so they share one space of userNames.
_SHARED = f"""
SELECT key FROM person WHERE key <> '' GROUP BY key HAVING COUNT(*) > 1
UNION SELECT user_key FROM agent WHERE user_key <> '' GROUP BY user_key HAVING COUNT(*) > 1
UNION SELECT a.user_key FROM agent a JOIN person p ON p.key = a.user_key WHERE a.user_key <> ''
UNION SELECT p.key FROM person p JOIN agent a ON a.slug = replace(p.key, '@{AGENTS_DOMAIN}', '')
  WHERE p.key LIKE '%@{AGENTS_DOMAIN}' AND a.user_key IS NULL
UNION SELECT b.user_key FROM agent b JOIN agent a ON a.slug = replace(b.user_key, '@{AGENTS_DOMAIN}', '')
  WHERE b.user_key LIKE '%@{AGENTS_DOMAIN}' AND a.user_key IS NULL
"""


def _user_names(ledger: Ledger) -> Iterator[tuple[str, list[Holder]]]:
    for (key,) in ledger.each(_SHARED):
        holders = _holders(ledger, "person", "key", key) + _holders(ledger, "agent", "user_key", key)
        slug = robot(key)
        if slug is not None:
            # A slug given twice makes the same userName twice; saying so once is enough.
            holders += _holders(ledger, "agent", "slug", slug, " AND user_key IS NULL")[:1]
        yield key, holders
