"""Verification: of the living database, or offline of an export with only the public keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.audit.model import CHECKPOINT_TYPE, HASHED, Finding, Verdict, check_checkpoint, check_rows
from scim_bridge.kernel.crypto import Tampered, public_keys, verify
from scim_bridge.kernel.database import Database
from scim_bridge.kernel.errors import BadFile

COLUMNS = (*HASHED, "seq", "prev", "hash")
MARKS = ("first_seq", "last_seq", "last_hash", "root", "at", "statement")


async def verify_database(database: Database) -> Verdict:
    """Check every row and checkpoint of a database."""
    async with database.snapshot() as reader:
        rows: Any = await reader.all(
            f"SELECT {', '.join(COLUMNS)} FROM sb_audit WHERE seq IS NOT NULL ORDER BY seq"
        )
        marks: Any = await reader.all("SELECT * FROM sb_checkpoint ORDER BY last_seq")
        waiting = await reader.one("SELECT COUNT(*) AS n FROM sb_audit WHERE seq IS NULL")
        keys = await public_keys(reader, "audit")
    return verdict(rows, marks, keys, unsealed=waiting["n"] if waiting is not None else 0)


def verdict(
    rows: Sequence[Mapping[str, Any]],
    checkpoints: Sequence[Mapping[str, Any]],
    keys: dict[str, dict[str, Any]],
    *,
    unsealed: int = 0,
) -> Verdict:
    """Check rows and checkpoints, however they were stored."""
    hashes, findings = check_rows(rows)
    covered = 0
    for mark in checkpoints:
        try:
            stated = verify(mark["statement"], keys, CHECKPOINT_TYPE)
        except Tampered as error:
            findings.append(Finding(mark["last_seq"], None, f"checkpoint: {error.message}"))
            continue
        columns = ("first_seq", "last_seq", "last_hash", "root", "at")
        if any(stated.get(name) != mark[name] for name in columns):
            findings.append(
                Finding(mark["last_seq"], None, "the checkpoint's columns are not what it signed")
            )
        if stated["first_seq"] != covered + 1:
            findings.append(Finding(covered + 1, None, f"no checkpoint covers row {covered + 1}"))
        covered = stated["last_seq"]
        broken = check_checkpoint(stated, hashes)
        if broken is not None:
            findings.append(broken)
    if covered < len(hashes):
        findings.append(
            Finding(covered + 1, None, f"no checkpoint covers rows {covered + 1} to {len(hashes)}")
        )
    return Verdict(len(hashes), len(checkpoints), unsealed, tuple(findings))


async def export_lines(database: Database) -> list[bytes]:
    """The sealed chain as JSON lines: keys, then rows, then checkpoints; verifiable on its own."""
    async with database.snapshot() as reader:
        rows = await reader.all(
            f"SELECT {', '.join(COLUMNS)} FROM sb_audit WHERE seq IS NOT NULL ORDER BY seq"
        )
        marks = await reader.all(
            "SELECT first_seq, last_seq, last_hash, root, at, statement FROM sb_checkpoint"
        )
        keys = await public_keys(reader, "audit")
    lines = [orjson.dumps({"type": "keys", "keys": keys})]
    lines.extend(orjson.dumps({"type": "row", **{name: row[name] for name in COLUMNS}}) for row in rows)
    marks_sorted = sorted(marks, key=lambda mark: int(mark["last_seq"]))
    lines.extend(orjson.dumps({"type": "checkpoint", **{n: mark[n] for n in MARKS}}) for mark in marks_sorted)
    return lines


def verify_export(lines: Iterable[bytes], trusted: dict[str, dict[str, Any]] | None = None) -> Verdict:
    """Check an export offline; one without rows does not pass. Invalid when it is none.

    `trusted` public keys by kid; without, the export's own are used: then whoever wrote it may have made them.
    """
    keys: dict[str, dict[str, Any]] = dict(trusted or {})
    rows: list[Mapping[str, Any]] = []
    marks: list[Mapping[str, Any]] = []
    for number, item in _parsed(lines):
        kind = item.get("type")
        if kind == "keys" and isinstance(item.get("keys"), dict):
            keys.update(item["keys"] if trusted is None else {})
        elif kind == "row" and set(COLUMNS) <= item.keys() and isinstance(item["seq"], int):
            rows.append(item)
        elif kind == "checkpoint" and set(MARKS) <= item.keys() and isinstance(item["last_seq"], int):
            marks.append(item)
        else:
            raise BadFile(
                "audit-export", f"Line {number} of the export is not one we wrote.", "Export again."
            )
    found = verdict(rows, marks, keys)
    if rows or marks:
        return found
    # Nothing contradicts nothing, and proves nothing.
    return replace(found, findings=(Finding(0, None, "the export holds no rows and no checkpoints"),))


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
