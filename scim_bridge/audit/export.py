"""Exports: the whole chain, verifiable on any machine, or a part of it in the form a SIEM reads."""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.model import EXPORT_TYPE, GENESIS, HASHED, instant_of
from scim_bridge.kernel.crypto import MasterKey, public_keys, signing_key
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import SYSTEM, Store, Work

COLUMNS = frozenset((*HASHED, "seq", "prev", "hash"))
MARKS = frozenset(("first_seq", "last_seq", "last_hash", "root", "at", "statement"))
HEAD = frozenset(("rows", "last_seq", "last_hash", "checkpoints", "at", "statement"))
PAGE = 5000

_ROW = ("seq", *HASHED, "prev", "hash")
_MARK = ("first_seq", "last_seq", "last_hash", "root", "at", "statement")
# SQLite keeps a text or bytes where a number belongs, and sorts them behind every number: none has a place.
# Nor has what lies so far out that counting on from it would end.
LAST_PLACE = 2**62
_PLACED = f"> ? AND {{}} <= {LAST_PLACE}"
ROWS_BEHIND = f"SELECT {', '.join(_ROW)} FROM sb_audit WHERE seq {_PLACED.format('seq')} ORDER BY seq LIMIT ?"
ANY_BEHIND = f"SELECT seq FROM sb_audit WHERE seq {_PLACED.format('seq')} LIMIT 1"
_CHECKPOINTS = (
    f"SELECT {', '.join(_MARK)} FROM sb_checkpoint WHERE last_seq {_PLACED.format('last_seq')}"
    " ORDER BY last_seq LIMIT ?"
)


async def undecodable(reader: Reader) -> AsyncIterator[tuple[str, int]]:
    """("row" or "checkpoint", its place) of each with bytes that are no UTF-8, which SQLite keeps and no page shows."""
    for kind, table, place, names in (
        ("row", "sb_audit", "seq", _ROW),
        ("checkpoint", "sb_checkpoint", "last_seq", _MARK),
    ):
        columns = ", ".join(f"CAST({name} AS BLOB) AS {name}_" for name in names)
        where = f"{place} {_PLACED.format(place)} ORDER BY {place} LIMIT ?"
        select = f"SELECT {place}, {columns} FROM {table} WHERE {where}"
        last = 0
        while rows := list(await reader.all(select, last, PAGE)):
            last = rows[-1][place]
            for row in rows:
                try:
                    for name in names:
                        bytes(row[f"{name}_"] or b"").decode()
                except UnicodeDecodeError:
                    yield kind, row[place]


def damaged(kind: str, place: object) -> Refused:
    """A row or checkpoint that cannot be written out, because somebody put there what we never do."""
    which = f"{kind.capitalize()} {place}" if isinstance(place, int) else f"A {kind} outside the chain"
    return Refused(
        "audit-damaged",
        f"{which} of the audit log holds what is no text or number of ours: nothing goes out from there on.",
        "Run scim-bridge audit verify: it names all that was altered.",
    )


def written(kind: str, row: Mapping[str, Any], write: Callable[[Mapping[str, Any]], bytes]) -> bytes:
    """A row as `write` has it; Refused names one that was altered into what no form can hold."""
    try:
        return write(row)
    except (TypeError, ValueError, AttributeError) as error:
        raise damaged(kind, row["seq" if kind == "row" else "last_seq"]) from error


@asynccontextmanager
async def decoded(reader: Reader) -> AsyncIterator[None]:
    """Within it a text that SQLite cannot decode is Refused, by the place of its row."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
        async for kind, place in undecodable(reader):
            raise damaged(kind, place) from error
        raise damaged("row", None) from error


async def pages(reader: Reader, after: int = 0) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """The chain behind a place: ("row", rows) in order of seq, and ("checkpoint", those) after what they cover."""
    marks: deque[Any] = deque(await reader.all(_CHECKPOINTS, after, PAGE))
    last = after
    while rows := list(await reader.all(ROWS_BEHIND, last, PAGE)):
        last, begin = rows[-1]["seq"], 0
        # SQLite never suspends: without this nobody could stop it before the end.
        await asyncio.sleep(0)
        while marks and marks[0]["last_seq"] <= last:
            mark = marks.popleft()
            end = bisect_right(rows, mark["last_seq"], lo=begin, key=_seq)
            if end > begin:
                yield "row", rows[begin:end]  # type: ignore[misc]
            yield "checkpoint", [mark]
            begin = end
            if not marks:
                marks.extend(await reader.all(_CHECKPOINTS, mark["last_seq"], PAGE))
        if begin < len(rows):
            yield "row", rows[begin:]  # type: ignore[misc]
    while marks:
        yield "checkpoint", list(marks)
        marks = deque(await reader.all(_CHECKPOINTS, marks[-1]["last_seq"], PAGE))


def _seq(row: Any) -> int:
    return int(row["seq"])


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a chain ends."""

    rows: int
    last_seq: int
    last_hash: str
    checkpoints: int


async def tip(reader: Reader) -> Tip:
    """Where the sealed chain ends now; Refused when that is no place or hash."""
    last = await reader.one("SELECT seq, hash FROM sb_audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1")
    rows = await reader.one("SELECT COUNT(seq) AS n FROM sb_audit WHERE seq IS NOT NULL")
    marks = await reader.one("SELECT COUNT(*) AS n FROM sb_checkpoint")
    assert rows is not None and marks is not None
    seq, digest = (0, GENESIS) if last is None else (last["seq"], last["hash"])
    if not isinstance(seq, int) or not isinstance(digest, str):
        raise damaged("row", seq)
    return Tip(rows["n"], seq, digest, marks["n"])


async def chain_lines(store: Store, master: MasterKey) -> AsyncIterator[bytes]:
    """The sealed chain as JSON lines without their ends: keys, a signed head, then rows and checkpoints.

    The head says how far the chain goes, so that an export which was cut short cannot pass for a whole one.
    """
    async with store.database.snapshot() as reader, decoded(reader):
        end = await tip(reader)
        head, keys = await store.transact(SYSTEM, lambda work: _head(work, master, end))
        yield orjson.dumps({"type": "keys", "keys": keys})
        yield orjson.dumps({"type": "head", **head})
        async for kind, rows in pages(reader):
            names = _ROW if kind == "row" else _MARK

            def line(row: Mapping[str, Any], kind: str = kind, names: tuple[str, ...] = names) -> bytes:
                return orjson.dumps({"type": kind, **{name: row[name] for name in names}})

            for row in rows:
                yield written(kind, row, line)


async def _head(work: Work, master: MasterKey, end: Tip) -> tuple[dict[str, Any], dict[str, Any]]:
    work.bookkeeping("an export is signed")
    key = await signing_key(work, master, "audit")
    said = {
        "rows": end.rows,
        "last_seq": end.last_seq,
        "last_hash": end.last_hash,
        "checkpoints": end.checkpoints,
        "at": work.now,
    }
    return {**said, "statement": key.sign(said, EXPORT_TYPE)}, await public_keys(work.tx, "audit")


async def export_lines(store: Store, master: MasterKey) -> list[bytes]:
    """The same, all at once."""
    return [line async for line in chain_lines(store, master)]


async def rows_between(
    reader: Reader, since: int | None = None, until: int | None = None
) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """Sealed rows in order of seq, page by page; those from `since` on and before `until` (microseconds)."""
    last = 0
    while rows := list(await reader.all(ROWS_BEHIND, last, PAGE)):
        last = rows[-1]["seq"]
        await asyncio.sleep(0)
        wanted: list[Any] = [
            row
            for row in rows
            if (since is None or instant_of(row) >= since) and (until is None or instant_of(row) < until)
        ]
        if wanted:
            yield wanted
