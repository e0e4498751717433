"""Declared indexes brought up to date: also over what was there before they were declared.

A new index is built in batches beside everything else and asked for by nobody until it knows every resource.
What is written meanwhile keeps it in step, in the transaction that writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.document_index import DocumentIndex
from scim_bridge.kernel.rows import Insert, among, listed
from scim_bridge.kernel.work import SYSTEM, Store, Work

BUILDING = "building"
CHECKING = "checking"
READY = "ready"
STALE = "stale"
AFTER = {BUILDING: CHECKING, CHECKING: READY}
# A write that was under way when a batch passed by may have missed what the batch wrote: on PostgreSQL a
# statement sees what was there when it began. So what has changed since the beginning is looked at once more.
MARGIN = 5 * MINUTE
# Resources at once: some milliseconds, so that no writer waits long.
BATCH = 200
ENTRIES = Insert("sb_attr", "resource_id text, name text, key text")
_WHY = "entries of an index follow from the documents"


async def begin(store: Store) -> None:
    """At start: find out which indexes are ready, and note those that nobody keeps any more.

    One that is declared again later begins anew: it has missed what was written in between.
    """
    names = [index.name for index in store.indexes.declared]
    rows = await store.reads.all("SELECT name, state FROM sb_index")
    store.indexes.ready = frozenset(row["name"] for row in rows if row["state"] == READY) & frozenset(names)
    left = sorted(row["name"] for row in rows if row["state"] != STALE and row["name"] not in names)
    if left:
        backend = store.database.backend

        async def body(work: Work) -> None:
            work.bookkeeping(_WHY)
            await work.tx.run(
                f"UPDATE sb_index SET state = ? WHERE name {among(backend)}", STALE, listed(backend, left)
            )

        await store.transact(SYSTEM, body)
    await upkeep(store, batches=2)


async def upkeep(store: Store, *, batches: int | None = None) -> int:
    """Build what is declared and not ready, to the end or so many batches; how many resources were looked at.

    It goes on where it was left; several processes may do it at once.
    """
    seen = 0
    while batches is None or batches > 0:
        waiting = [index for index in store.indexes.declared if index.name not in store.indexes.ready]
        if not waiting:
            break
        seen += await store.transact(SYSTEM, lambda work, of=waiting: _batch(work, of))  # type: ignore[misc]
        store.indexes.ready |= await _ready(store.reads, waiting)
        batches = None if batches is None else batches - 1
    return seen


async def _ready(reader: Reader, indexes: Sequence[DocumentIndex]) -> frozenset[str]:
    rows = await reader.all(
        f"SELECT name FROM sb_index WHERE state = ? AND name {among(reader.backend)}",
        READY,
        listed(reader.backend, [index.name for index in indexes]),
    )
    return frozenset(row["name"] for row in rows)


async def _batch(work: Work, waiting: Sequence[DocumentIndex]) -> int:
    """Look at the next resources for every index that is behind; how many there were."""
    work.bookkeeping(_WHY)
    backend = work.tx.backend
    for index in sorted(waiting, key=lambda each: each.name):
        await work.tx.run(
            "INSERT INTO sb_index (name, state, at, since) VALUES (?, ?, '', ?) ON CONFLICT (name)"
            " DO UPDATE SET state = excluded.state, at = '', since = excluded.since WHERE sb_index.state = ?",
            index.name,
            BUILDING,
            work.now,
            STALE,
        )
    # Another process doing the same waits here, and then goes on behind us.
    rows = await work.tx.all(
        "SELECT name, state, at, since FROM sb_index WHERE state IN (?, ?)"
        f" AND name {among(backend)} ORDER BY name{work.tx.for_update}",
        BUILDING,
        CHECKING,
        listed(backend, [index.name for index in waiting]),
    )
    phase = BUILDING if any(row["state"] == BUILDING for row in rows) else CHECKING
    behind = {row["name"]: row for row in rows if row["state"] == phase}
    if not behind:
        return 0
    start = min(row["at"] for row in behind.values())
    changed_since = min(row["since"] for row in behind.values()) - MARGIN if phase == CHECKING else 0
    # Locked, so that no document changes between being read and its entries being written.
    found = await work.tx.all(
        "SELECT id, kind, doc FROM sb_resource WHERE id > ? AND modified >= ? AND deleted IS NULL"
        f" ORDER BY id LIMIT ?{work.tx.for_update}",
        start,
        changed_since,
        BATCH,
    )
    await _write(work, [index for index in waiting if index.name in behind], found)
    ended = len(found) < BATCH
    await work.tx.run(
        f"UPDATE sb_index SET state = ?, at = ? WHERE state = ? AND name {among(backend)}",
        AFTER[phase] if ended else phase,
        "" if ended else found[-1]["id"],
        phase,
        listed(backend, sorted(behind)),
    )
    return len(found)


async def _write(work: Work, indexes: Sequence[DocumentIndex], found: Sequence[Any]) -> None:
    """Make the entries of these resources those of their documents; what is right already is not touched."""
    backend = work.tx.backend
    wanted = {
        (row["id"], *entry)
        for row in found
        for index in indexes
        if row["kind"] in index.kinds
        for entry in index.entries(orjson.loads(row["doc"]))
    }
    rows = await work.tx.all(
        f"SELECT resource_id, name, key FROM sb_attr WHERE resource_id {among(backend)}"
        f" AND name {among(backend)}",
        listed(backend, [row["id"] for row in found]),
        listed(backend, [index.name for index in indexes]),
    )
    there = {tuple(row) for row in rows}
    for entry in sorted(there - wanted):
        await work.tx.run("DELETE FROM sb_attr WHERE resource_id = ? AND name = ? AND key = ?", *entry)
    work.tx.add_all(ENTRIES, sorted(wanted - there))


async def rebuild(store: Store) -> int:
    """Build every declared index anew and forget those nobody declares; how many resources were looked at.

    Servers go on using them: what is right stays where it is.
    """
    names = [index.name for index in store.indexes.declared]

    async def reset(work: Work) -> None:
        work.bookkeeping(_WHY)
        await work.tx.run("UPDATE sb_index SET state = ?", STALE)

    await store.transact(SYSTEM, reset)
    store.indexes.ready = frozenset()
    seen = await upkeep(store)
    for row in await store.reads.all("SELECT name FROM sb_index ORDER BY name"):
        if row["name"] not in names:
            await _forget(store, row["name"])
    return seen


async def _forget(store: Store, name: str) -> None:
    async def body(work: Work) -> int:
        work.bookkeeping(_WHY)
        gone = await work.tx.run(
            "DELETE FROM sb_attr WHERE name = ? AND resource_id IN"
            " (SELECT resource_id FROM sb_attr WHERE name = ? ORDER BY key, resource_id LIMIT ?)",
            name,
            name,
            BATCH,
        )
        if not gone:
            await work.tx.run("DELETE FROM sb_index WHERE name = ?", name)
        return gone

    while await store.transact(SYSTEM, body):
        pass


async def states(reader: Reader) -> list[dict[str, Any]]:
    """Every index with its state and the number of its entries."""
    rows = await reader.all(
        "SELECT i.name, i.state, (SELECT COUNT(*) FROM sb_attr a WHERE a.name = i.name) AS entries"
        " FROM sb_index i ORDER BY i.name"
    )
    return [dict(row) for row in rows]
