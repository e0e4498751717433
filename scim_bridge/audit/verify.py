"""Verification: of the living database, or offline of an export with only the public keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import Any

import orjson

from scim_bridge.audit.export import COLUMNS, HEAD, LAST_PLACE, MARKS, pages, undecodable
from scim_bridge.audit.model import EXPORT_TYPE, Finding, Verdict
from scim_bridge.audit.signatures import CHUNK, Ahead, Stated, ahead
from scim_bridge.audit.walk import Walk
from scim_bridge.kernel.crypto import Tampered, public_keys, verify
from scim_bridge.kernel.database import Database
from scim_bridge.kernel.errors import BadFile

LONGEST_LINE = 16_000_000
# What has a place in no chain, and so on no page.
_ASTRAY = {
    "row": f"SELECT id AS name FROM sb_audit WHERE seq < 1 OR seq > {LAST_PLACE} LIMIT 20",
    "checkpoint": f"SELECT statement AS name FROM sb_checkpoint WHERE last_seq < 1 OR last_seq > {LAST_PLACE} LIMIT 20",
}

_DISPLACED = "SELECT id AS name FROM sb_audit WHERE seq IS NULL AND hash IS NOT NULL ORDER BY id LIMIT 20"


async def verify_database(
    database: Database,
    anchors: Iterable[str] = (),
    *,
    processes: bool = False,
    tell: Callable[[int], None] | None = None,
) -> Verdict:
    """Check every row and checkpoint of a database, page by page; `anchors` are statements kept outside it.

    With `processes` signatures are checked by as many as there are cores, and waited for: not in a server.
    `tell` hears after each page how many rows were checked so far.
    """
    async with database.snapshot() as reader:
        keys = await public_keys(reader, "audit")
        walk = Walk(keys, anchors)
        checking: Ahead[tuple[str, Any]] | None = Ahead(keys) if processes else None
        try:
            chunk: list[tuple[tuple[str, Any], str | None]] = []
            async for kind, rows in pages(reader):
                if tell is not None:
                    tell(walk.rows)
                if checking is None:
                    for row in rows:
                        _step(walk, kind, row)
                    continue
                chunk += [((kind, row), row["statement"] if kind == "checkpoint" else None) for row in rows]
                if len(chunk) >= CHUNK:
                    for (which, row), known in checking.take(chunk):
                        _step(walk, which, row, known)
                    chunk = []
            if checking is not None:
                for (which, row), known in chain(checking.take(chunk), checking.rest()):
                    _step(walk, which, row, known)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            async for kind, place in undecodable(reader):
                walk.told(
                    place,
                    None,
                    f"this {kind} holds bytes that are no text: what lies behind it was not checked",
                )
        finally:
            if checking is not None:
                checking.close()
        for kind, select in _ASTRAY.items():
            for astray in await reader.all(select):
                about = astray["name"] if kind == "row" else None
                walk.told(None, about, f"a {kind} stands outside the chain: its place is no number from 1 on")
        for displaced in await reader.all(_DISPLACED):
            name = str(displaced["name"])[:80]
            walk.told(None, name, f"the row with id {name} was taken out of its place in the chain")
        waiting = await reader.one("SELECT COUNT(*) AS n FROM sb_audit WHERE seq IS NULL AND hash IS NULL")
    unsealed = waiting["n"] if waiting is not None else 0
    return Verdict(
        walk.rows, walk.checkpoints, unsealed, walk.findings(), walk.anchors, None, walk.next - 1, walk.tip
    )


def _step(walk: Walk, kind: str, row: Any, known: Stated | None = None) -> None:
    if kind == "row":
        walk.row(row)
    else:
        walk.checkpoint(row, known)


class _Offline:
    """An export on its way through the verifier: keys and head first, then the chain."""

    def __init__(self, trusted: dict[str, dict[str, Any]] | None, anchors: Iterable[str]) -> None:
        self._trusted = trusted
        self._anchors = tuple(anchors)
        self._keys: dict[str, dict[str, Any]] = dict(trusted or {})
        self._walk: Walk | None = None
        self._head: Mapping[str, Any] | None = None
        self._flaw: Finding | None = None

    @property
    def walk(self) -> Walk:
        if self._walk is None:
            self._walk = Walk(self._keys, self._anchors)
        return self._walk

    @property
    def begun(self) -> bool:
        """Whether the chain itself was reached: from then on the keys are those they are."""
        return self._walk is not None

    def take(self, item: dict[str, Any], known: Stated | None = None) -> bool:
        """One line; False when it is none of ours. `known` is what its statement was found to sign."""
        kind = item.get("type")
        if kind == "row" and item.keys() >= COLUMNS and _whole(item["seq"]) and _whole(item["at"]):
            self.walk.row(item)
        elif kind == "checkpoint" and item.keys() >= MARKS and _whole(item["last_seq"]) and _signed(item):
            self.walk.checkpoint(item, known)
        elif kind == "keys" and self._walk is None and isinstance(item.get("keys"), dict):
            self._keys.update(item["keys"] if self._trusted is None else {})
        elif kind == "head" and self._walk is None and item.keys() >= HEAD and _signed(item):
            self._read_head(item)
        else:
            return False
        return True

    def _read_head(self, item: Mapping[str, Any]) -> None:
        try:
            stated = verify(item["statement"], self._keys, EXPORT_TYPE)
        except Tampered as error:
            self._flaw = Finding(None, None, f"the head of the export: {error.message}")
            return
        if any(stated.get(name) != item[name] for name in HEAD - {"statement"}):
            self._flaw = Finding(None, None, "the head of the export does not say what it signed")
        self._head = stated

    def verdict(self) -> Verdict:
        walk = self.walk
        if not walk.rows and not walk.checkpoints:
            # Nothing contradicts nothing, and proves nothing.
            only = Finding(0, None, "the export holds no rows and no checkpoints")
            return Verdict(0, 0, 0, (only,), walk.anchors)
        found = walk.findings()
        as_of = None if self._head is None else self._head.get("at")
        if self._flaw is not None:
            found = (*found, self._flaw)
        elif self._head is not None:
            found = (*found, *self._short(self._head))
        elif not walk.anchors:
            # A chain that was cut exactly at a checkpoint is sound as far as it goes.
            message = (
                "nothing signed says how far the export goes: export again, or give a checkpoint that was"
                " kept outside (--anchor)"
            )
            found = (*found, Finding(None, None, message))
        return Verdict(walk.rows, walk.checkpoints, 0, found, walk.anchors, as_of)

    def _short(self, head: Mapping[str, Any]) -> Iterator[Finding]:
        walk, last = self.walk, head["last_seq"]
        there = walk.next - 1
        if there < last:
            yield Finding(there + 1, None, f"rows {there + 1} to {last} are cut off: the export held {last}")
        elif there > last:
            yield Finding(last + 1, None, f"rows {last + 1} to {there} were added: the export held {last}")
        elif walk.tip != head["last_hash"]:
            yield Finding(last, None, "the export does not end in the row it was made with")
        if walk.checkpoints != head["checkpoints"]:
            held, came = head["checkpoints"], walk.checkpoints
            yield Finding(None, None, f"the export held {held} checkpoints, and {came} are here")


def _signed(item: Mapping[str, Any]) -> bool:
    return isinstance(item["statement"], str)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def verify_export(
    lines: Iterable[bytes],
    trusted: dict[str, dict[str, Any]] | None = None,
    anchors: Iterable[str] = (),
) -> Verdict:
    """Check an export offline, line by line; one without rows does not pass. BadFile when it is none.

    `trusted` public keys by kid; without, the export's own are used: then whoever wrote it may have made them.
    `anchors` are checkpoints that were kept outside: the chain must reach them and go through them.
    """
    taken, items = _Offline(trusted, anchors), _parsed(lines)
    for number, item in items:
        _take(taken, number, item)
        if taken.begun:
            break
    if taken.begun:
        signed = ((each, _statement(each[1])) for each in items)
        with closing(ahead(signed, taken.walk.keys)) as rest:
            for (number, item), known in rest:
                _take(taken, number, item, known)
    return taken.verdict()


def _statement(item: Mapping[str, Any]) -> str | None:
    """What is signed in a line, where it is a checkpoint."""
    found = item.get("statement") if item.get("type") == "checkpoint" else None
    return found if isinstance(found, str) else None


def _take(taken: _Offline, number: int, item: dict[str, Any], known: Stated | None = None) -> None:
    try:
        ours = taken.take(item, known)
    except (TypeError, ValueError, OverflowError, orjson.JSONEncodeError):
        ours = False
    if not ours:
        raise BadFile("audit-export", f"Line {number} of the export is not one we wrote.", "Export again.")


def _parsed(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadFile(
                "audit-export",
                f"Line {number} of the export is not JSON.",
                "Is it cut off or edited? Export again.",
            ) from error
        if not isinstance(item, dict):
            raise BadFile("audit-export", f"Line {number} of the export is not an object.", "Export again.")
        yield number, item


def read_anchors(lines: Iterable[bytes]) -> list[str]:
    """Checkpoints kept outside: one a line, the signed statement alone or in an object. BadFile otherwise."""
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            said = orjson.loads(text)["statement"] if text.startswith(b"{") else text.decode("ascii")
        except (orjson.JSONDecodeError, KeyError, UnicodeDecodeError) as error:
            raise BadFile(
                "audit-anchor",
                f"Line {number} of the anchored checkpoints holds none.",
                "Give a file that an anchor wrote.",
            ) from error
        found.append(str(said))
    if not found:
        raise BadFile("audit-anchor", "The file holds no checkpoint.", "Give a file that an anchor wrote.")
    return found
