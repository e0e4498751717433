"""What is to be applied, in the order in which nothing leads to something that is not there yet.

People (managers before those they manage), groups, agents, memberships; each kind in portions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from scim_bridge.inventory.lines.ledger import Ledger


class Portion(NamedTuple):
    """Some entries of one kind, by their rows in the ledger: (line, at), or (group, slug) of memberships."""

    kind: str
    rows: list[tuple[Any, Any]]


def to_apply(ledger: Ledger) -> dict[str, int]:
    """How many entries of each kind differ from the registry."""
    tables = {"person": "person", "group": "grp", "agent": "agent", "member": "member"}
    return {kind: ledger.count(table, "act") for kind, table in tables.items()}


def portions(ledger: Ledger, size: int) -> Iterator[Portion]:
    """The portions one after the other, `size` entries each."""
    yield from _of(ledger, "person", "SELECT line, at, depth, n FROM person", "depth, n", size)
    yield from _of(ledger, "group", "SELECT line, at, 0, n FROM grp", "0, n", size)
    yield from _of(ledger, "agent", "SELECT line, at, 0, n FROM agent", "0, n", size)
    last = ("", "")
    query = "SELECT grp, slug FROM member WHERE act AND (grp, slug) > (?, ?) ORDER BY grp, slug LIMIT ?"
    while rows := ledger.all(query, *last, size):
        last = rows[-1]
        yield Portion("member", rows)


def _of(ledger: Ledger, kind: str, select: str, key: str, size: int) -> Iterator[Portion]:
    last = (-1, 0)
    # People are few beside agents, so their order needs no index.
    order = key if kind == "person" else "n"
    after = "(depth, n) > (?, ?)" if kind == "person" else "? <= n AND n > ?"
    query = f"{select} WHERE act AND {after} ORDER BY {order} LIMIT ?"
    while rows := ledger.all(query, *last, size):
        last = rows[-1][2:]
        yield Portion(kind, [row[:2] for row in rows])
