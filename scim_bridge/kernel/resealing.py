"""Sealing anew with the current master key what an earlier one sealed: in batches, while everything runs.

Resumable without a bookmark: what the current key sealed already is passed over. Each row is replaced
only as it was read, so that a value that changes meanwhile is never put back.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.master_key import MasterKey, Tampered
from scim_bridge.kernel.work import Actor, Store, Work

BATCH = 100
Place = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where sealed values rest: a column of a table, and the place each one is sealed for, by its row's key.

    `inside`: the column is JSON, and this gives the sealed values in it as (name, place), in base64.
    """

    table: str
    key: str
    column: str
    place: Place
    where: str = ""
    inside: Callable[[dict[str, Any]], list[tuple[str, str]]] | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A batch that was looked through."""

    table: str
    seen: int
    sealed: int
    unreadable: int


async def total(reader: Reader, columns: Sequence[Sealed]) -> int:
    """How many rows there are to look through."""
    found = 0
    for column in columns:
        row = await reader.one(f"SELECT COUNT(*) AS n FROM {column.table} WHERE {_live(column)}")
        found += int(row["n"]) if row is not None else 0
    return found


async def reseal(
    store: Store, master: MasterKey, actor: Actor, columns: Sequence[Sealed]
) -> AsyncIterator[Passed]:
    """Look through every sealed value, batch after batch, and seal anew what another key sealed."""
    for column in columns:
        after = ""
        while True:
            rows = await store.reads.all(
                f"SELECT {column.key} AS key, {column.column} AS value FROM {column.table}"
                f" WHERE {_live(column)} AND {column.key} > ? ORDER BY {column.key} LIMIT {BATCH}",
                after,
            )
            if not rows:
                break
            after = rows[-1]["key"]
            changed: list[tuple[str, Any, Any]] = []
            unreadable = 0
            for row in rows:
                try:
                    fresh = sealed_anew(master, column, row["key"], row["value"])
                except Tampered:
                    unreadable += 1
                    continue
                if fresh is not None:
                    changed.append((row["key"], row["value"], fresh))
            if changed:
                await store.transact(actor, partial(_written, column=column, changed=changed))
            yield Passed(column.table, len(rows), len(changed), unreadable)


async def _written(work: Work, *, column: Sealed, changed: Sequence[tuple[str, Any, Any]]) -> None:
    work.bookkeeping("the same values, sealed by another master key; the rotation is audited")
    for key, old, fresh in changed:
        await work.tx.run(
            f"UPDATE {column.table} SET {column.column} = ? WHERE {column.key} = ? AND {column.column} = ?",
            fresh,
            key,
            old,
        )


def _live(column: Sealed) -> str:
    return f"{column.column} IS NOT NULL{f' AND {column.where}' if column.where else ''}"


def sealed_anew(master: MasterKey, column: Sealed, key: str, value: Any) -> Any:
    """The value sealed by the current key; None when it is already, or holds nothing. Tampered by no key at all."""
    if column.inside is not None:
        return _fresh_document(master, column.inside, value)
    sealed = bytes(value)
    if not sealed:
        return None
    return _anew(master, column.place(key), sealed)


def _fresh_document(
    master: MasterKey, inside: Callable[[dict[str, Any]], list[tuple[str, str]]], value: str
) -> str | None:
    document = orjson.loads(value)
    private = document.get("private")
    changed = False
    for name, place in inside(document):
        anew = _anew(master, place, base64.b64decode(private[name]))
        if anew is not None:
            private[name] = base64.b64encode(anew).decode()
            changed = True
    return orjson.dumps(document).decode() if changed else None


def _anew(master: MasterKey, place: str, sealed: bytes) -> bytes | None:
    if master.sealed_by(place, sealed) == master.kid:
        return None
    return master.seal(place, master.unseal(place, sealed))
